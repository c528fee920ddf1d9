"""The crew: what becomes of workers that do not start, fall silent, or are asked to reload."""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.config import Config, load
from relay.ingress.policy import Policy
from relay.mail.ids import Ids
from relay.service import crew, doorway, post
from relay.service.crew import Crew
from relay.service.post import Post
from tests.ingress.house import SENDER, Log, Store

TEXT = """
hostname: relay.lpse.example.go.id
listen: [{address: "127.0.0.1:0"}]
allowed_senders: ["@lpse.example.go.id"]
workers: 1
filters: [access, headers, classes]
"""


def built(folder: Path, log: Log, more: str = "") -> tuple[Config, Policy]:
    (folder / "relay.yaml").write_text(TEXT + more)
    (folder / "state").mkdir(exist_ok=True)
    config = load(folder / "relay.yaml", folder / "state")
    return config, doorway.policy(config, doorway.pipeline(config, log))


@asynccontextmanager
async def crewed(folder: Path) -> AsyncIterator[tuple[Crew, Store, Log]]:
    log, store = Log(), Store()
    config, policy = built(folder, log)
    around = (store, SystemClock(), Ids(), log.emit, log)
    made = Crew(config, policy, around, {})
    try:
        await made.start()
        yield made, store, log
    finally:
        await made.drain()
        assert made.workers == made.sessions_open == 0
        assert not made.is_open


def process(made: Crew) -> asyncio.subprocess.Process:
    """The worker's."""
    found = made._posts[0]._process
    assert found is not None
    return found


async def send(made: Crew) -> None:
    def deliver() -> None:
        with smtplib.SMTP(*made.addresses[0], timeout=30) as client:
            client.sendmail(SENDER, ["v@gmail.com"], f"From: {SENDER}\r\n\r\nisi\r\n".encode())

    await asyncio.to_thread(deliver)


async def until_new(made: Crew, old: int) -> None:
    async with asyncio.timeout(50):
        while process(made).pid == old or not made.is_open:
            await asyncio.sleep(0.01)


async def test_one_that_falls_silent_is_killed_and_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crewed(tmp_path) as (made, store, log):
        assert made.is_open and made.workers == 1
        await send(made)
        node = made._posts[0].node
        monkeypatch.setattr(crew, "SILENT", 2)
        old = process(made).pid
        os.kill(old, signal.SIGSTOP)
        await until_new(made, old)
        monkeypatch.setattr(crew, "SILENT", 60)
        await send(made)
        assert len(store.letters) == 2
        (alert,) = log.alerts
        assert alert[0] == "worker_died"
        assert alert[1].startswith("worker 1 was ended by SIGKILL; its sessions (")
        assert alert[1].endswith("are lost; it is started again in 1 s")
        assert made._posts[0].node == node + 1  # no id is given twice


async def test_signals_mean_the_main_process(tmp_path: Path) -> None:
    async with crewed(tmp_path) as (made, store, log):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(process(made).pid, number)
        await send(made)
        assert len(store.letters) == 1 and not log.alerts


@pytest.mark.parametrize(
    ("where", "name", "what", "says"),
    [
        ("sys", "executable", "/nonexistent/python", "No such file"),
        ("sys", "executable", "/bin/false", "LinkLost"),
        ("relay.service.post", "__version__", "0", "by now, and 0 runs: restart the relay"),
    ],
)
async def test_a_start_without_its_workers_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, name: str, what: str, says: str
) -> None:
    monkeypatch.setattr(f"{where}.{name}", what)
    with pytest.raises(OSError, match="worker 1 could not be started") as raised:
        async with crewed(tmp_path):
            pass
    assert says in str(raised.value)


async def test_one_that_cannot_be_started_again_is_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crewed(tmp_path) as (made, _, log):
        monkeypatch.setattr(crew, "FIRST", 0.01)
        monkeypatch.setattr(crew, "STEADY", 0.0)
        old = process(made).pid
        with monkeypatch.context() as patch:
            patch.setattr("sys.executable", "/bin/false")
            os.kill(old, signal.SIGKILL)
            async with asyncio.timeout(50):
                while len(log.alerts) < 2:
                    await asyncio.sleep(0.01)
            assert not made.is_open
        assert "could not be started: LinkLost" in log.alerts[1][1]
        await until_new(made, old)
        await send(made)


async def test_who_was_not_asked_takes_a_reload_all_the_same(tmp_path: Path) -> None:
    async with crewed(tmp_path) as (made, _, log):
        config, policy = built(tmp_path, log, "ingress: {size_limit: 1000}\n")
        worker = made._posts[0]
        used = worker.used
        worker.used = 0  # as if it had not taken letters yet
        await made.prepare(policy, config)
        worker.used = used
        made.swap(policy)

        def size() -> str:
            with smtplib.SMTP(*made.addresses[0], timeout=30) as client:
                client.ehlo()
                return client.esmtp_features["size"]

        async with asyncio.timeout(50):
            while await asyncio.to_thread(size) != "1000":
                await asyncio.sleep(0.01)


async def test_a_reload_without_the_certificate_is_refused(tmp_path: Path) -> None:
    log = Log()
    config, policy = built(tmp_path, log)
    secure = config.settings.listen[0].model_copy(update={"tls": "starttls"})
    settings = config.settings.model_copy(update={"listen": (secure,)})
    around = (Store(), SystemClock(), Ids(), log.emit, log)
    made = Crew(replace(config, settings=settings), policy, around, {})
    with pytest.raises(ValueError, match="no certificate"):
        await made.prepare(policy, config)
    with pytest.raises(ValueError, match="no certificate"):
        await made.start()


async def test_a_worker_that_does_not_end_is_killed_at_the_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "LAST_WORD", 0.1)
    monkeypatch.setattr(crew, "GRACE", 0.1)
    log, store = Log(), Store()
    config, policy = built(tmp_path, log, "ingress: {drain_sessions: 100ms}\n")
    made = Crew(config, policy, (store, SystemClock(), Ids(), log.emit, log), {})
    await made.start()
    os.kill(process(made).pid, signal.SIGSTOP)
    await made.drain()
    assert log.alerts == [("door_drain", "worker 1 did not end and was killed")]
    assert process(made).returncode == -signal.SIGKILL


@pytest.mark.parametrize("count", [1, 3, 7])
def test_parts_make_the_whole(count: int) -> None:
    for whole in (14, 500, 501, 256 * 1024 * 1024):
        posts = [Post(n, count, [], None, None) for n in range(1, count + 1)]  # type: ignore[arg-type]
        parts = [one._part(whole) for one in posts]
        assert sum(parts) == whole and max(parts) - min(parts) <= 1
    assert post.START > 1
