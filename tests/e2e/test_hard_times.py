"""Hard times for the running relay: a full disk, a clock that is set, a bad configuration."""

from __future__ import annotations

import asyncio
import signal
import smtplib
import sys
from pathlib import Path
from typing import get_args

import httpx
import pytest

from relay.lab import models
from relay.lab.internet import GOVERNMENT, House
from relay.lab.running import Relay
from relay.mail.events import Event
from relay.mail.instant import MINUTE
from tests.e2e.site import FAST, LETTER, PATIENCE, SENDER, Site, houses, inbox, site

STEPS = [pytest.param(5 * MINUTE, id="forward"), pytest.param(-5 * MINUTE, id="back")]
STEPPED = (sys.executable, "-m", "tests.e2e.stepped")


def hup(world: Site) -> None:
    """Tell the relay to read its configuration anew, as `systemctl reload` does."""
    assert world.relay.process is not None
    world.relay.process.send_signal(signal.SIGHUP)


async def test_a_full_disk_closes_the_door_and_mail_goes_on(tmp_path: Path) -> None:
    vendors = [f"v{n}@gmail.com" for n in range(50)]
    async with site(tmp_path) as world:
        await world.relay.call("pause", provider="gmail.com", reason="so that some are queued")
        await world.send(*vendors)
        file = tmp_path / "relay.yaml"
        plenty = file.read_text()
        file.write_text(plenty + "disk: {reserve: 1000000 GB}\n")
        await world.relay.call("reload")

        def answered() -> tuple[int, bytes]:
            with smtplib.SMTP(*world.door, timeout=30) as client:
                client.ehlo()
                return client.mail(SENDER)

        async def answers(code: int) -> bytes:
            """The door asks for the room that is left once a second."""
            async with asyncio.timeout(PATIENCE):
                while (said := await asyncio.to_thread(answered))[0] != code:
                    await asyncio.sleep(0.05)
            return said[1]

        assert (await answers(452))[:5] == b"4.3.1"
        (alert,) = await world.logged("alert")
        assert (alert["name"], "the door answers 452" in alert["detail"]) == ("low_disk", True)
        await world.relay.call("resume", provider="gmail.com", reason="deliveries go on")
        await world.settled()
        assert len(world.internet.ledger.arrivals) == len(vendors)
        file.write_text(plenty)
        await world.relay.call("reload")
        await answers(250)
        await world.send("vendor@yahoo.com")
        await world.settled()


@pytest.mark.parametrize("step", STEPS)
async def test_a_clock_that_is_set_delays_and_hastens_nothing(tmp_path: Path, step: int) -> None:
    """Before the step: letters over the limit, and one that a greylist wants again later."""
    clock = tmp_path / "clock"
    clock.write_text("0")

    def made(config: Path, state: Path) -> Relay:
        return Relay(config, state, STEPPED, {"CLOCK": str(clock)})

    around = [h for h in houses() if h.host != GOVERNMENT]
    greylisting = models.Greylisting(delay=1)
    around.append(House(GOVERNMENT, "127.0.1.5", greylisting, ("dinas.example.go.id",)))
    exact = FAST.replace("yahoo.com: {rate: 60000/min", "yahoo.com: {rate: 5/2s")
    later = {"schedule: [1s, 2s, 4s]": "schedule: [1m]"}
    async with site(tmp_path, extra=exact, around=around, replacing=later, made=made) as world:
        await world.unramped("yahoo")
        limited = [f"v{n}@yahoo.com" for n in range(16)]
        await world.send("panitia@dinas.example.go.id", *limited)
        await world.logged("deferred")
        await world.arrived(1)
        clock.with_suffix(".new").write_text(str(step))
        clock.with_suffix(".new").rename(clock)
        await world.send("panitia2@dinas.example.go.id", "vendor@gmail.com", "vendor2@gmail.com")
        await world.logged("deferred", 2)
        # What was due by the old clock is due now, or waits as much longer and is seen.
        waiting = {"panitia2@dinas.example.go.id"}
        if step < 0:
            waiting.add("panitia@dinas.example.go.id")
        queue = await world.settled(left=len(waiting))
        assert {late["recipient"] for late in queue["deliveries"]} == waiting
        await world.relay.call(
            "queue.change", change="retry", selector={"domain": "dinas.example.go.id"}, reason="now"
        )
        await world.settled()
        ledger = world.internet.ledger
        assert len(ledger.arrivals) == 20
        await world.kept_to(5, within=2000, domain="yahoo.com")
        for vendor in ("panitia@dinas.example.go.id", "vendor@gmail.com"):
            (row,) = await inbox(tmp_path, vendor)
            assert row.state.word == "delivered"


