"""Offline: what `ls` and `show` tell when no relay runs, read from the store as it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.clock import SystemClock
from relay.config import profiles_of, read_all
from relay.mail import ids
from relay.mail.late import Late
from relay.mail.strike import Ref
from relay.service import listing, shapes
from relay.service.listing import OTHER
from relay.service.selecting import mailbox_key, selector
from relay.store.base import StoreError
from relay.store.connections import NAME
from relay.store.reader import ReadOnlyStore, open_readonly
from relay.strict_yaml import nearest


class NoLetter(ValueError):
    """The letter or mailbox that was asked for is not there; the message says which."""


class NoStore(StoreError):
    """No relay ever kept its state there."""


async def opened(state_dir: Path) -> ReadOnlyStore:
    """The store of a state directory, to be closed. Raises NoStore, StoreError."""
    try:
        (state_dir / NAME).stat()
    except FileNotFoundError:
        raise NoStore(f"there is no store in {state_dir} (no file {NAME})") from None
    except OSError:
        pass  # it is there, or may be: what keeps it from being read is said by its reader
    return await open_readonly(state_dir)


async def queue_ls(
    file: Path, state_dir: Path, wanted: dict[str, Any], limit: int
) -> dict[str, Any]:
    """`queue ls` without a relay: providers are known by their own domains only."""
    profiles = profiles_of(read_all(file))
    store = await opened(state_dir)
    try:
        # Counted only where it is asked for: of a million deliveries that takes a while.
        depths = await store.depths() if "provider" in wanted else []
        domains = {depth.domain for depth in depths}

        def domains_of(name: str) -> set[str]:
            if name not in {*profiles.names, OTHER}:
                known = sorted({*profiles.names, OTHER})
                raise ValueError(f"unknown provider {name!r}: {nearest(name, known)}")
            return {d for d in domains if (profiles.named(d) or OTHER) == name}

        means = selector(wanted, domains_of)
        return await listing.waiting(store, means, limit, profiles.named)
    finally:
        await store.close()


async def queue_show(file: Path, state_dir: Path, shown: str) -> dict[str, Any]:
    """`queue show` without a relay."""
    message_id, n = ids.read(shown)
    provider_of = profiles_of(read_all(file)).named
    store = await opened(state_dir)
    try:
        return await listing.letter(store, message_id, n, provider_of)
    finally:
        await store.close()


async def suppression_ls(
    file: Path, state_dir: Path, wanted: dict[str, Any]
) -> list[dict[str, Any]]:
    """`suppression ls` without a relay, whole. Raises ValueError, SourceError."""
    from relay.service import suppressing  # the other commands need none of it

    settings, now = read_all(file).settings.suppression, SystemClock().now()
    store = await opened(state_dir)
    try:
        rows: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            answer = await suppressing.page(store, wanted | {"after": after}, settings, now)
            rows += answer["rows"]
            after = answer["next"]
        return rows
    finally:
        await store.close()


async def suppression_show(file: Path, state_dir: Path, given: str) -> dict[str, Any]:
    """`suppression show` without a relay. Raises SourceError."""
    from relay.service import suppressing

    settings, now = read_all(file).settings.suppression, SystemClock().now()
    store = await opened(state_dir)
    try:
        return await suppressing.shown(store, given, settings, now)
    finally:
        await store.close()


async def inbox_ls(state_dir: Path, given: str, limit: int) -> list[dict[str, Any]]:
    """`inbox ls`: always read from the store. Raises NoLetter."""
    key = mailbox_key(given)
    store = await opened(state_dir)
    try:
        mailbox = await store.mailbox(key)
        if mailbox is None:
            raise NoLetter(f"no letter ever came for {key}")
        rows = await store.page(mailbox.id, limit)
        late: dict[Ref, list[Late]] = {}
        for one in await store.late_reports([(row.message_id, row.n) for row in rows]):
            late.setdefault((one.message_id, one.n), []).append(one)
        return [shapes.inbox_row(row, late.get((row.message_id, row.n), ())) for row in rows]
    finally:
        await store.close()


async def inbox_raw(state_dir: Path, shown: str) -> bytes:
    """A letter's octets as received. Raises NoLetter, ValueError for a bad id."""
    message_id, n = ids.read(shown)
    store = await opened(state_dir)
    try:
        if not await store.find(message_id, n):
            raise NoLetter(f"no letter {shown}")
        return await store.original(message_id)
    except KeyError:
        raise NoLetter(f"no letter {shown}") from None
    finally:
        await store.close()


async def late_of(state_dir: Path, shown: str) -> list[dict[str, Any]]:
    """What was said late of a letter, of all its recipients or of one; as `queue show` has it."""
    message_id, n = ids.read(shown)
    store = await opened(state_dir)
    try:
        refs = [(message_id, row.delivery.n) for row in await store.find(message_id, n)]
        return [shapes.late(one) for one in await store.late_reports(refs)]
    finally:
        await store.close()


async def returns_ls(state_dir: Path, limit: int) -> list[dict[str, Any]]:
    """`returns ls`: always read from the store."""
    store = await opened(state_dir)
    try:
        return [shapes.kept(letter) for letter in await store.kept_returns(limit)]
    finally:
        await store.close()


async def returns_raw(state_dir: Path, kept_id: int) -> bytes:
    """A kept letter's octets as received. Raises NoLetter."""
    store = await opened(state_dir)
    try:
        return await store.kept_return(kept_id)
    except KeyError:
        raise NoLetter(
            f"no letter {ids.show(kept_id)} waits: see `lpse-relay returns ls`"
        ) from None
    finally:
        await store.close()
