"""Measure the store: python -m tests.bench.store [letters] [producers]."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from relay.clock import SystemClock
from relay.mail.delivery import Delivery
from relay.store import sqlite
from relay.store.base import Entry
from tests.store.letters import START, Post, delivered

BODY = (b"Kepada Yth. Penyedia, bersama ini kami sampaikan pengumuman.\r\n" * 60)[:3600]


async def _produce(store: sqlite.SqliteStore, entries: list[Entry]) -> None:
    while entries:  # the last one first: the caller has turned them round
        await store.put(entries.pop())


async def measure(letters: int, producers: int, vendors: int, folder: Path) -> None:
    store = await sqlite.open(folder, SystemClock())
    post = Post()
    entries = [
        post.entry(
            (f"vendor{n % vendors}@example{n % 50}.co.id",),
            body=BODY,
            subject=f"Pengumuman {n % 9}",
        )
        for n in range(letters)
    ][::-1]
    await _put(store, entries, producers)
    began = time.perf_counter()
    depths = await store.depths()
    print(f"depths  {(time.perf_counter() - began) * 1e3:9.2f} ms, {len(depths)} rows")
    await _settle(store, await _claim(store, letters))
    began = time.perf_counter()
    await store.close()
    used = sum(file.stat().st_size for file in folder.iterdir())
    print(
        f"close   {(time.perf_counter() - began) * 1e3:9.1f} ms; {used / letters:.0f} octets each"
    )


async def _put(store: sqlite.SqliteStore, entries: list[Entry], producers: int) -> None:
    letters = len(entries)
    began, busy = time.perf_counter(), time.thread_time()
    await asyncio.gather(*(_produce(store, entries) for _ in range(producers)))
    took, loop_cpu = time.perf_counter() - began, time.thread_time() - busy
    waits = sorted(store.commit_seconds())
    print(
        f"put     {letters / took:9.0f}/s  {producers} producers, loop"
        f" {loop_cpu / letters * 1e6:.0f} µs a put, {letters / len(waits):.1f} a commit, commit"
        f" p50 {waits[len(waits) // 2] * 1e3:.2f} ms,"
        f" p99 {waits[len(waits) * 99 // 100] * 1e3:.2f} ms"
    )


async def _claim(store: sqlite.SqliteStore, letters: int) -> list[Delivery]:
    leased: list[Delivery] = []
    times: list[float] = []
    began = time.perf_counter()
    while True:
        one = time.perf_counter()
        domains = [f"example{(len(times) + k) % 50}.co.id" for k in range(5)]
        claimed = await store.claim(domains, 200, START, START + 600_000)
        times.append(time.perf_counter() - one)
        leased += claimed
        if len(leased) == letters or len(times) > 10 * letters:
            break
    took = time.perf_counter() - began
    times.sort()
    print(
        f"claim   {letters / took:9.0f}/s  200 a claim, p50 {times[len(times) // 2] * 1e3:.2f} ms"
    )
    return leased


async def _settle(store: sqlite.SqliteStore, leased: list[Delivery]) -> None:
    letters = len(leased)
    began, busy = time.perf_counter(), time.thread_time()
    for at in range(0, letters, 50):
        await store.settle([delivered(one) for one in leased[at : at + 50]], START + 5000)
    took, loop_cpu = time.perf_counter() - began, time.thread_time() - busy
    print(
        f"settle  {letters / took:9.0f}/s  50 a call, loop {loop_cpu / letters * 1e6:.0f} µs each"
    )


async def weigh(letters: int, folder: Path) -> None:
    store = await sqlite.open(folder, SystemClock())
    post = Post()
    entries = [
        post.entry((f"vendor{n % 5000}@example.co.id",), body=BODY, subject=f"Pengumuman {n % 9}")
        for n in range(letters)
    ][::-1]
    size = entries[0].message.content.size
    await asyncio.gather(*(_produce(store, entries) for _ in range(10)))
    used = sum(file.stat().st_blocks * 512 for file in folder.iterdir())
    await asyncio.sleep(1.2)
    later = sum(file.stat().st_blocks * 512 for file in folder.iterdir())
    each = f"{used / letters:9.0f} octets a queued letter of {size}; idle {later / letters:.0f}"
    print(f"disk    {each}")
    await store.close()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    many = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory(dir=".") as made:
        asyncio.run(measure(count, many, count, Path(made) / "a"))
        asyncio.run(measure(count, many, 1000, Path(made) / "c"))
        asyncio.run(weigh(count, Path(made) / "b"))