@pytest.mark.parametrize("step", STEPS)
async def test_a_restart_after_the_clock_was_set_sends_what_waits(
    tmp_path: Path, step: int
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")

    def made(config: Path, state: Path) -> Relay:
        return Relay(config, state, STEPPED, {"CLOCK": str(clock)})

    async with site(tmp_path, made=made) as world:
        await world.relay.call("pause", provider="yahoo", reason="until the clock is set")
        await world.send(*(f"v{n}@yahoo.com" for n in range(10)))
        await world.relay.stop()
        clock.write_text(str(step))
        await world.restart()
        await world.relay.call("resume", provider="yahoo", reason="go")
        await world.settled()
        assert len(world.internet.ledger.arrivals) == 10


async def test_a_bad_configuration_never_starts_and_names_every_line(tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text("hostname: relay.example.go.id\nlimitz: {gmail.com: 20/min}\nlab: maybe\n")
    for command in ("run", "check"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "relay", command, "--config", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 2, said
        text = said.decode().replace("\n", " ")
        assert "relay.yaml:2: limitz: unknown key (did you mean limits?)" in text
        assert "relay.yaml:3: lab: write true or false" in text
        assert "Traceback" not in text
    assert not (tmp_path / "state").exists()


async def test_hup_takes_the_new_file_or_keeps_the_old_one_and_says_why(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        file = tmp_path / "relay.yaml"
        good = file.read_text()
        file.write_text(good + "ingress: {size_limit: 1 MiB}\n")
        hup(world)

        def size() -> str:
            with smtplib.SMTP(*world.door, timeout=30) as client:
                client.ehlo()
                return client.esmtp_features["size"]

        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(size) != str(1024 * 1024):
                await asyncio.sleep(0.05)
        file.write_text(good + "ingress: {size_limit: much}\n")
        hup(world)
        (alert,) = await world.logged("alert")
        assert alert["name"] == "reload_refused"
        assert "ingress.size_limit: not a size: 'much'" in alert["detail"]
        assert await asyncio.to_thread(size) == str(1024 * 1024)
        await world.send("vendor@yahoo.com")
        await world.settled()


OTHERS = {"expired", "suppressed", "deferred", "alert", "returned"}  # other tests have them


async def test_every_event_is_of_the_closed_list(tmp_path: Path) -> None:
    """Names that scripts hold on to; one run that makes most of them."""
    closed = {kind.__name__.lower() for kind in get_args(Event)}
    assert closed == {
        *("received", "refused", "attempted", "delivered", "deferred", "bounced", "expired"),
        *("suppressed", "held", "released", "removed", "paused", "resumed", "alert"),
        "returned",  # what came back after it had been delivered
    }
    async with site(tmp_path) as world:
        await world.relay.call("pause", provider="gmail.com", reason="r")
        await world.send("vendor@yahoo.com", "gone@yahoo.com", "a@gmail.com", "b@gmail.com")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await asyncio.to_thread(refused, world)
        for change in ("hold", "release", "remove"):
            await world.relay.call(
                "queue.change", change=change, selector={"recipient": "a@gmail.com"}, reason="r"
            )
        await world.relay.call("resume", provider="gmail.com", reason="r")
        await world.settled()
    events = world.events()  # all of them: the relay has ended
    assert {e["event"] for e in events} >= closed - OTHERS
    assert {e["event"] for e in events} <= closed
    for event in events:
        assert list(event)[:2] == ["at", "event"]
        assert event["at"].endswith("Z")


def refused(world: Site) -> None:
    """A letter of a stranger."""
    with smtplib.SMTP(*world.door, timeout=30) as client:
        client.sendmail("someone@example.net", ["vendor@yahoo.com"], LETTER)


async def test_the_metrics_of_a_busy_relay_are_those_that_monitors_know(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("vendor@yahoo.com", "gone@yahoo.com")
        await world.settled()
        async with httpx.AsyncClient(base_url=f"http://{world.about['metrics']}") as client:
            page = (await client.get("/metrics")).text
    named = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE lpse_")}
    assert named >= {
        *("lpse_received_total", "lpse_refused_total", "lpse_deliveries_total"),
        *("lpse_replies_total", "lpse_queue_deliveries", "lpse_queue_oldest_seconds"),
        "lpse_waiting_deliveries",
        *("lpse_rate_limit", "lpse_rate_now", "lpse_provider_paused", "lpse_commit_seconds"),
        *("lpse_dkim_seconds", "lpse_loop_lag_seconds", "lpse_wal_bytes", "lpse_inbox_rows"),
    }
