"""Suppression: the history of an address → send, skip or probe; the one decision, total and pure.

Laws, each tested: only an unknown, an inactive or a full mailbox and a complaint ever speak against
an address; what a fuse left pending says nothing; a complaint keeps mass mail away and nothing
else; kritis and mendesak are tried once whatever the list says; what its owner asked for again is
tried; when the life of a dead address' row is over one letter asks, and the others wait for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import Field, model_validator

from relay.mail.instant import DAY, Instant, from_iso, iso, millis
from relay.mail.strike import Cause, History, Ref, Strike
from relay.mail.urgency import Urgency
from relay.settings import Duration, Settings

BY_HAND: Final = "by hand"
_SINCE: Final = re.compile(
    r"not tried: [a-z_ ]{1,40} since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \(", re.ASCII
)
_DEAD: Final = (Cause.UNKNOWN, Cause.INACTIVE)
_PROVED_WRONG: Final = (*_DEAD, Cause.FULL)  # by a success
_ONCE: Final = (Urgency.KRITIS, Urgency.MENDESAK)


class DeadSettings(Settings):
    """When an unknown or inactive user is believed: two refusals for good so far `apart`, or one by
    a provider's documented rule. Then for its `life`; afterwards one letter asks. What lies farther
    back than `together` before the next says nothing any more."""

    apart: Duration = timedelta(days=1)
    life: Duration = timedelta(days=180)
    together: Duration = timedelta(days=365)

    @model_validator(mode="after")
    def _lasts(self) -> DeadSettings:
        if self.together < self.life:
            raise ValueError("together is shorter than life: the letter that asks would find none")
        return self


class FullSettings(Settings):
    """When a mailbox is believed to stay full: letters, not attempts, failed on so many `days`
    `within` that time; for its `life`."""

    days: int = Field(default=3, ge=1, le=100)
    within: Duration = timedelta(days=30)
    life: Duration = timedelta(days=14)


class ComplaintSettings(Settings):
    """How long a complaint keeps mass mail away; None: until somebody takes it back."""

    life: Duration | None = None


class ResendSettings(Settings):
    """How many failed letters an address' owner may ask for again, `within` that time."""

    most: int = Field(default=3, ge=0, le=1_000)
    within: Duration = timedelta(days=1)


class SuppressionSettings(Settings):
    """`suppression:`. `took_lately`: a success so long ago still speaks for an address, so that one
    refusal never suffices. `probe_every`: between two letters that ask."""

    enabled: bool = True
    unknown_user: DeadSettings = Field(default_factory=DeadSettings)
    inactive_user: DeadSettings = Field(default_factory=DeadSettings)
    mailbox_full: FullSettings = Field(default_factory=FullSettings)
    complaint: ComplaintSettings = Field(default_factory=ComplaintSettings)
    took_lately: Duration = timedelta(days=30)
    probe_every: Duration = timedelta(days=1)
    resend: ResendSettings = Field(default_factory=ResendSettings)


def reach(settings: SuppressionSettings) -> timedelta:
    """How far back what was said of an address can still matter, complaints without a life aside:
    the longest life, and before it the longest time in which two refusals belong together."""
    lives = [
        settings.unknown_user.life,
        settings.inactive_user.life,
        settings.mailbox_full.life,
        settings.mailbox_full.within,
        settings.complaint.life or timedelta(),
        settings.resend.within,
    ]
    return max(lives) + max(settings.unknown_user.together, settings.inactive_user.together)


