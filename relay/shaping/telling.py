"""Telling: a destination's state in words and numbers, for who looks and who is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant, iso, millis
from relay.mail.urgency import Urgency
from relay.shaping import base
from relay.shaping.base import Bound, Explained, Inside, Start, Wait
from relay.shaping.counting import Counted
from relay.shaping.destination import Destination, Rate, Sum
from relay.shaping.feedback import RAMP, RAMP_STEP, STEP_UP, Mode, Standing
from relay.shaping.hours import shared
from relay.shaping.learned import Learned
from relay.shaping.limit_keys import MX
from relay.shaping.meaning import Kind
from relay.shaping.warmup import Ahead
from relay.shaping.windows import closed_to_massal

ALL: Final = "all"  # the word for everything where a provider's name stands

_SPANS: Final = {SECOND: "s", MINUTE: "min", HOUR: "hour", DAY: "day"}


def a_minute(rates: Sequence[Rate]) -> float | None:
    """RCPTs a minute that the shortest window allows: longer ones say how many, not how fast."""
    shortest = min(rates, key=lambda rate: rate.window, default=None)
    return shortest.count * MINUTE / millis(shortest.window) if shortest else None


def spans(rates: Sequence[Rate]) -> dict[int, int]:
    """The limits by their windows, in milliseconds."""
    return {millis(rate.window): rate.count for rate in rates}


def pace(learned: Learned) -> str:
    """The ceilings in words: `180/hour, 1900/day`."""
    return ", ".join(
        f"{cap:.0f}/{_SPANS.get(span, f'{span // MINUTE} min')}" for span, cap in learned.caps()
    )


def slow(key: str, rate: float, state: Standing) -> str:
    """Why a letter waits for a learned pace."""
    if state.is_new:
        return f"{key} is new to us: {rate:.1f} a minute, rising as it bears them"
    return f"{key} is slow after a refusal: {rate:.1f} a minute"


def refused(key: str, state: Standing) -> str:
    """A probe was refused."""
    return f"{key} still refuses our mail; asked again at {iso(state.until)}: {state.why}"


def blocked(key: str, state: Standing) -> str:
    """It blocks us. A pause by hand keeps its own words and its own end."""
    if state.by_hand:
        return f"{key}, paused by hand, refuses our mail too: {state.last_reply or state.why}"
    if state.kind is Kind.ADMINISTRATIVE:
        return (
            f"{key} refuses our mail until somebody sees to it; the letters wait, and one new"
            f" letter is tried at {iso(state.until)}: {state.why}"
        )
    return f"{key} refuses our mail: {state.why}"


def frozen(key: str, state: Standing) -> str:
    """Its warm-up stands still."""
    return f"the warm-up at {key} is frozen for this sending day: {state.why}"


def idle(limit: Sum, key: str) -> str:
    """What a limit of a domain says of a way that is not its own."""
    name, words = limit.key.removeprefix("@"), ", ".join(limit.idle)
    where = next((limit.places[word] for word in limit.idle if limit.places.get(word)), limit.where)
    said = f"not in force: {words} of {name} ({where}), for its mail goes to {key}"
    return f"{said}: write it for {key}"


def standing(
    key: str,
    destination: Destination | None,
    provider: str | None,
    state: Standing,
    learned: Learned | None,
    connections: int,
    open_now: int,
    warmup: Ahead | None,
    closed: str,
    step: int,
) -> base.Standing:
    """A destination as `providers` shows it. `closed`: what its hours and its warm-up say; a pause
    says it instead, and a refusal that it is slow after. `step`: milliseconds between two
    steps in which it comes back."""
    limits = destination.profile.rates if destination else ()
    rate = _lower(a_minute(limits), learned, state)
    if state.mode in (Mode.PAUSED, Mode.PROBING):
        rate = 0.0
    soon = None
    if state.mode is Mode.SLOW and rate is not None and not state.is_new:
        share = min(1.0, state.share + STEP_UP * -(-HOUR // step))
        soon = _lower(a_minute(limits), learned, replace(state, share=share))
    why = state.why if state.mode is not Mode.OK else ""
    if not (why or closed) and state.is_new and rate is not None:
        closed = slow(key, rate, state)
    until = None if state.by_hand or state.mode is not Mode.PAUSED else state.until
    return base.Standing(
        key,
        provider,
        state.mode.value,
        until,
        why or closed,
        limits,
        rate,
        connections,
        open_now,
        state.last_reply,
        state.last_reply_at,
        destination.profile.hours if destination else None,
        warmup,
        soon,
    )


def _lower(rate: float | None, learned: Learned | None, state: Standing) -> float | None:
    share = state.share if state.mode is Mode.SLOW else 1.0
    known = learned.rate(share) if learned is not None else None
    own = rate * share if rate is not None else None
    return min((r for r in (own, known) if r is not None), default=None)


def explained(
    shown: base.Standing,
    asked: Iterable[Counted],
    learned: Learned | None,
    state: Standing,
    wait: Wait | None,
    now: Instant,
    urgency: Urgency,
    within: Sequence[Sum] = (),
    warmups: Sequence[tuple[str, Ahead]] = (),
) -> Explained:
    """All of it, for one letter of that class; `within`: the limits of its domain and its site
    inside the destination, and `warmups` how far those are warmed up."""
    counted = list(asked)
    inner = {limit.key for limit in within}
    shown = replace(
        shown,
        hours=None if urgency is Urgency.KRITIS else shown.hours,
        warmup=None if urgency in base.URGENT else shown.warmup,
    )
    share = 1.0 if state.is_new else state.share  # from a start one is soon at the whole
    known = learned.rate(share) if learned else None
    bounds = tuple(
        _bound(one, rate, now, urgency, one.name in inner)
        for one in counted
        for rate in one.meter.rates
    )
    outer = [one for one in counted if one.name not in inner]
    inside = _inside(counted, shown, known, wait, now, urgency, within, warmups)
    return Explained(
        shown.key,
        shown.provider,
        shown.state,
        wait.why if wait else "",
        bounds,
        known,
        learned.ceiling() if learned else None,
        wait.until if wait else now,
        _an_hour(counted, shown, learned, now, urgency, inside),
        shown.connections,
        pace=_pace(outer, shown, known, urgency),
        hours=shown.hours,
        warmup=shown.warmup,
        start=_start(shown, state),
        inside=inside,
    )


def _inside(
    counted: Sequence[Counted],
    shown: base.Standing,
    known: float | None,
    wait: Wait | None,
    now: Instant,
    urgency: Urgency,
    within: Sequence[Sum],
    warmups: Sequence[tuple[str, Ahead]],
) -> Inside | None:
    """What holds the domain besides."""
    if not within:
        return None
    own = () if urgency is Urgency.KRITIS else (limit.hours for limit in within)
    there = wait.until if wait is not None and wait.domain is None else now
    return Inside(
        shared(shown.hours, *own),
        () if urgency in base.URGENT else tuple(warmups),
        _pace(counted, shown, known, urgency),
        there,
        any(limit.key.startswith(MX) for limit in within),
        ", ".join(limit.places.get("hours", "") for limit in within if limit.hours),
        {limit.key: limit.places.get("warmup", "") for limit in within if limit.warmup},
    )


def _bound(one: Counted, rate: Rate, now: Instant, urgency: Urgency, is_inside: bool) -> Bound:
    window = next(w for w in one.meter.windows if w.rate == rate)
    closed = closed_to_massal(rate.count) if urgency is Urgency.MASSAL else 0
    at = window.free_at(1, one.meter.forward(now), closed)
    free_at = at if at > now else None
    where, used = one.where(rate), window.used(now)
    return Bound(one.name, rate, where, used, free_at, closed, is_inside)


def _an_hour(
    counted: Sequence[Counted],
    shown: base.Standing,
    learned: Learned | None,
    now: Instant,
    urgency: Urgency,
    inside: Inside | None,
) -> int | None:
    """How many may leave in the coming hour at most, of that class; of the domain's, where it has
    limits of its own inside. A start without history is no limit: nobody knows how soon the whole
    is reached."""
    if shown.state == "paused" and (shown.paused_until is None or shown.paused_until >= now + HOUR):
        return 0
    hours = shown.hours if inside is None else inside.hours
    spans = [HOUR] if hours is None else hours.within(now, now + HOUR)
    most: list[int] = [] if spans else [0]
    for one in counted:
        for window in one.meter.windows:
            count = _open_to(urgency, window.rate)
            most.append(_in_an_hour(count, window.span, window.lasting(now + HOUR), spans))
    if learned is not None:
        for track in learned.tracks:
            if track.cap is not None:
                lasting = track.lasting(now + HOUR)
                most.append(_in_an_hour(int(track.cap), track.span, lasting, spans))
    if shown.rate_soon is not None:
        most.append(int(shown.rate_soon * 60))
    plans = [] if shown.warmup is None else [shown.warmup]
    plans += [ahead for _, ahead in inside.warmups] if inside is not None else []
    warm = [plan.within(now, now + HOUR) for plan in plans]
    return min([*most, *(n for n in warm if n is not None)], default=None)


def _open_to(urgency: Urgency, rate: Rate) -> int:
    """How many units of a window that class may have."""
    return rate.count - (closed_to_massal(rate.count) if urgency is Urgency.MASSAL else 0)


def _in_an_hour(count: int, span: int, lasting: int, spans: Sequence[int]) -> int:
    """`lasting`: units that count after the hour still; the place of the others is free by then."""
    if span <= HOUR:  # a window that began before counts for less: at most
        return count * min(-(-HOUR // span), sum(-(-length // span) for length in spans))
    return max(0, count - lasting)


def _pace(
    counted: Sequence[Counted],
    shown: base.Standing,
    known: float | None,
    urgency: Urgency,
) -> float | None:
    """How many leave in each hour that is open, for hours on end. Longer windows say how many, and
    not how fast."""
    rates = [
        _open_to(urgency, rate) * HOUR / millis(rate.window)
        for one in counted
        for rate in one.meter.rates
        if millis(rate.window) <= HOUR
    ]
    soon = known if shown.rate_soon is None else shown.rate_soon  # which knows what was learned
    if soon is not None:
        rates.append(soon * 60)
    return min(rates, default=None)


def _start(shown: base.Standing, state: Standing) -> Start | None:
    """What the way from a quarter up to the whole limit costs still."""
    full = a_minute(shown.limits)
    if not state.is_new or full is None:
        return None
    share, delay = state.share, 0.0
    while share < 1:
        delay += max(float(RAMP_STEP), MINUTE / (full * share)) * (1 - share)
        share *= RAMP
    return Start(state.share, int(delay))
