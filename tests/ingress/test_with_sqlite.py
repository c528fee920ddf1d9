"""The door before the real store: what was acknowledged is on disk, whatever it looks like."""

from __future__ import annotations

import asyncio
from pathlib import Path

from relay.clock import SystemClock
from relay.ingress.server import Door
from relay.ingress.settings import ListenSettings
from relay.mail import ids
from relay.mail.delivery import State
from relay.store import sqlite
from relay.store.base import Selector, Store
from tests.ingress import house
from tests.ingress.house import Client

SENDER = "lpse@lpse.example.go.id"
LETTER = (
    b"Subject: LPSE Pengumuman Pembatalan Lelang\r\nBcc: rival@example.com\r\n\r\n"
    b"ID Lelang: 123456, sampai 05-10-2999\r\n\xe9\xe8\nbare\r\n..dots\r\n.\r\n"
)
ODD = [
    b"foo",
    b"",
    b"a b@example.co.id",
    b"\xff\xfe@example.co.id",
    "pelayanan-é@bücher.example".encode(),
    b'"a>b"@example.co.id',
    b"vendor@example.co.id",
    b"x" * 900 + b"@example.co.id",
    b"tab\there@example.co.id",
]


async def send(store: Store, recipients: list[bytes], letter: bytes) -> int:
    """Through a door of its own; the letter's id as the client heard it."""
    log = house.Log()
    listen = [ListenSettings(address="127.0.0.1:0")]
    clock = SystemClock()
    door = Door(house.policy(log), listen, store, clock, ids.Ids(), log.emit, log)
    await door.start()
    reader, writer = await asyncio.open_connection(*door.addresses[0])
    client = Client(reader, writer)
    await client.hear()
    await client.ask("EHLO x")
    await client.ask(f"MAIL FROM:<{SENDER}>")
    for recipient in recipients:
        await client.say(b"RCPT TO:<" + recipient + b">\r\n")
        assert (await client.hear()).startswith("250 2.1.5")
    assert (await client.ask("DATA")).startswith("354")
    await client.say(letter)
    heard = await client.hear()
    await client.ask("QUIT")
    writer.close()
    await door.drain()
    assert not log.alerts, log.alerts
    assert heard.startswith("250 2.0.0 queued as ")
    return ids.read(heard.split()[-1])[0]


async def test_every_odd_recipient_is_on_disk_after_a_restart(tmp_path: Path) -> None:
    store = await sqlite.open(tmp_path, SystemClock())
    name = await send(store, ODD, LETTER)
    await store.close()
    store = await sqlite.open(tmp_path, SystemClock())
    try:
        rows = await store.find(name)
        assert len(rows) == len(ODD)
        states = [row.delivery.state for row in rows]
        assert states.count(State.READY) == 3 and states.count(State.BOUNCED) == 6
        assert await store.inbox_rows() == len(ODD)
        for row in rows:
            attempts = await store.attempts(name, row.delivery.n)
            assert len(attempts) == (row.delivery.state is State.BOUNCED)
        letter = await store.letter(name)
        assert letter.particulars.package == "123456"
        assert letter.particulars.urgency.word == "mendesak"
        body = await store.body(name)
        assert body.endswith(b"=E9=E8\r\nbare\r\n.dots\r\n") and b"Bcc" not in letter.head
        original = await store.original(name)
        assert original.endswith(b"\xe9\xe8\nbare\r\n.dots\r\n") and b"rival" not in original
        # The report on those that are none waits for its way back.
        everything = await store.rows(Selector())
        assert SENDER in {row.delivery.recipient for row in everything}
    finally:
        await store.close()


async def test_a_letter_of_many_megabytes_to_many(tmp_path: Path) -> None:
    store = await sqlite.open(tmp_path, SystemClock())
    try:
        body = b"x" * 76 + b"\r\n"
        letter = b"Subject: besar\r\n\r\n" + body * 60_000 + b".\r\n"
        name = await send(store, [b"v%d@example.co.id" % n for n in range(1200)], letter)
        assert await store.body(name) == body * 60_000
        counts = await store.count(Selector(message_id=name))
        assert counts[State.READY] == 1200
    finally:
        await store.close()
