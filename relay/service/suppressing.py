"""Suppressing: what the control socket answers about the list of addresses that are not tried, and
how it is changed by hand; what only reads serves a store at rest too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Protocol

from relay.clock import Clock
from relay.control import Command, ControlError, Unknown
from relay.mail import address, ids, misspelt
from relay.mail.instant import Instant, from_iso, iso, millis
from relay.mail.strike import Cause, History, Listed, Strike
from relay.mail.urgency import Urgency
from relay.service.selecting import mailbox_key
from relay.service.shapes import moment
from relay.settings import duration
from relay.store.suppressing import Audited, Suppressions
from relay.suppression import Asked, Probe, Skip, Standing, SuppressionSettings, decide, standings

PAGE: Final = 500  # addresses looked at for one answer
BY_HAND: Final = "by_hand"
WORDS: Final = (*(cause.value for cause in Cause), BY_HAND)
STATES: Final = ("in_force", "due", "pending", "noted")
MOST_WORDS: Final = 500  # characters of a note that are kept
LONGEST: Final = timedelta(days=36_500)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
SettingsNow = Callable[[], SuppressionSettings]


class Reads(Protocol):
    """What a listing asks of a store."""

    async def history(self, address: str) -> History:
        """See Suppressions.history."""
        ...

    async def audited(self, address: str, limit: int = 50) -> list[Audited]:
        """See Suppressions.audited."""
        ...

    async def histories(self, limit: int = 1000, after: str = "") -> list[History]:
        """See Suppressions.histories."""
        ...


async def page(
    store: Reads, params: Mapping[str, Any], settings: SuppressionSettings, now: Instant
) -> dict[str, Any]:
    """Rows behind `after`, and where the next page begins (None: this was the last). Without `all`
    what only was noted is left out. Raises ValueError."""
    wanted = params.get("reason")
    if wanted is not None and wanted not in WORDS:
        raise ValueError(f"reason {wanted!r}: one of {', '.join(WORDS)}")
    domain = params.get("domain")
    found = await store.histories(PAGE, str(params.get("after") or ""))
    rows = [row(history, settings, now) for history in found]
    shown = [
        one
        for one in rows
        if (params.get("all") or one["state"] != "noted")
        and wanted in (None, one["reason"])
        and domain in (None, one["address"].rpartition("@")[2])
    ]
    return {"rows": shown, "next": found[-1].address if len(found) == PAGE else None}


def row(history: History, settings: SuppressionSettings, now: Instant) -> dict[str, Any]:
    """One address of `suppression ls`: the first reason that holds, or what was noted."""
    found = standings(history, now, settings)
    strikes, state = history.strikes, "noted"
    if found:
        state = "due" if all(one.is_due for one in found) else "in_force"
    else:
        firm = replace(history, strikes=tuple(replace(one, pending="") for one in strikes))
        found = standings(firm, now, settings)
        state = "pending" if found else "noted"
    first = found[0] if found else _noted(history)
    listed = history.listed
    moments = [one.at for one in strikes] or [first.since]
    return {
        "address": history.address,
        "state": state,
        "reason": BY_HAND if first.cause is None else first.cause.value,
        "rule": first.rule,
        "count": first.count,
        "first_at": iso(min(moments)),
        "last_at": iso(max(moments)),
        "since": iso(first.since) if state != "noted" else None,
        "until_at": moment(first.until),
        "keeps_away": _kept_away(found),
        "note": listed.reason if listed is not None else "",
        "who": listed.who if listed is not None else "",
    }


def _kept_away(found: Sequence[Standing]) -> str:
    """Which letters; of what is pending or due: which it would keep away."""
    if not found:
        return "none"
    return "massal" if all(one.cause is Cause.COMPLAINT for one in found) else "all"


def _noted(history: History) -> Standing:
    """What speaks against an address that is tried all the same."""
    if history.strikes:
        last, count = history.strikes[-1], len(history.strikes)
        return Standing(last.cause, last.rule, last.at, None, count)
    listed = history.listed
    assert listed is not None  # noqa: S101 - the store tells of no other
    return Standing(listed.cause, listed.reason, listed.at, listed.until_at, 0)


async def shown(
    store: Reads, given: str, settings: SuppressionSettings, now: Instant
) -> dict[str, Any]:
    """`suppression show`: what is known of one address, and what it means for each class."""
    key = mailbox_key(given.strip())
    history = await store.history(key)
    what = {} if history.is_clean else row(history, settings, now)
    listed = history.listed
    return (
        {"address": key, "state": "clean"}
        | what
        | {
            "enabled": settings.enabled,
            "by_class": {
                urgency.word: _means(history, urgency, settings, now) for urgency in Urgency
            },
            "last_success_at": moment(history.accepted_at),
            "strikes": [_strike(one) for one in history.strikes],
            "by_hand": None if listed is None else _listed(listed),
            "sent_again": [ids.show(*ref) for ref in sorted(history.resent)],
            "audit": [_audited(one) for one in await store.audited(key)],
            "hints": list(misspelt.meant(key)),
        }
    )


def _means(history: History, urgency: Urgency, settings: SuppressionSettings, now: Instant) -> str:
    decision = decide(history, Asked(urgency, (0, 0)), now, settings)
    if isinstance(decision, Skip):
        return decision.why
    if isinstance(decision, Probe):
        return "the next letter is sent, and tells"
    return f"sent: {decision.why}" if decision.why else "sent"


def _strike(one: Strike) -> dict[str, Any]:
    return {
        "at": iso(one.at),
        "reason": one.cause.value,
        "rule": one.rule,
        "id": ids.show(one.message_id, one.n),
        "is_documented": one.is_documented,
        "source": one.source,
        "destination": one.key,
        "pending": one.pending or None,
    }


def _audited(one: Audited) -> dict[str, Any]:
    what = {"who": one.who, "action": one.action, "why": one.reason, "detail": one.detail}
    return {"at": iso(one.at)} | what


def _listed(one: Listed) -> dict[str, Any]:
    reason = BY_HAND if one.cause is None else one.cause.value
    moments = {"at": iso(one.at), "until_at": moment(one.until_at)}
    return {"reason": reason, "note": one.reason, "who": one.who} | moments


def listed_of(
    given: Mapping[str, Any], who: str, settings: SuppressionSettings, now: Instant
) -> Listed:
    """A row of an import, or of `add`. Raises ValueError with a sentence that names the column."""
    try:
        key = address.parse(_text(given, "address")).key
    except address.AddressError as error:
        raise ValueError(f"address {_text(given, 'address')[:100]!r}: {error}") from None
    word = _text(given, "reason").lower()
    if word not in ("", *WORDS):
        raise ValueError(f"reason {word[:100]!r}: one of {', '.join(WORDS)}, or empty")
    cause = None if word in ("", BY_HAND) else Cause(word)
    at = _moment(given, "first_at") or now
    if at > now:
        raise ValueError(f"first_at {iso(at)} is yet to come")
    until = _moment(given, "until_at")
    last = _moment(given, "last_at") or at
    if until is None and (life := _life(cause, settings)) is not None:
        until = last + millis(life)
    if until is not None and until <= now:
        raise ValueError(f"it was over at {iso(until)}: nothing to add")
    words = _text(given, "note") or _text(given, "rule") or word or "imported"
    return Listed(key, cause, " ".join(words.split())[:MOST_WORDS], who, at, until)


def _life(cause: Cause | None, settings: SuppressionSettings) -> timedelta | None:
    match cause:
        case None:
            return None
        case Cause.COMPLAINT:
            return settings.complaint.life
        case Cause.FULL:
            return settings.mailbox_full.life
        case Cause.UNKNOWN:
            return settings.unknown_user.life
        case Cause.INACTIVE:
            return settings.inactive_user.life


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{key} {value!r}: a text is needed")
    return value.strip()


def _moment(given: Mapping[str, Any], key: str) -> Instant | None:
    text = _text(given, key)
    if not text:
        return None
    try:
        return from_iso(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except (ValueError, OverflowError):
        raise ValueError(f"{key} {text[:100]!r}: write it like 2026-11-29T08:00:00Z") from None


class SuppressionCommands:
    """One instance a running relay; `table` is what the control socket serves."""

    def __init__(
        self,
        store: Suppressions,
        note: Callable[[Iterable[str]], None],
        clock: Clock,
        settings: SettingsNow,
    ) -> None:
        """`note` tells the road of addresses that are struck now."""
        self._store = store
        self._note = note
        self._clock = clock
        self._settings = settings

    def table(self) -> dict[str, Command]:
        """Command → answer."""
        return {
            "suppression.ls": self.ls,
            "suppression.show": self.show,
            "suppression.add": self.add,
            "suppression.rm": self.rm,
            "suppression.import": self.bring_in,
        }

    async def not_tried(self, recipient: str, urgency: Urgency) -> str:
        """Why a letter of that class to that address would not be tried; empty where it would."""
        history = await self._store.history(mailbox_key(recipient))
        now = self._clock.now()
        decision = decide(history, Asked(urgency, (0, 0)), now, self._settings())
        return decision.why if isinstance(decision, Skip) else ""

    async def ls(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """A page of the list."""
        try:
            return await page(self._store, params, self._settings(), self._clock.now())
        except ValueError as error:
            raise Unknown(str(error)) from None

    async def show(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """What is known of an address."""
        given = str(params["address"])
        return await shown(self._store, given, self._settings(), self._clock.now())

    async def add(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Put addresses on the list; all or none."""
        why, now = _why(params), self._clock.now()
        row: dict[str, Any] = {"reason": params.get("reason"), "note": why}
        try:
            if params.get("for"):
                row["until_at"] = iso(now + _span(params["for"]))
            rows = [row | {"address": one} for one in _addresses(params)]
            found = [listed_of(one, who, self._settings(), now) for one in rows]
        except (ValueError, OverflowError) as error:
            raise Unknown(str(error)) from None
        await self._enlist(found, who, why, now)
        return {"added": len(found)}

    async def bring_in(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Rows of a file: what cannot be read is named by its row, the rest is done."""
        why, now = _why(params), self._clock.now()
        found: list[Listed] = []
        refused: list[dict[str, Any]] = []
        for given in params["rows"]:
            try:
                found.append(listed_of(given, who, self._settings(), now))
            except ValueError as error:
                refused.append({"row": given.get("row"), "error": str(error)})
        await self._enlist(found, who, why, now)
        return {"added": len(found), "refused": refused}

    async def _enlist(self, found: Sequence[Listed], who: str, why: str, now: Instant) -> None:
        if found:
            await self._store.enlist(found, who, why, now)
            self._note(one.address for one in found)

    async def rm(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Take addresses off the list: they were mended, or changed; all that spoke against them
        counts no more."""
        why, now = _why(params), self._clock.now()
        keys = [mailbox_key(one) for one in _addresses(params)]
        known = [key for key in keys if not (await self._store.history(key)).is_clean]
        removed = await self._store.heal(known, who, why, now)
        return {"removed": removed, "unknown": [key for key in keys if key not in known]}


def _span(given: object) -> int:
    found = duration(given)
    assert isinstance(found, timedelta)  # noqa: S101 - else it raised
    if not timedelta() < found <= LONGEST:
        raise ValueError(f"for {given}: up to {LONGEST.days} days")
    return millis(found)


def _addresses(params: Mapping[str, Any]) -> list[str]:
    found = [str(one).strip() for one in params.get("addresses", ())]
    if not found or not all(found):
        raise Unknown("name the address")
    return found


def _why(params: Mapping[str, Any]) -> str:
    why = str(params.get("why", "")).strip()
    if not why:
        raise ControlError("a reason is needed: it is kept in the audit trail")
    return why
