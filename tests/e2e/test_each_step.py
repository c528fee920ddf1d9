"""`kill -9` at each step of one letter's road: what was acknowledged arrives, nothing is halved."""

from __future__ import annotations

import signal
import smtplib
import sys
from collections import Counter
from pathlib import Path

import pytest

from relay.lab.internet import GMAIL, House
from relay.lab.models import BLOCKED, Try
from relay.lab.running import Relay
from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.store.putting import PART
from relay.store.reader import open_readonly
from tests.e2e.site import LETTER, Site, inbox, site
from tests.store.opening import asked

VENDOR = "v1@gmail.com"
LARGE = LETTER + b"\r\n".join(b"%070d" % n for n in range(6 * PART // 72)) + b"\r\n"

# step: is it acknowledged, is it there after the restart, copies of it that arrive. The 250 of a
# claimed letter is on its way when the kill comes: it may or may not be read (None).
STEPS = {
    "filters": (False, False, 0),
    "part.before": (False, False, 0),
    "part.after": (False, False, 0),
    "put.before": (False, False, 0),
    "put.after": (False, True, 1),
    "claim.before": (None, True, 1),
    "claim.after": (None, True, 1),
    "settle.before": (True, True, 2),
    "settle.after": (True, True, 1),
}


async def send(world: Site) -> bool:
    """True where the letter was acknowledged."""
    try:
        await world.send(VENDOR, content=LARGE)
    except (OSError, smtplib.SMTPException):
        return False
    return True


async def nothing_is_halved(folder: Path) -> None:
    """Every message has its body, its rows and nothing else; no part is left over."""
    state = folder / "state"
    assert asked(state, "SELECT count(*) FROM body_begun") == [(0,)]
    orphans = "SELECT count(*) FROM body_part WHERE body_id NOT IN (SELECT body_id FROM body)"
    assert asked(state, orphans) == [(0,)]
    store = await open_readonly(state)
    for (message_id,) in asked(state, "SELECT message_id FROM message"):
        body = await store.body(message_id)
        assert LARGE.endswith(body) and len(body) > 5 * PART
    await store.close()


@pytest.mark.parametrize("step", STEPS)
async def test_a_kill_at_a_step(tmp_path: Path, step: str) -> None:
    is_acknowledged, is_there, copies = STEPS[step]

    def dying(config: Path, state: Path) -> Relay:
        environment = {"KILL_AT": step, "KILLED": str(tmp_path / "killed")}
        return Relay(config, state, (sys.executable, "-m", "tests.e2e.dying"), environment)

    async with site(tmp_path, made=dying) as world:
        was_acknowledged = await send(world)
        assert world.relay.process is not None
        assert await world.relay.process.wait() == -signal.SIGKILL
        await world.restart()
        assert is_acknowledged in (None, was_acknowledged)
        if not was_acknowledged:
            assert len(await inbox(tmp_path, VENDOR)) == is_there
            assert await send(world), "LPSE sends what was not acknowledged again"
            copies += 1
        await world.settled()
        arrived = Counter(to for a in world.internet.ledger.arrivals for to in a.recipients)
        assert arrived == {VENDOR: copies}
        rows = await inbox(tmp_path, VENDOR)
        assert len(rows) == is_there + (not was_acknowledged)
        assert {row.state for row in rows} == {State.DELIVERED}
    await nothing_is_halved(tmp_path)


class Blocking:
    """Refuses every letter after the dot, in the notice's words."""

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        return None

    def end(self, tried: Try, now: Instant) -> str | None:
        return BLOCKED.format(ip=tried.ip)


@pytest.mark.parametrize("step", ["settle.before", "settle.after"])
async def test_a_pause_is_kept_before_the_letter_that_began_it_is_settled(
    tmp_path: Path, step: str
) -> None:
    def dying(config: Path, state: Path) -> Relay:
        environment = {"KILL_AT": step, "KILLED": str(tmp_path / "killed")}
        return Relay(config, state, (sys.executable, "-m", "tests.e2e.dying"), environment)

    around = [House(GMAIL, "127.0.1.1", Blocking(), ("gmail.com",))]
    long = {"pause: {throttle: 1s, block: 1s, longest: 2s}": "pause: {throttle: 10m, block: 10m}"}
    async with site(tmp_path, around=around, replacing=long, made=dying) as world:
        await world.send(VENDOR)
        assert world.relay.process is not None
        assert await world.relay.process.wait() == -signal.SIGKILL
        await world.restart()
        (gmail,) = (await world.relay.call("providers"))["providers"]
        assert (gmail["provider"], gmail["state"]) == ("gmail", "paused")
        await world.send("v2@gmail.com")  # a whole round of the scheduler's, too
        assert (await world.queue())["total"] == 2
        assert len(world.internet.ledger.refusals) == 1
