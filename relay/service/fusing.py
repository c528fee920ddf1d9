"""Fusing: what the control socket answers about fuses, and how an operator decides them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Protocol

from relay.control import Command, ControlError, Unknown
from relay.mail.instant import iso
from relay.scheduler.deciding import Decided, Deciding, LabelOf, NoFuse
from relay.scheduler.parts import Parts


class Road(Protocol):
    """The scheduler, as far as it is asked here."""

    parts: Parts

    async def recall(self, domains: Collection[str] | None = None) -> None:
        """Give claimed but not yet flying deliveries back to the queue."""
        ...

    def nudge(self) -> None:
        """Look for work now."""
        ...


class FuseCommands:
    """One instance a running relay; `table` is what the control socket serves."""

    def __init__(self, road: Road, label_of: LabelOf) -> None:
        """`label_of` tells a domain's provider."""
        self._road = road
        self._deciding = Deciding(road.parts, self._halted, label_of)
        self._one_at_a_time = asyncio.Lock()

    def table(self) -> dict[str, Command]:
        """Command → answer."""
        return {"fuse.ls": self.ls, "fuse.confirm": self.confirm, "fuse.requeue": self.requeue}

    async def ls(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Every fuse that is blown, or that left something to decide."""
        return {
            "fuses": [
                {
                    "fuse": one.name,
                    "state": "whole" if one.blown_at is None else "blown",
                    "blown_at": None if one.blown_at is None else iso(one.blown_at),
                    "held": one.held,
                    "pending": one.pending,
                    "addresses": one.addresses,
                    "why": one.why,
                }
                for one in await self._deciding.undecided()
            ]
        }

    async def confirm(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """What is held was refused rightly: it bounces."""
        return await self._decide(self._deciding.confirm, params, who)

    async def requeue(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """What is held, and what bounced in the hour before, goes again."""
        return await self._decide(self._deciding.requeue, params, who)

    async def _decide(self, how: Any, params: dict[str, Any], who: str) -> dict[str, Any]:
        name, reason = str(params["fuse"]).strip(), str(params.get("reason", "")).strip()
        if not name:
            raise ControlError("name the fuse: see `lpse-relay fuse`")
        if not reason:
            raise ControlError("a reason is needed: it is kept in the audit trail")
        async with self._one_at_a_time:
            try:
                decided: Decided = await how(name, who, reason)
            except NoFuse as error:
                raise Unknown(str(error)) from None
        return {"held": decided.held, "pending": decided.pending}

    @asynccontextmanager
    async def _halted(self) -> AsyncIterator[None]:
        try:
            await self._road.recall()
            yield
        finally:
            self._road.nudge()
