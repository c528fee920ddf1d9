"""A road that does not go anywhere, with fuses that blew: what an operator has to decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from relay.mail.delivery import Bounced, Delivery, Held
from relay.mail.events import Event
from relay.mail.ids import Ids
from relay.scheduler.parts import Parts, Tuning
from relay.service.fusing import FuseCommands
from relay.store.base import Settlement
from relay.store.memory import MemoryStore
from tests.store.letters import NO_USER, UNKNOWN, Post, SteppingClock, attempt


@dataclass
class Fused:
    """A store with held and bounced letters; it notes what was asked of the scheduler."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: SteppingClock = field(default_factory=SteppingClock)
    events: list[Event] = field(default_factory=list)
    post: Post = field(default_factory=Post)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        nobody = cast(Any, None)
        self.parts = Parts(
            self.store,
            nobody,
            nobody,
            nobody,
            nobody,
            self.clock,
            Ids(),
            self.events.append,
            Tuning("relay.lpse.example.go.id"),
        )
        self.commands = FuseCommands(self, lambda domain: domain.partition(".")[0])

    async def recall(self, domains: Any = None) -> None:
        self.asked.append("recall")

    def nudge(self) -> None:
        self.asked.append("nudge")

    async def ask(self, command: str, /, **params: Any) -> dict[str, Any]:
        return await self.commands.table()[command](params, "siti")

    async def refused(self, to: str, **message: Any) -> Delivery:
        """One letter, unknown there: bounced while the fuse is whole, held while it is blown."""
        await self.store.put(self.post.entry((to,), **message))
        domain = to.rpartition("@")[2]
        now = self.clock.at
        (leased,) = await self.store.claim([domain], 1, now, now + 60_000)
        letter = await self.store.letter(leased.message_id)
        made = attempt(leased, reply=NO_USER, classification=UNKNOWN)
        box = await self.parts.fuses.box()
        fuse, doubt = self.parts.fuses.note(box, "gmail", letter, made, UNKNOWN, now)
        if fuse.is_blown:
            outcome: Held | Bounced = Held(f"{fuse.why}; {made.said()}", UNKNOWN.category)
        else:
            outcome = Bounced(made.said(), UNKNOWN.category)
            ref = (leased.message_id, leased.n)
            box.bounced("gmail", letter.body_hash, UNKNOWN, ref, now)
        await self.store.settle([Settlement(leased, outcome, made, doubt=doubt)], now)
        return leased

    async def blow(self, held: int = 3) -> None:
        """29 bounced, `held` held."""
        for n in range(29 + held):
            await self.refused(f"v{n}@gmail.com")
