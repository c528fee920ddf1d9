"""Under init: the socket is handed in, nobody feels a restart, the relay says how it is."""

from __future__ import annotations

import asyncio
import signal
import smtplib
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.init import Init
from tests.e2e.site import FAST, LETTER, SENDER, site

CLIENTS = 200
AT_LEAST = 2  # letters of each client
PACE = 0.5  # seconds between a client's letters


def send(door: tuple[str, int], client: int, over: threading.Event) -> list[str]:
    """One client's letters, each in a connection of its own; any failure is the test's."""
    sent: list[str] = []
    while not over.is_set() or len(sent) < AT_LEAST:
        to = f"c{client}n{len(sent)}@{('gmail.com', 'yahoo.com')[client % 2]}"
        with smtplib.SMTP(*door, timeout=60) as connection:
            connection.sendmail(SENDER, [to], LETTER)
        sent.append(to)
        over.wait(PACE)
    return sent


async def test_two_hundred_clients_across_a_restart_feel_nothing(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    over = threading.Event()
    with Init(tmp_path) as init, ThreadPoolExecutor(CLIENTS) as threads:
        async with site(tmp_path, FAST, smtp="systemd:smtp", made=init.relay) as world:
            arrivals = world.internet.ledger.arrivals
            clients = [
                loop.run_in_executor(threads, send, world.door, n, over) for n in range(CLIENTS)
            ]
            try:
                await world.until(lambda: len(arrivals) > CLIENTS, "they all send")
                assert await world.relay.stop() == 0
                await world.restart()
                before = len(arrivals)
                await world.until(lambda: len(arrivals) > before + CLIENTS, "they send on")
            finally:
                over.set()
            sent = [to for letters in await asyncio.gather(*clients) for to in letters]
            await world.settled()
            arrived = Counter(to for a in arrivals for to in a.recipients)
            assert arrived == Counter(sent)  # each once: a drain leaves nothing doubtful


async def test_it_notifies_its_start_its_pulse_its_reload_and_its_end(tmp_path: Path) -> None:
    with Init(tmp_path) as init:
        async with site(tmp_path, FAST, smtp="systemd:smtp", made=init.relay) as world:
            await init.hears("READY=1")
            await init.hears("WATCHDOG=1")
            assert world.relay.process is not None
            world.relay.process.send_signal(signal.SIGHUP)
            await init.hears("RELOADING=1")
            await init.hears("READY=1", times=2)
            assert "STOPPING=1" not in init.heard
            assert await world.relay.stop() == 0
            await init.hears("STOPPING=1")
        said = [line for line in init.heard if line.isupper() and line.endswith("=1")]
        told = [line for line in said if line != "WATCHDOG=1"]
        assert told == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
        assert any(line.startswith("STATUS=listening on 127.0.0.1:") for line in init.heard)


async def test_it_stops_only_when_open_sessions_have_finished(tmp_path: Path) -> None:
    with Init(tmp_path) as init:
        async with site(tmp_path, FAST, smtp="systemd:smtp", made=init.relay) as world:
            client = await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30)
            client.ehlo()
            client.mail(SENDER)
            stopping = asyncio.create_task(world.relay.stop())
            await init.hears("STOPPING=1")
            late = await asyncio.to_thread(socket.create_connection, world.door, 30)

            def finish() -> tuple[int, bytes]:
                client.rcpt("vendor@yahoo.com")
                answer = client.data(LETTER)
                client.quit()
                return answer

            code, text = await asyncio.to_thread(finish)
            assert (code, text.startswith(b"2.0.0")) == (250, True)
            assert await stopping == 0
            await world.restart()
            # The one that came in between was not refused: it is greeted by the next relay.
            assert (await asyncio.to_thread(late.recv, 100)).startswith(b"220 ")
            late.close()
            await world.settled()
            assert len(world.internet.ledger.accepted("vendor@yahoo.com")) == 1
