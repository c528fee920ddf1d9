"""Settings of reactions: a reply, a trigger, and what follows, in the users' own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, millis
from relay.settings import Settings, duration
from relay.shaping.destination import Rate
from relay.shaping.directives import Action, Alarm, ConnectionsOf, PauseFor, RateOf, SlowBy
from relay.shaping.settings import rate
from relay.strict_yaml import nearest

LONGEST: Final = timedelta(days=7)  # of a pause or a span; who wants more pauses by hand
MAX_COUNT: Final = 1_000  # replies that a trigger may count: each is kept with its moment
MAX_CONNECTIONS: Final = 500
AT_ONCE: Final = "immediately"
# What each action looks like, for who wrote it otherwise.
FORMS: Final = {
    "slow": "slow 50%",
    "pause": "pause 2h",
    "rate": "rate 1/min for 30m",
    "connections": "connections 1 for 1h",
    "alert": "alert",
}
_COUNTED: Final = re.compile(r"(\d{1,9}) in (\S+)")
_LASTING: Final = re.compile(r"(.+) for (\S+)")
_PERCENT: Final = re.compile(r"(\d{1,9}) ?%")


@dataclass(frozen=True, slots=True)
class Trigger:
    """So many replies within any `span` milliseconds; 1: each one."""

    count: int = 1
    span: int = MINUTE

    def __str__(self) -> str:
        if self.count == 1:
            return AT_ONCE
        parts, rest = "", self.span
        for unit, length in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)):
            many, rest = divmod(rest, length)
            parts += f"{many}{unit}" if many else ""
        return f"{self.count} in {parts}"


def trigger(value: object) -> Trigger:
    """`immediately`, `5 in 1h` → Trigger. Raises ValueError that says what to write."""
    if isinstance(value, Trigger):
        return value
    text = _words(value)
    if text == AT_ONCE:
        return Trigger()
    match = _COUNTED.fullmatch(text)
    if match is None:
        raise ValueError(f"no trigger: {value!r} (write {AT_ONCE}, or 5 in 1h)")
    count = int(match[1])
    if count == 0:
        raise ValueError(f"{value!r} would act without a reply (write {AT_ONCE}, or 5 in 1h)")
    span = _span(match[2])
    if count == 1:
        raise ValueError(f"{value!r}: the first reply acts, whatever the time (write {AT_ONCE})")
    if count > MAX_COUNT:
        raise ValueError(f"{value!r} counts more than {MAX_COUNT} replies (write 5 in 1h)")
    return Trigger(count, span)


def action(value: object) -> Action:
    """`slow 50%`, `pause 2h`, `rate 1/min for 30m`, `connections 1 for 1h`, `alert`.

    Raises ValueError that says what to write.
    """
    if isinstance(value, Action):
        return value
    text = _words(value)
    verb, _, rest = text.partition(" ")
    if verb not in FORMS:
        hint = nearest(verb, FORMS) if verb else f"one of {', '.join(FORMS)}"
        raise ValueError(f"no action: {value!r} ({hint})")
    try:
        return _READ[verb](rest)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


def _words(value: object) -> str:
    return " ".join(value.lower().split()) if isinstance(value, str) else ""


def _span(text: str) -> int:
    """Milliseconds."""
    found = duration(text)
    assert isinstance(found, timedelta)  # noqa: S101 - or it has raised
    if not found:
        raise ValueError("that lasts no time (write 30m, 2h)")
    if found > LONGEST:
        raise ValueError(f"longer than {LONGEST.days}d; for that use `lpse-relay pause`")
    return millis(found)


def _slow(rest: str) -> SlowBy:
    match = _PERCENT.fullmatch(rest)
    if match is None:
        raise ValueError(f"a share is expected (write {FORMS['slow']})")
    percent = int(match[1])
    if percent == 100:
        raise ValueError("that is to send nothing (write pause 2h)")
    if not 1 <= percent < 100:
        raise ValueError("a share lies between 1% and 99% (write slow 50%)")
    return SlowBy(percent)


def _pause(rest: str) -> PauseFor:
    if not rest:
        raise ValueError(f"how long? (write {FORMS['pause']})")
    return PauseFor(_span(rest.removeprefix("for ")))


def _rate(rest: str) -> RateOf:
    what, span = _lasting(rest, "rate")
    if re.match(r"0+\s*/", what):
        raise ValueError(f"0 is no rate: that is a pause (write {FORMS['pause']})")
    found: Rate = rate(what)
    return RateOf(found, span)


def _connections(rest: str) -> ConnectionsOf:
    what, span = _lasting(rest, "connections")
    if not re.fullmatch(r"[0-9]{1,9}", what):
        raise ValueError(f"{what!r} is no number (write {FORMS['connections']})")
    count = int(what)
    if count == 0:
        raise ValueError(f"without a connection nothing is sent (write {FORMS['pause']})")
    if count > MAX_CONNECTIONS:
        raise ValueError(f"more than {MAX_CONNECTIONS} are never opened")
    return ConnectionsOf(count, span)


def _alert(rest: str) -> Alarm:
    if rest:
        raise ValueError("nothing more can be said of it (write alert)")
    return Alarm()


def _lasting(rest: str, verb: str) -> tuple[str, int]:
    match = _LASTING.fullmatch(rest)
    if match is None:
        raise ValueError(f"for how long? (write {FORMS[verb]})")
    return match[1], _span(match[2])


_READ: Final[dict[str, Callable[[str], Action]]] = {
    "slow": _slow,
    "pause": _pause,
    "rate": _rate,
    "connections": _connections,
    "alert": _alert,
}


def _listed(value: object) -> object:
    """One, or a list of them; nothing is an empty list."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Triggered = Annotated[Trigger, BeforeValidator(trigger)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Actions = Annotated[
    tuple[Annotated[Action, BeforeValidator(action)], ...], BeforeValidator(_listed)
]


class SampleSettings(Settings):
    """A reply that the reaction must meet: whole, with its codes; the MX host that said it."""

    text: str
    mx: str = ""
    stage: str = ""


def sample(value: object) -> object:
    """A text stands for `{text: …}`."""
    return {"text": value} if isinstance(value, str) else value


Samples = Annotated[
    tuple[Annotated[SampleSettings, BeforeValidator(sample)], ...], BeforeValidator(_listed)
]


class ReactionSettings(Settings):
    """An entry of `reactions:`. Each condition that is named must hold.

    What an entry needs beside is checked where replies are understood: see relay/config.
    """

    id: str = ""
    provider: str = "*"
    pattern: Words = ()
    unless: Words = ()
    codes: Words = ()
    category: Words = ()
    rule: Words = ()
    trigger: Triggered = Field(default_factory=Trigger)
    action: Actions = ()
    scope: Literal["provider", "domain"] = "provider"
    samples: Samples = ()
