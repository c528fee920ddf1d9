from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from relay.clock import SystemClock
from relay.observe.health import health_app
from relay.observe.metrics import Metrics
from relay.observe.pulse import TICK, Pulse
from relay.observe.serving import Serving, bound, split_address
from tests.observe.examples import HandClock


async def _beat() -> None:
    return


class Site:
    """A health application behind a real socket."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.fed = 0
        self.pulse = Pulse(_beat, self.clock, self._feed, patience=30)
        self.missing: list[str] = []
        metrics = Metrics(["gmail"], lambda: 0)
        self.serving = Serving(health_app(metrics, self.pulse, lambda: self.missing), "metrics")

    def _feed(self) -> None:
        self.fed += 1


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, httpx.AsyncClient]]:
    made = Site()
    port = await made.serving.start("127.0.0.1:0")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield made, client
    await made.serving.stop()


async def test_metrics_are_served(site: tuple[Site, httpx.AsyncClient]) -> None:
    answer = await site[1].get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "lpse_received_total 0.0" in answer.text
    assert "server" not in answer.headers


async def test_healthz_follows_the_writers_beat(site: tuple[Site, httpx.AsyncClient]) -> None:
    made, client = site
    assert (await client.get("/healthz")).status_code == 200
    made.clock.at += 31_000
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "the store's writer does not answer\n")
    await made.pulse.beat()
    assert (await client.get("/healthz")).status_code == 200
    assert made.fed == 1


async def test_readyz_names_what_is_missing(site: tuple[Site, httpx.AsyncClient]) -> None:
    made, client = site
    made.missing = ["store", "door"]
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "missing: store\nmissing: door\n")
    made.missing = []
    assert (await client.get("/readyz")).text == "ready\n"


async def test_a_taken_port_names_the_address() -> None:
    with bound("127.0.0.1:0") as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=address):
            await Serving(None, "web").start(address)


async def test_signals_stay_with_the_service(site: tuple[Site, httpx.AsyncClient]) -> None:
    """uvicorn alone would put its own handler in the place of ours."""
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    try:
        second = Serving(health_app(Metrics([], lambda: 0), site[0].pulse, list), "second")
        await second.start("127.0.0.1:0")
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await heard.wait()
        assert (await site[1].get("/readyz")).status_code == 200
        await second.stop()
        await second.stop()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_a_socket_may_be_handed_in(site: tuple[Site, httpx.AsyncClient]) -> None:
    listener = bound("127.0.0.1:0")
    port = listener.getsockname()[1]
    serving = Serving(health_app(Metrics([], lambda: 0), site[0].pulse, list), "handed")
    await serving.wait()  # not started: there is nothing to wait for
    assert await serving.start(listener) == port
    ended = asyncio.create_task(serving.wait())
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
    assert not ended.done()
    await serving.stop()
    await ended
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize(
    ("text", "read"),
    [("127.0.0.1:8025", ("127.0.0.1", 8025)), ("[::1]:0", ("::1", 0))],
)
def test_split_address(text: str, read: tuple[str, int]) -> None:
    assert split_address(text) == read


@pytest.mark.parametrize("text", ["", "8025", "::1:80", "host:", "host:x", "host:65536", ":80"])
def test_an_address_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="listen on"):
        split_address(text)


async def test_a_writer_that_fails_feeds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def dead() -> None:
        raise OSError("dead")

    fed: list[int] = []
    clock = HandClock()
    pulse = Pulse(dead, clock, lambda: fed.append(1))
    clock.at += 31_000
    await pulse.beat()
    assert not fed
    assert not pulse.is_alive
    assert "does not answer" in caplog.text


async def test_a_writer_that_hangs_is_given_up_after_its_patience(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    fed: list[int] = []
    pulse = Pulse(hangs, HandClock(), lambda: fed.append(1), patience=0.01)
    async with asyncio.timeout(20):
        await pulse.beat()
    assert not fed
    assert "does not answer: TimeoutError()" in caplog.text


async def test_the_pulse_beats_and_says_how_long_the_loop_was_held() -> None:
    beaten, clock = asyncio.Event(), SystemClock()

    async def beat() -> None:
        beaten.set()

    pulse = Pulse(beat, clock, every=0.01)
    task = asyncio.create_task(pulse.run())
    async with asyncio.timeout(20):
        await beaten.wait()  # the first look has begun, too
    pulse.take_lag()
    began = clock.monotonic()
    time.sleep(TICK + 0.2)  # the stall: whenever in a tick it begins, 0.2 s of it are late
    await asyncio.sleep(TICK)
    assert 0.2 <= pulse.take_lag() <= clock.monotonic() - began
    assert pulse.take_lag() == 0  # told once
    task.cancel()
    assert pulse.is_alive
