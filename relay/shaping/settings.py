"""Settings of shaping: limits in the users' words, providers, pauses, retries, lives."""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from relay.settings import Duration, Settings
from relay.shaping import hours
from relay.shaping.destination import Rate
from relay.strict_yaml import MAX_SUGGESTION_LENGTH

_RATE: Final = re.compile(r"(\d+)\s*/\s*(s|sec|min|m|h|hour|d|day|(?:\d+(?:s|m|h|d)))")
_WINDOWS: Final = {
    "s": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "hour": timedelta(hours=1),
    "d": timedelta(days=1),
    "day": timedelta(days=1),
}
_ALMOST: Final = re.compile(r"(\d+)\s*(?:/|per|a)\s*([^\W\d]+)\.?")
_WORDS: Final = {  # units in full, and in Indonesian
    "second": "s",
    "detik": "s",
    "minute": "min",
    "mnt": "min",
    "menit": "min",
    "hours": "hour",
    "jam": "hour",
    "days": "day",
    "hari": "day",
    "week": "7d",
    "minggu": "7d",
    "month": "30d",
    "bulan": "30d",
}
_SUFFIX: Final = re.compile(r"\.?[\w-]+(\.[\w-]+)*\.?")
MOST: Final = 10_000_000  # units of a rate: more is a slip of the pen
WIDEST: Final = timedelta(days=31)  # window of a rate
_SPANS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def rate(value: object) -> Rate:
    """`20/min`, `1500/day`, `300/5m` → Rate. Zero is refused: that is what *pause* is for."""
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not a rate: {value!r} ({_meant(value)})")
    count, unit = int(match[1]), match[2]
    if count == 0:
        raise ValueError("0 is no rate; to stop sending there use `lpse-relay pause`")
    if count > MOST:
        raise ValueError(f"{value!r} is more than {MOST}: to allow any number write no rate")
    return Rate(count, _WINDOWS.get(unit) or _window(int(unit[:-1]), _SPANS[unit[-1]], value))


def _meant(value: object) -> str:
    """What to write instead of what is no rate: the unit that was meant, where one can be seen."""
    match = _ALMOST.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is not None:
        word = match[2]
        close = get_close_matches(word[:MAX_SUGGESTION_LENGTH], (*_WORDS, *_WINDOWS), n=1)
        if close:
            return f"did you mean {match[1]}/{_WORDS.get(close[0], close[0])}?"
    return "write 20/min, 300/5m, 1500/day"


def _window(many: int, unit: str, value: object) -> timedelta:
    """Of a rate. Raises ValueError for none, and for one that no count is kept for."""
    if not many:
        raise ValueError(f"a window needs a length: {value!r}")
    try:
        window = timedelta(**{unit: many})
    except OverflowError:
        window = timedelta.max
    if window > WIDEST:
        raise ValueError(f"{value!r}: a window is at most {WIDEST.days}d long")
    return window


def rates(value: object) -> object:
    """One rate or a list of them → a tuple."""
    if value is None:
        return None
    if value in ([], ()):
        raise ValueError("an empty list is no rate (write 20/min, or null to unset one)")
    return tuple(rate(item) for item in (value if isinstance(value, list | tuple) else [value]))


Rates = Annotated[tuple[Rate, ...] | None, BeforeValidator(rates)]


def opening(value: object) -> object:
    """`06:00-22:00 Asia/Jakarta` → Hours."""
    return hours.parse(value) if isinstance(value, str) else value


Opening = Annotated[hours.Hours | None, BeforeValidator(opening)]


def daily(value: object) -> object:
    """`500/day` → 500; another window is no day."""
    found = rate(value)
    if found.window != timedelta(days=1):
        raise ValueError(f"{value!r} is no number a day (write 500/day)")
    return found.count


Daily = Annotated[int, BeforeValidator(daily)]


