"""The child that is killed: puts and settles as fast as it can, and says what was acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

from relay.clock import SystemClock
from relay.mail import ids
from relay.store import sqlite
from relay.store.putting import PART
from tests.store.letters import START, Post, delivered


def _say(*words: object) -> None:
    """One write a line: what is in the pipe survives the kill."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def _produce(store: sqlite.SqliteStore, post: Post, chance: random.Random) -> None:
    while True:
        size = chance.choice((10, 1000, 4000, 4000, 4000, PART + 5, 3 * PART))
        body = chance.randbytes(size)
        received = b"as received: " + body if chance.random() < 0.2 else None
        entry = post.entry(("a@one.example", "b@two.example"), body=body, received=received)
        await store.put(entry)
        _say("put", entry.message.id, size, hashlib.sha256(body).hexdigest())


async def _settle(store: sqlite.SqliteStore) -> None:
    while True:
        taken = await store.claim(("one.example",), 3, START, START + 600_000)
        for one in taken:
            _say("settling", one.message_id)
        await store.settle([replace(delivered(one)) for one in taken], START + 5000)
        for one in taken:
            _say("settled", one.message_id)
        await asyncio.sleep(0.002)


async def main(folder: Path, seed: int) -> None:
    store = await sqlite.open(folder, SystemClock())
    await store.recover(START)
    _say("open")
    # An hour between the lives, so that ids never meet.
    post = Post(START + seed * 3_600_000, ids.Ids())
    chances = [random.Random(f"{seed}.{n}") for n in range(4)]
    await asyncio.gather(_settle(store), *(_produce(store, post, one) for one in chances))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
