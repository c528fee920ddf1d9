"""Requeueing: what the control socket answers about letters that did not arrive, and bringing them
back; first a preview, then piece by piece, each piece one transaction with its audit row."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Protocol

from relay.clock import Clock
from relay.control import Command, ControlError, Unknown
from relay.mail import ids
from relay.mail.address import AddressError, parse_domain
from relay.mail.classification import Category
from relay.mail.events import Emit, Released
from relay.mail.instant import Instant, millis
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.service import shapes
from relay.service.listing import OTHER
from relay.service.selecting import mailbox_key
from relay.settings import duration
from relay.store.base import Changed, QueueRow, Tally, Unsent
from relay.strict_yaml import nearest

PIECE: Final = 500  # deliveries a transaction
SAMPLE: Final = 10
KEYS: Final = (
    "message",
    "fingerprint",
    "sender",
    "subject",
    "class",
    "provider",
    "domain",
    "since",
    "reason",
)
HEX: Final = frozenset("0123456789abcdef")
SHORTEST: Final = 8  # hex digits of a fingerprint


class Letters(Protocol):
    """What is asked of the store."""

    async def unsent(
        self, wanted: Unsent, limit: int = 500, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.unsent."""
        ...

    async def tallies(self, wanted: Unsent, now: Instant) -> list[Tally]:
        """See Queue.tallies."""
        ...

    async def requeue(
        self,
        refs: list[tuple[int, int]],
        action: str,
        who: str,
        reason: str,
        now: Instant,
        subject: str = "",
    ) -> Changed:
        """See Queue.requeue."""
        ...

    async def forgive(self, refs: list[tuple[int, int]], now: Instant) -> None:
        """See Suppressions.forgive."""
        ...

    async def letter(self, message_id: int) -> Letter:
        """See Queue.letter."""
        ...


class Places(Protocol):
    """Who is where."""

    def provider_of(self, domain: str) -> str | None:
        """A domain's label, None where it is not known yet."""
        ...

    def names(self) -> Iterable[str]:
        """What a person may have meant: the providers, and what has a standing."""
        ...