class WarmupSettings(Settings):
    """How a new address begins at a provider: so many on the first sending day, times `growth`."""

    start: Daily
    growth: float = Field(default=1.4, gt=1.0, le=3.0)
    end: Daily

    @model_validator(mode="after")
    def _rises(self) -> WarmupSettings:
        if self.end < self.start:
            raise ValueError(
                f"it ends at {self.end}/day, below its start of {self.start}/day: "
                "write the number that the address shall reach"
            )
        return self


class LimitSettings(Settings):
    """What `limits:` says of one key. None: nothing said, the layer below counts."""

    rate: Rates = None
    burst: int | None = Field(default=None, ge=1, le=10_000)
    connections: int | None = Field(default=None, ge=1, le=500)
    connection_rate: Rates = None
    messages_per_connection: int | None = Field(default=None, ge=1, le=10_000)
    recipients_per_transaction: int | None = Field(default=None, ge=1, le=1_000)  # of a route only
    hours: Opening = None
    warmup: WarmupSettings | None = None


def limit(value: Any) -> Any:
    """`20/min` and `[10/min, 1500/day]` stand for `{rate: …}`."""
    return {"rate": value} if isinstance(value, str | list | tuple) else value


Limit = Annotated[LimitSettings, BeforeValidator(limit)]


def suffix(value: str) -> str:
    """`.google.com`, or a host's name. Raises ValueError for what no MX host ends in."""
    if not _SUFFIX.fullmatch(value.strip()):
        raise ValueError(f"no MX host ends in {value!r} (write .google.com, or a host's name)")
    return value.strip().lower()


def some(value: object) -> object:
    """A list that names none is no list."""
    if value in ([], ()):
        raise ValueError("an empty list matches no MX host (to drop a profile write null for it)")
    return value


Suffixes = Annotated[tuple[Annotated[str, AfterValidator(suffix)], ...], BeforeValidator(some)]


class ProviderSettings(Settings):
    """`providers.NAME`: a shipped profile changed, or a new one (then `match` is needed)."""

    match: Suffixes | None = None
    domains: tuple[str, ...] | None = None
    tls: Literal["required", "opportunistic", "none"] | None = None
    pipelining: bool | None = None
    connections: int | None = Field(default=None, ge=1, le=500)
    messages_per_connection: int | None = Field(default=None, ge=1, le=10_000)
    recipients_per_transaction: int | None = Field(default=None, ge=1, le=1_000)
    rate: Rates = None
    burst: int | None = Field(default=None, ge=1, le=10_000)
    connection_rate: Rates = None
    hours: Opening = None
    warmup: WarmupSettings | None = None


class PauseSettings(Settings):
    """How long a provider rests after its last refusal; below a minute only with `lab: true`."""

    throttle: Duration = timedelta(minutes=10)
    block: Duration = timedelta(minutes=10)
    administrative: Duration = timedelta(hours=4)  # between two new letters at a closed door
    longest: Duration = timedelta(hours=24)  # a block's pause doubles up to this


class RetrySettings(Settings):
    """A letter's own backoff; the last step repeats."""

    schedule: tuple[Duration, ...] = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60, 120, 240))
    jitter: float = Field(default=0.1, ge=0.0, le=0.5)
    ambiguous: Duration = timedelta(minutes=15)  # lost after the dot: not before this
    full: Duration = timedelta(hours=6)  # a full mailbox: not before; doubling up to a day


class LifeSettings(Settings):
    """How long a letter is tried, by class, where it names no deadline. Kritis never longer than a
    day: a password's link of the day before yesterday helps nobody but a thief."""

    kritis: Duration = Field(default=timedelta(hours=24), le=timedelta(hours=24))
    mendesak: Duration = timedelta(days=3)
    transaksi: Duration = timedelta(days=5)
    massal: Duration = timedelta(days=5)
    at_least: Duration = timedelta(hours=24)  # a deadline in the letter never shortens it below


class NxdomainSettings(Settings):
    """A missing domain bounces only after so many lookups over so long a time."""

    lookups: int = Field(default=3, ge=1)
    hold: Duration = timedelta(hours=4)