@dataclass(frozen=True, slots=True)
class Standing:
    """One reason why an address is on the list; `cause` None: a person's own. `count`: the strikes
    that it rests on. `until` None: for ever. `is_due`: its life is over, and one letter may ask.
    `key`: the destination that said the last of it in the dialog; empty where none did."""

    cause: Cause | None
    rule: str
    since: Instant
    until: Instant | None
    count: int
    is_due: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which letter asks. `was_answered`: it was tried before, and what was said spoke against the
    address. `probe`: the letter of the address that asks now or asked last, and when it began."""

    urgency: Urgency
    ref: Ref
    was_answered: bool = False
    probe: tuple[Ref, Instant] | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """It is tried; `why` where the list said otherwise."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """It is tried, and what comes of it tells about the address."""

    standing: Standing


@dataclass(frozen=True, slots=True)
class Skip:
    """It is not tried."""

    why: str
    standing: Standing


Decision = Send | Probe | Skip


def decide(history: History, asked: Asked, now: Instant, settings: SuppressionSettings) -> Decision:
    """What becomes of one letter to that address."""
    found = standings(history, now, settings) if settings.enabled else ()
    meant = [one for one in found if _concerns(one, asked.urgency)]
    if not meant:
        return Send()
    if asked.ref in history.resent:
        return Send("asked for again by the address' owner")
    if asked.urgency in _ONCE and not asked.was_answered:
        return Send(f"{asked.urgency.word} is tried once whatever the list says")
    for one in meant:
        if not one.is_due:
            return Skip(words(one), one)
    first = meant[0]
    if _may_ask(asked, now, settings):
        return Probe(first)
    return Skip(f"{words(first)}; another letter asks at the moment", first)


def words(standing: Standing) -> str:
    """Why a letter is not tried, as its delivery keeps it."""
    name = standing.cause.value if standing.cause is not None else "on the list"
    return f"not tried: {name} since {iso(standing.since)} ({standing.rule})"


def since_of(why: str) -> Instant | None:
    """The moment that such words name; None for any others."""
    found = _SINCE.match(why)
    return from_iso(found[1]) if found else None


def _concerns(standing: Standing, urgency: Urgency) -> bool:
    return standing.cause is not Cause.COMPLAINT or urgency is Urgency.MASSAL


def _may_ask(asked: Asked, now: Instant, settings: SuppressionSettings) -> bool:
    if asked.probe is None:
        return True
    ref, since = asked.probe
    return ref == asked.ref or now - since >= millis(settings.probe_every)


def standings(
    history: History, now: Instant, settings: SuppressionSettings
) -> tuple[Standing, ...]:
    """Every reason that holds now, by hand first."""
    took = history.accepted_at
    firm = [one for one in history.strikes if not one.pending and not _is_healed(one, took)]
    found = (
        _by_hand(history, now),
        _dead([one for one in firm if one.cause in _DEAD], took, now, settings),
        _full([one for one in firm if one.cause is Cause.FULL], now, settings.mailbox_full),
        _complained([one for one in firm if one.cause is Cause.COMPLAINT], now, settings.complaint),
    )
    return tuple(one for one in found if one is not None)


def _is_healed(strike: Strike, accepted_at: Instant | None) -> bool:
    """A success answers what was said in the dialog before it."""
    return strike.source == "reply" and accepted_at is not None and strike.at <= accepted_at


def _by_hand(history: History, now: Instant) -> Standing | None:
    row = history.listed
    if row is None or (row.until_at is not None and row.until_at <= now):
        return None
    took = history.accepted_at
    if took is not None and took > row.at and row.cause in _PROVED_WRONG:
        return None
    return Standing(row.cause, f"{BY_HAND}: {row.reason}", row.at, row.until_at, 0)


def _dead(
    strikes: Sequence[Strike],
    accepted_at: Instant | None,
    now: Instant,
    settings: SuppressionSettings,
) -> Standing | None:
    """Unknown and inactive mean the same: nobody reads it."""
    chain: list[Strike] = []
    since: Instant | None = None
    for one in strikes:
        rules = _rules(one, settings)
        if chain and one.at - chain[-1].at > millis(rules.together):
            chain, since = [], None
        chain.append(one)
        is_twice = one.at - chain[0].at >= millis(rules.apart)
        is_enough = one.is_documented and not _took_lately(one, accepted_at, settings)
        if since is None and (is_twice or is_enough):
            since = one.at
    if since is None:
        return None
    last = chain[-1]
    rules = _rules(last, settings)
    until = last.at + millis(rules.life)
    # A host that takes every letter and bounces it later is believed again where it did not.
    is_taken = accepted_at is not None and accepted_at > last.at
    if now - last.at > millis(rules.together) or (now >= until and is_taken):
        return None
    return Standing(last.cause, last.rule, since, until, len(chain), now >= until, last.key)


def _rules(strike: Strike, settings: SuppressionSettings) -> DeadSettings:
    if strike.cause is Cause.UNKNOWN:
        return settings.unknown_user
    return settings.inactive_user


def _took_lately(
    strike: Strike, accepted_at: Instant | None, settings: SuppressionSettings
) -> bool:
    """A late bounce belies the acceptance that went before it."""
    if accepted_at is None or strike.source != "reply":
        return False
    return strike.at - accepted_at < millis(settings.took_lately)


def _full(strikes: Sequence[Strike], now: Instant, rules: FullSettings) -> Standing | None:
    firsts = list({one.ref: one for one in reversed(strikes)}.values())[::-1]  # one a letter
    since: Instant | None = None
    count = 0
    for one in firsts:
        recent = [e for e in firsts if 0 <= one.at - e.at < millis(rules.within)]
        is_enough = len(_days(recent)) >= rules.days
        count = len(recent)
        if not is_enough:
            since = None
        elif since is None:
            since = one.at
    if since is None or now >= firsts[-1].at + millis(rules.life):
        return None
    last = firsts[-1]
    return Standing(last.cause, last.rule, since, last.at + millis(rules.life), count)


def _days(strikes: Iterable[Strike]) -> set[int]:
    return {one.at // DAY for one in strikes}


def _complained(
    strikes: Sequence[Strike], now: Instant, rules: ComplaintSettings
) -> Standing | None:
    if not strikes:
        return None
    last = strikes[-1]
    until = None if rules.life is None else last.at + millis(rules.life)
    if until is not None and now >= until:
        return None
    return Standing(last.cause, last.rule, strikes[0].at, until, len(strikes))
