"""Reporting: what the reports tell of a store, read from the file, and how follow-ups are noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from relay.clock import Clock
from relay.config import profiles_of, read_all
from relay.control import Command, ControlError, Unknown
from relay.mail.follow_up import MAX_NOTE, FollowUp, progress_of
from relay.mail.instant import Instant, iso
from relay.reports import stored
from relay.reports.grouped import Group, Key
from relay.reports.lines import TO_CORRECT
from relay.reports.providers import by_route, labels
from relay.service.offline import opened
from relay.service.selecting import mailbox_key
from relay.store.base import Mailbox
from relay.store.reports import MOST_FAILING


class Notes(Protocol):
    """What is asked of the store."""

    async def mailbox(self, address: str) -> Mailbox | None:
        """See Inbox.mailbox."""
        ...

    async def save_follow_up(self, made: FollowUp) -> FollowUp | None:
        """See Reports.save_follow_up."""
        ...


@dataclass(frozen=True, slots=True)
class ReportCommands:
    """What the control socket answers."""

    store: Notes
    clock: Clock

    def table(self) -> dict[str, Command]:
        """Command → answer."""
        return {"report.follow_up": self.follow_up}

    async def follow_up(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Note how far the LPSE is with an address; the audit trail keeps every change."""
        key = mailbox_key(str(params["address"]).strip())
        note = " ".join(str(params.get("note", "")).split())
        if len(note) > MAX_NOTE:
            raise ControlError(f"the note is longer than {MAX_NOTE} characters")
        try:
            progress = progress_of(str(params["state"]))
        except ValueError as error:
            raise Unknown(str(error)) from None
        if await self.store.mailbox(key) is None:
            raise ControlError(f"no letter ever came for {key}")
        made = FollowUp(key, progress, note, who, self.clock.now())
        before = await self.store.save_follow_up(made)
        return {
            "address": key,
            "before": before.progress.value if before else None,
            "state": progress.value,
            "note": note,
            "noted_by": who,
            "noted_at": iso(made.at),
        }


async def addresses(
    file: Path, state_dir: Path, since: Instant, *, is_all: bool
) -> tuple[list[Mapping[str, Any]], bool]:
    """The rows of `report addresses`, and whether there are more than are told. Raises StoreError,
    SourceError."""
    provider_of = by_route(profiles_of(read_all(file)))
    store = await opened(state_dir)
    try:
        found = await store.failing_addresses(TO_CORRECT, since)
        noted = await store.follow_ups()
    finally:
        await store.close()
    rows = stored.address_rows(found, noted, provider_of, is_all=is_all)
    return list(rows), len(found) >= MOST_FAILING


async def delivery(
    file: Path, state_dir: Path, first: int, last: int, zone: int
) -> dict[Key, Group]:
    """The groups of `report delivery`, of these days (numbers since 1970). Raises StoreError,
    SourceError."""
    profiles = profiles_of(read_all(file))
    provider_of, told = by_route(profiles), labels(profiles)
    since, until = stored.days(first, last, zone)
    store = await opened(state_dir)
    try:
        return await store.counted(since, until, zone, told, stored.fold(provider_of))
    finally:
        await store.close()