class RequeueCommands:
    """One instance a running relay; `table` is what the control socket serves."""

    def __init__(
        self,
        store: Letters,
        places: Places,
        clock: Clock,
        emit: Emit,
        keep: Callable[[], tuple[timedelta, timezone]],
    ) -> None:
        """`keep`: how far back is looked where no date is given, and the site's zone."""
        self._store = store
        self._places = places
        self._clock = clock
        self._emit = emit
        self._keep = keep
        self._one_at_a_time = asyncio.Lock()

    def table(self) -> dict[str, Command]:
        """Command → answer."""
        return {"queue.unsent": self.preview, "queue.requeue": self.requeue}

    async def preview(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """How many would go again, of which kinds, and some of them; how many are over."""
        wanted = await self._wanted(params)
        tallies = await self._store.tallies(wanted, self._clock.now())
        rows = await self._store.unsent(wanted, SAMPLE)
        return {
            "count": sum(one.count for one in tallies if not one.is_over),
            "over": sum(one.count for one in tallies if one.is_over),
            "by": self._grouped(tallies),
            "sample": [shapes.delivery(row, self._places.provider_of) for row in rows],
        }

    async def requeue(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """They go again. What fails once more meanwhile is not brought back twice."""
        wanted = await self._wanted(params)
        subject = _told(params["selector"])
        why = str(params.get("why", "")).strip()
        async with self._one_at_a_time:
            moved, over = await self._moved(wanted, subject, who, why)
        if moved:
            reason = f"{subject}: {why}" if why else subject
            now = self._clock.now()
            self._emit(Released(now, wanted.message_id, wanted.n, who, reason, moved))
        return {"moved": moved, "over": over}

    async def _moved(self, wanted: Unsent, subject: str, who: str, why: str) -> tuple[int, int]:
        """How many went back, and how many are over."""
        moved = seen = 0
        after: tuple[int, int] | None = None
        while rows := await self._store.unsent(wanted, PIECE, after):
            refs = [(row.delivery.message_id, row.delivery.n) for row in rows]
            now = self._clock.now()
            await self._store.forgive(refs, now)
            changed = await self._store.requeue(refs, "requeue", who, why or subject, now, subject)
            moved, seen, after = moved + changed.moved, seen + len(refs), refs[-1]
        return moved, seen - moved

    def _grouped(self, tallies: Iterable[Tally]) -> list[dict[str, Any]]:
        """By domain, state and category, the most first."""
        counts: Counter[tuple[str, str, str, str | None, bool]] = Counter()
        for one in tallies:
            kind = None if one.category is None else one.category.value
            label = self._label(one)
            counts[one.domain, label, one.state.word, kind, one.is_over] += one.count
        names = ("domain", "provider", "state", "category", "over")
        return [
            dict(zip(names, key, strict=True)) | {"count": count}
            for key, count in counts.most_common()
        ]

    def _label(self, tally: Tally) -> str:
        """The provider that its domain has today, or that was asked last."""
        found = self._places.provider_of(tally.domain)
        if found is None and tally.route in set(self._places.names()):
            found = tally.route
        return found or OTHER

    def _names(self, tally: Tally) -> set[str | None]:
        """What an operator may call its destination."""
        label = self._label(tally)
        return {label, tally.domain, tally.route if label == OTHER else None}

    async def _wanted(self, params: dict[str, Any]) -> Unsent:
        """Raises ControlError with a sentence that names the key and the value."""
        try:
            return await self._read(params)
        except ValueError as error:
            raise Unknown(str(error)) from None

    async def _read(self, params: dict[str, Any]) -> Unsent:
        """Raises ControlError, ValueError."""
        given = params.get("selector")
        if not isinstance(given, dict) or not given:
            raise ControlError(f"name what is meant: one of {', '.join(KEYS)}")
        now = self._clock.now()
        keep, zone = self._keep()
        texts = _texts(given)
        wanted = unsent(texts, now, keep, zone)
        if "fingerprint" in texts:
            wanted = replace(wanted, fingerprint=await self._fingerprint(texts["fingerprint"]))
        if "provider" in texts:
            wanted = await self._of_provider(wanted, texts["provider"].lower(), now)
        return wanted

    async def _fingerprint(self, text: str) -> str:
        """In hex; of a letter's own, where an ID is given."""
        plain = text.strip().lower()
        if not set(plain) - HEX and SHORTEST <= len(plain) <= 64 and len(plain) != ids.LENGTH:
            return plain
        try:
            message_id, _ = ids.read(text)
            return (await self._store.letter(message_id)).body_hash.hex()
        except (ValueError, KeyError):
            raise ValueError(
                f"fingerprint {text!r}: neither the ID of a letter that is kept, nor {SHORTEST} to"
                " 64 hex digits"
            ) from None

    async def _of_provider(self, wanted: Unsent, name: str, now: Instant) -> Unsent:
        tallies = await self._store.tallies(wanted, now)
        known = {*self._places.names(), OTHER}
        found = {one.domain for one in tallies if name in self._names(one)}
        if not found and name not in known:
            raise Unknown(f"unknown provider {name!r}: {nearest(name, sorted(known))}")
        return replace(wanted, domains=frozenset(found))


def unsent(texts: Mapping[str, str], now: Instant, keep: timedelta, zone: timezone) -> Unsent:
    """All of the selector that needs no question; without a letter's ID and without a date it is
    what failed within `keep`. Raises ValueError."""
    message_id = n = None
    if "message" in texts:
        message_id, n = ids.read(texts["message"])
    since = None if message_id is not None else now - millis(keep)
    if "since" in texts:
        since = since_of(texts["since"], now, zone)
    category, rule = reason_of(texts["reason"]) if "reason" in texts else (None, None)
    return Unsent(
        message_id=message_id,
        n=n,
        subject=texts.get("subject"),
        urgency=Urgency.of(texts["class"]) if "class" in texts else None,
        domains=frozenset({_domain(texts["domain"])}) if "domain" in texts else None,
        sender=mailbox_key(texts["sender"]).lower() if "sender" in texts else None,
        category=category,
        rule=rule,
        since=since,
    )


def since_of(text: str, now: Instant, zone: timezone) -> Instant:
    """`7d` ago, or from a date or moment on, `2026-11-01` or `2026-11-01 07:00`, in the site's zone
    unless it names one. Raises ValueError."""
    try:
        span = duration(text)
        assert isinstance(span, timedelta)  # noqa: S101 - what it returns for a text
        return now - millis(span)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"since {text!r}: write 7d, 12h, 2026-11-01 or 2026-11-01T07:00") from None
    local = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return int(local.astimezone(UTC).timestamp() * 1000)


def reason_of(text: str) -> tuple[Category | None, str | None]:
    """Why it failed: a category, or `rule:ID`. Raises ValueError."""
    word, colon, rule = text.strip().partition(":")
    if colon and word == "rule" and rule.strip():
        return None, rule.strip()
    names = [one.value for one in Category]
    if text.strip().lower() not in names:
        raise ValueError(f"reason {text!r}: rule:ID, or one of {', '.join(names)}")
    return Category(text.strip().lower()), None


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    unknown = set(given) - set(KEYS)
    if unknown:
        raise ValueError(f"unknown selector {', '.join(sorted(unknown))}: one of {', '.join(KEYS)}")
    for key, value in given.items():
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{key}: a text is needed, not {value!r}")
    return {key: value if key == "subject" else value.strip() for key, value in given.items()}


def _domain(text: str) -> str:
    try:
        return parse_domain(text).name
    except AddressError as error:
        raise ValueError(f"domain {text!r}: {error}") from None


def _told(given: Mapping[str, str]) -> str:
    """The selector as the audit trail names it."""
    return " ".join(f"{key}={given[key]}" for key in KEYS if key in given)
