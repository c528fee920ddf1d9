"""The installed relay with `workers: 2`: letters, AUTH and TLS, kills, reloads, the drain."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import smtplib
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from relay.control import ControlError
from tests.e2e.site import FAST, LETTER, PATIENCE, SENDER, Site, site
from tests.e2e.test_authenticated import EXTRA, PASSWORD, USER, users
from tests.e2e.test_crash import Load, kill_at_random
from tests.e2e.test_reload import gauge
from tests.peers.certificates import self_signed
from tests.peers.ports import free_port

TWO = FAST + "workers: 2\n"


def children(world: Site) -> list[int]:
    """The worker processes."""
    assert world.relay.process is not None
    pid = world.relay.process.pid
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for t in threads for one in (t / "children").read_text().split()]


def are_two(world: Site, dead: int) -> bool:
    return len(set(children(world)) - {dead}) == 2


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def test_letters_go_through_two_workers(tmp_path: Path) -> None:
    async with site(tmp_path, extra=TWO) as world:
        assert len(children(world)) == 2
        await asyncio.gather(*(world.send(f"v{n}@gmail.com", "x@yahoo.com") for n in range(20)))
        await world.arrived(20)
        await world.settled()
        received = await world.logged("received", 20)
        assert len({event["id"] for event in received}) == 20
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await asyncio.to_thread(forged, world.door)
        assert await gauge(world, "lpse_received_total") == 20
        async with asyncio.timeout(PATIENCE):
            while await gauge(world, "lpse_workers") != 2:  # a sample is taken every few seconds
                await asyncio.sleep(0.1)
        (refused,) = await world.logged("refused")
        assert refused["stage"] == "rcpt"


def forged(door: tuple[str, int]) -> None:
    with smtplib.SMTP(*door, timeout=30) as client:
        client.sendmail("somebody@else.example.org", ["v@gmail.com"], b"Subject: no\r\n\r\n")


@pytest.mark.timeout(240)
async def test_a_killed_worker_loses_nothing_acknowledged_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    async with site(tmp_path, extra=TWO, smtp=f"127.0.0.1:{port}") as world:
        load = Load(world.door)
        load.start()
        try:
            for _ in range(3):
                await asyncio.sleep(0.5)
                pids = children(world)
                os.kill(pids[0], signal.SIGKILL)
                await world.until(partial(are_two, world, pids[0]), "it comes back")
        finally:
            await asyncio.to_thread(load.stop)
        await world.settled()
        arrived = Counter(to for a in world.internet.ledger.arrivals for to in a.recipients)
        assert load.acknowledged and load.acknowledged <= set(arrived)
        assert max(arrived.values()) == 1  # the main process did not die: nothing is sent twice
        alerts = await world.logged("alert")
        assert "worker_died" in {alert["name"] for alert in alerts}
        # What was committed is told, acknowledged or not.
        assert len(world.events("received")) == len(arrived)


async def test_workers_end_with_the_main_process(tmp_path: Path) -> None:
    async with site(tmp_path, extra=TWO) as world:
        pids = children(world)
        assert await world.relay.stop(signal.SIGKILL) == -signal.SIGKILL
        await world.until(lambda: not any(map(is_alive, pids)), "workers end")
        await world.restart()
        await world.send("v@gmail.com")
        await world.arrived(1)


@pytest.mark.timeout(240)
async def test_the_main_process_killed_under_load_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    async with site(tmp_path, extra=TWO, smtp=f"127.0.0.1:{port}") as world:
        load = Load(world.door)
        load.start()
        kills: list[int] = []
        try:
            for _ in range(3):
                await kill_at_random(world, random.Random(5), kills)
                before = len(load.acknowledged)
                await world.until(partial(has_more, load, before), "letters are taken again")
        finally:
            await asyncio.to_thread(load.stop)
        await world.settled()
        arrived = {to for a in world.internet.ledger.arrivals for to in a.recipients}
        assert load.acknowledged <= arrived


def has_more(load: Load, before: int) -> bool:
    return len(load.acknowledged) > before


async def test_a_reload_reaches_all_workers_or_none(tmp_path: Path) -> None:
    async with site(tmp_path, extra=TWO) as world:
        file = tmp_path / "relay.yaml"
        first = file.read_text()
        clients = [await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30) for _ in range(6)]
        faulty = "filters: [access, dkim, no.such:Filter]\n"
        file.write_text(f"{first}ingress: {{size_limit: 1000}}\n{faulty}")
        with pytest.raises(ControlError, match="no module no"):
            await world.relay.call("reload")
        assert {sizes(client) for client in clients} == {25 * 1024 * 1024}
        file.write_text(f"{first}ingress: {{size_limit: 1000}}\n")
        await world.relay.call("reload")
        for _ in range(100):  # told, not asked: they use it a moment later
            if {sizes(client) for client in clients} == {1000}:
                break
            await asyncio.sleep(0.05)
        assert {sizes(client) for client in clients} == {1000}
        # One that is started later goes by what counts, not by what the file says by now.
        file.write_text(f"{first}nonsense: true\n")
        killed = children(world)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await world.until(lambda: len(set(children(world)) - set(killed)) == 2, "they come back")
        again = await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30)
        assert sizes(again) == 1000
        file.write_text(first.replace("workers: 2", "workers: 1"))
        (note,) = (await world.relay.call("reload"))["notes"]
        assert note.startswith("workers changed: this needs a restart")
        for client in (*clients, again):
            client.close()


def sizes(client: smtplib.SMTP) -> int:
    client.ehlo()
    return int(client.esmtp_features["size"])


async def test_a_drain_finishes_what_is_in_hand(tmp_path: Path) -> None:
    extra = TWO + "ingress: {drain_sessions: 3s, drain_replies: 1s}\n"
    async with site(tmp_path, extra=extra) as world:
        pids = children(world)
        busy = await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30)
        idle = await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30)
        for client in (busy, idle):
            client.ehlo()
            client.mail(SENDER)
        busy.rcpt("v@gmail.com")
        assert busy.docmd("DATA")[0] == 354
        busy.send(b"From: lpse@lpse.example.go.id\r\nSubject: x\r\n\r\n")
        stopping = asyncio.create_task(world.relay.stop(signal.SIGTERM))
        await asyncio.sleep(0.5)
        busy.send(b"isi\r\n.\r\n")
        assert (await asyncio.to_thread(busy.getreply))[0] == 250
        assert (await asyncio.to_thread(idle.getreply))[0] == 451
        assert await stopping == 0
        for client in (busy, idle):
            client.close()
        assert not any(map(is_alive, pids))
        await world.restart()
        await world.arrived(1)
        await world.settled()


async def test_auth_over_starttls(tmp_path: Path) -> None:
    self_signed(tmp_path, "127.0.0.1", "relay.lpse.example.go.id")
    replacing = {"tls: off": "tls: starttls"}
    async with site(tmp_path, extra=EXTRA + "workers: 2\n", replacing=replacing) as world:
        added = await asyncio.to_thread(users, tmp_path, "add", USER, typed=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr

        def deliver(password: str) -> None:
            with smtplib.SMTP(*world.door, timeout=30) as client:
                client.starttls()
                client.ehlo()
                client.user, client.password = USER, password
                client.auth("PLAIN", client.auth_plain)  # `login` would ask twice, and wait twice
                client.sendmail(SENDER, ["v@gmail.com"], LETTER)

        await asyncio.to_thread(deliver, PASSWORD)
        await world.arrived(1)
        # The delay after a failure counts wherever the client comes in.
        begun = asyncio.get_running_loop().time()
        for _ in range(3):
            with pytest.raises(smtplib.SMTPAuthenticationError):
                await asyncio.to_thread(deliver, "wrong")
        assert asyncio.get_running_loop().time() - begun >= 1 + 2
        (received,) = await world.logged("received")
        assert received["user"] == USER
