"""The return path's door in a test, and one letter that was delivered before it opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from relay.clock import SystemClock
from relay.config.shipped import shipped_classifier
from relay.ingress.bounces import ReturnDoor
from relay.ingress.noting import Noting
from relay.ingress.settings import ReturnPathSettings
from relay.mail.delivery import Delivered
from relay.mail.events import Returned
from relay.mail.ids import Ids
from relay.mail.instant import DAY
from relay.mail.late import Kind
from relay.mail.return_path import ReturnPath
from relay.mail.strike import Strike
from relay.mail.telling import Mode
from relay.mail.urgency import Urgency
from relay.shaping.settings import LifeSettings
from relay.store.base import Entry, Settlement, StoreError
from tests.ingress import house as houses
from tests.ingress.house import Client, House, Log
from tests.mail import reports
from tests.mail.reports import VENDOR, wire
from tests.store.letters import Post, attempt

DOMAIN = reports.DOMAIN
KEY = b"s" * 32


class Store(houses.Store):
    """Can be told to fail when a report is written down."""

    async def note_late(
        self,
        late: Any,
        strike: Strike | None = None,
        report: Entry | None = None,
        owes_report: bool = False,
    ) -> bool:
        if self.fails:
            raise StoreError("the disk is gone")
        return await super().note_late(late, strike, report, owes_report)


@dataclass
class Returns(House):
    """The door, and one letter that was delivered through the relay before."""

    path: ReturnPath
    message_id: int
    struck: list[str]

    @property
    def ours(self) -> str:
        now = SystemClock().now()
        return self.path.address(self.message_id, 1, now, now)

    def text(self, report: str) -> bytes:
        """A report about our letter."""
        return wire(report.replace(reports.OURS, self.ours))

    def told(self) -> list[str]:
        return [event.outcome for event in self.log.events if isinstance(event, Returned)]

    async def kinds(self) -> list[Kind]:
        return [one.kind for one in await self.store.late_reports([(self.message_id, 1)])]

    async def strikes(self) -> list[Strike]:
        return list((await self.store.history(VENDOR)).strikes)


@asynccontextmanager
async def open_door(
    context: Any = None,
    urgency: Urgency = Urgency.MASSAL,
    notify: frozenset[str] | None = None,
    mode: Mode = "digest",
    **settings: Any,
) -> AsyncIterator[Returns]:
    log, store, clock, struck = Log(), Store(), SystemClock(), list[str]()
    post = Post(at=clock.now())
    entry = post.entry(urgency=urgency)
    (placed,) = entry.placements
    asked = replace(placed, delivery=replace(placed.delivery, notify=notify))
    await store.put(replace(entry, placements=(asked,)))
    (one,) = await store.claim(["example.co.id"], 1, clock.now(), clock.now() + DAY)
    await store.settle([Settlement(one, Delivered(), attempt(one))], clock.now())
    path = ReturnPath([KEY], DOMAIN)
    noting = Noting(
        store,
        path,
        shipped_classifier(),
        clock,
        Ids(),
        log.emit,
        log,
        struck.extend,
        houses.HOST,
        LifeSettings(),
        mode,
    )
    wanted = ReturnPathSettings(domain=DOMAIN, listen=("127.0.0.1:0",), **settings)
    policy = houses.policy(log, tls=context)
    door = ReturnDoor(policy, wanted, path, store, clock, Ids(), log.emit, log, noting)
    await door.start()
    try:
        yield Returns(door, store, log, path, one.message_id, struck)
    finally:
        for session in tuple(door._sessions):
            session.cut()
        await door.drain()


async def hand_in(client: Client, to: str, letter: bytes, sender: str = "") -> str:
    """A whole letter; the last reply."""
    assert (await client.ask("EHLO mx.example.co.id")).startswith("250")
    assert (await client.ask(f"MAIL FROM:<{sender}>")).startswith("250")
    reply = await client.ask(f"RCPT TO:<{to}>")
    if not reply.startswith("250"):
        return reply
    assert (await client.ask("DATA")).startswith("354")
    await client.say(letter + b"\r\n.\r\n")
    return await client.hear()
