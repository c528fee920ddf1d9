"""kill -9, again and again on one store: no acknowledged letter is lost or halved."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import sys
from pathlib import Path

from relay.mail.delivery import State
from relay.store.putting import PART
from tests.store.contract_terms import NOW
from tests.store.opening import asked, opened

KILLS = 12


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A child puts and settles and says so line by line; it dies after so many lines, again and
    again on the same store. What it said holds, complete; inbox and deliveries agree."""
    chance = random.Random(20261124)
    put: dict[int, tuple[int, str]] = {}
    settled: set[int] = set()
    begun_settles: set[int] = set()
    for kill in range(KILLS):
        lines = await _run_and_kill(tmp_path, kill, chance.randint(1, 120))
        for line in lines:
            word, message_id, *rest = line.split()
            if word == "put":
                put[int(message_id)] = (int(rest[0]), rest[1])
            elif word == "settling":
                begun_settles.add(int(message_id))
            else:
                settled.add(int(message_id))
        await _check(tmp_path, put, settled, begun_settles)
    assert len(put) > 10 * KILLS
    assert len(settled) > KILLS
    sizes = [size for size, _ in put.values()]
    assert max(sizes) > PART > min(sizes)


async def _run_and_kill(folder: Path, seed: int, after: int) -> list[str]:
    """Kill it once it has said `after` lines, wherever it is by then."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.store.victim",
        str(folder),
        str(seed),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    first = await child.stdout.readline()  # it has opened the store
    assert first == b"open\n"
    said = b"".join([await child.stdout.readline() for _ in range(after)])
    child.send_signal(signal.SIGKILL)
    said += await child.stdout.read()
    assert await child.wait() == -signal.SIGKILL
    return said[: said.rfind(b"\n") + 1].decode().splitlines()


async def _check(
    folder: Path, put: dict[int, tuple[int, str]], settled: set[int], begun: set[int]
) -> None:
    async with opened(folder) as store:
        await store.recover(NOW)
        for message_id, (size, digest) in put.items():
            body = await store.body(message_id)
            assert (len(body), hashlib.sha256(body).hexdigest()) == (size, digest)
            original = await store.original(message_id)
            assert original.endswith(body[-100:])
            rows = await store.find(message_id)
            assert [row.delivery.n for row in rows] == [1, 2]
            state = rows[0].delivery.state
            assert rows[1].delivery.state is State.READY
            if message_id in settled:
                assert state is State.DELIVERED
                assert len(await store.attempts(message_id, 1)) == 1
            elif message_id not in begun:
                assert state is State.READY
        assert await store.inbox_rows() == asked(folder, "SELECT count(*) FROM inbox")[0][0]
    whole = """SELECT count(*) FROM message m WHERE
        (SELECT count(*) FROM inbox i WHERE i.message_id = m.message_id) <> 2
        OR NOT EXISTS (SELECT 1 FROM body b WHERE b.body_id = m.body_id)
        OR (SELECT count(*) FROM delivery d WHERE d.message_id = m.message_id)
         <> (SELECT count(*) FROM inbox i WHERE i.message_id = m.message_id AND i.state < 4)"""
    assert asked(folder, whole) == [(0,)]
    orphans = "SELECT count(*) FROM body_part p WHERE body_id NOT IN (SELECT body_id FROM body)"
    assert asked(folder, orphans) == [(0,)]
    assert asked(folder, "SELECT count(*) FROM body_begun") == [(0,)]
    assert asked(folder, "PRAGMA integrity_check") == [("ok",)]
