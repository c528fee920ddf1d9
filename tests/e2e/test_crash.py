"""`kill -9` under load, again and again: no acknowledged letter is lost, few arrive twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import smtplib
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from relay.control import ControlError
from relay.lab.internet import GMAIL, House
from relay.lab.models import Try
from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.store.base import Selector
from relay.store.reader import open_readonly
from tests.e2e.site import FAST, LETTER, SENDER, Site, inbox, site
from tests.peers.ports import free_port

KILLS = int(os.environ.get("LPSE_KILLS", "20"))
CLIENTS = 4
CONNECTIONS = 30  # the sum over the providers of `site.FAST`


class Load:
    """Clients that send one letter after another, and know which were acknowledged."""

    def __init__(self, door: tuple[str, int]) -> None:
        self._door = door
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._count = 0
        self.acknowledged: set[str] = set()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new letters; returns when the last one was answered."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            to = f"c{client}n{number}@{('gmail.com', 'yahoo.com')[number % 2]}"
            try:
                with smtplib.SMTP(*self._door, timeout=10) as connection:
                    connection.sendmail(SENDER, [to], LETTER)
            except (OSError, smtplib.SMTPException):
                self._over.wait(0.05)
                continue
            with self._lock:
                self.acknowledged.add(to)


def doubled_by_kill(world: Site, kills: list[int]) -> Counter[int | None]:
    """Second copies, by the kill that lies between the two; None: no kill does."""
    found: Counter[int | None] = Counter()
    seen: dict[str, int] = {}
    for n, arrival in enumerate(world.internet.ledger.arrivals):
        for to in arrival.recipients:
            if to in seen:
                between = [k for k, at in enumerate(kills) if seen[to] < at <= n]
                found[between[-1] if between else None] += 1
            seen[to] = n
    return found


async def kill_at_random(world: Site, rng: random.Random, kills: list[int]) -> None:
    """Let it work for a moment, then kill -9 and start again; `kills`: arrivals before each."""
    await asyncio.sleep(rng.uniform(0.05, 0.6))
    assert await world.relay.stop(signal.SIGKILL) == -signal.SIGKILL
    await world.until(lambda: world.internet.sessions == 0, "what it had said is heard")
    kills.append(len(world.internet.ledger.arrivals))
    await world.restart()


@pytest.mark.timeout(600)
async def test_twenty_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(20111004)
    async with site(tmp_path, smtp=f"127.0.0.1:{free_port()}") as world:
        load = Load(world.door)
        load.start()
        kills: list[int] = []
        try:
            for _ in range(KILLS):
                await kill_at_random(world, rng, kills)
        finally:
            await asyncio.to_thread(load.stop)
        await world.settled()
        arrived = Counter(to for a in world.internet.ledger.arrivals for to in a.recipients)
        lost = load.acknowledged - set(arrived)
        assert len(load.acknowledged) > KILLS
        assert lost == set()
        doubled = doubled_by_kill(world, kills)
        assert None not in doubled, "a second copy without a kill in between"
        assert all(count <= CONNECTIONS for count in doubled.values()), doubled
        for address in sorted(load.acknowledged)[:: max(1, len(load.acknowledged) // 20)]:
            rows = await inbox(tmp_path, address)
            assert [row.state for row in rows] == [State.DELIVERED]


@pytest.mark.timeout(180)
async def test_ten_thousand_queued_survive_a_kill_and_start_quickly(tmp_path: Path) -> None:
    vendors = [f"v{n}@gmail.com" for n in range(10_000)]
    async with site(tmp_path) as world:
        await world.relay.call("pause", provider="gmail.com", reason="a quiet hour")
        for first in range(0, 10_000, 1000):
            await world.send(*vendors[first : first + 1000])
        await world.relay.stop(signal.SIGKILL)
        await world.restart()
        queue = await world.queue()
        assert queue["total"] == 10_000
        await world.relay.call("resume", provider="gmail.com", reason="go")
        await world.arrived(200)
        arrived = [to for a in world.internet.ledger.arrivals for to in a.recipients]
        assert len(arrived) == len(set(arrived))
        await world.relay.call(
            "queue.change", change="remove", selector={"domain": "gmail.com"}, reason="enough"
        )
    store = await open_readonly(tmp_path / "state")
    counts = await store.count(Selector(urgency=Urgency.MENDESAK))
    await store.close()
    assert sum(counts.values()) <= 200


@dataclass(slots=True)
class Killing:
    """A provider in whose presence the relay dies, once: at a RCPT, or at the dot before its reply.

    It takes the letter all the same, as a real one does that never sees its reply read.
    """

    stage: Literal["rcpt", "eod"]
    pid: int = 0

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """The recipient is named, nothing is sent."""
        self._kill("rcpt")
        return None

    def end(self, tried: Try, now: Instant) -> str | None:
        """The letter is here, and nobody has said so."""
        self._kill("eod")
        return None

    def _kill(self, stage: str) -> None:
        if self.pid and stage == self.stage:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = 0


@pytest.mark.parametrize(("stage", "copies"), [("rcpt", 1), ("eod", 2)])
async def test_a_kill_in_the_middle_of_a_transaction(
    tmp_path: Path, stage: Literal["rcpt", "eod"], copies: int
) -> None:
    """Before the dot nothing is doubled; after it the one in flight is, and nothing else."""
    provider = Killing(stage)
    around = [House(GMAIL, "127.0.1.1", provider, ("gmail.com",))]
    one = FAST.replace("connections: 10", "connections: 1")
    vendors = [f"v{n}@gmail.com" for n in range(5)]
    async with site(tmp_path, extra=one, around=around) as world:
        await world.relay.call("pause", provider="gmail.com", reason="until all are queued")
        await world.send(*vendors)
        assert world.relay.process is not None
        provider.pid = world.relay.process.pid
        with contextlib.suppress(ControlError):  # it may die before it answers
            await world.relay.call("resume", provider="gmail.com", reason="go")
        assert await world.relay.process.wait() == -signal.SIGKILL
        await world.restart()
        await world.settled()
        arrived = Counter(to for a in world.internet.ledger.arrivals for to in a.recipients)
        assert sorted(arrived) == sorted(vendors)
        assert sorted(arrived.values(), reverse=True) == [copies, 1, 1, 1, 1]
        for vendor in vendors:
            (row,) = await inbox(tmp_path, vendor)
            assert row.state is State.DELIVERED
