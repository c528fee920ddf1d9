"""Hours: a time of day in which a destination may be sent to, `06:00-22:00 Asia/Jakarta`."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from relay.mail.instant import DAY, MINUTE, Instant
from relay.strict_yaml import MAX_SUGGESTION_LENGTH

_WRITTEN: Final = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s+(\S+)")
_ALMOST: Final = re.compile(
    r"(\d\d?)(?:[.:,h](\d\d))?\s*(?:-|–|to|until|s/d|sampai)\s*(\d\d?)(?:[.:,h](\d\d))?\s*(\S+)?"
)
MIDNIGHT: Final = DAY // MINUTE  # 24:00; as a first minute it is 00:00
NEVER: Final = 3650 * DAY  # later than that nobody reckons
_INDONESIA: Final = {"WIB": 7, "WITA": 8, "WIT": 9}


@dataclass(frozen=True, slots=True)
class Hours:
    """From `first` until `last`, minutes of the day there; over midnight where `last` is less."""

    first: int
    last: int
    zone: tzinfo
    written: str

    def __str__(self) -> str:
        return self.written

    def open_at(self, now: Instant) -> Instant:
        """`now` while it is open, else the moment at which it opens next."""
        here = datetime.fromtimestamp(now / 1000, self.zone)
        minute = here.hour * 60 + here.minute
        if self._is_open(minute):
            return now
        into = (here.second * 1000) + here.microsecond // 1000
        return now + (self.first - minute) % MIDNIGHT * MINUTE - into

    def closes_at(self, now: Instant) -> Instant:
        """The moment, after `now`, at which it closes next."""
        here = datetime.fromtimestamp(now / 1000, self.zone)
        into = (here.second * 1000) + here.microsecond // 1000
        minutes = (self.last - here.hour * 60 - here.minute) % MIDNIGHT or MIDNIGHT
        return now + minutes * MINUTE - into

    def after(self, start: Instant, length: int) -> Instant:
        """The moment at which so many milliseconds will have been open since `start`."""
        a_day = ((self.last - self.first) % MIDNIGHT or MIDNIGHT) * MINUTE
        days = max(0, length - 1) // a_day
        at, left = self.open_at(start) + days * DAY, length - days * a_day
        while True:
            at = self.open_at(at)
            closes_at = self.closes_at(at)
            if at + left <= closes_at:
                return at + left
            at, left = closes_at, left - (closes_at - at)

    def within(self, start: Instant, until: Instant) -> list[int]:
        """For how many milliseconds at a time it is open between two moments."""
        return _within(self, start, until)

    def _is_open(self, minute: int) -> bool:
        if self.first < self.last:
            return self.first <= minute < self.last
        return minute >= self.first or minute < self.last


@dataclass(frozen=True, slots=True)
class Shared:
    """What is open while all of several are: a provider's hours, and a domain's own inside them."""

    parts: tuple[Hours, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.parts))

    def open_at(self, now: Instant) -> Instant:
        """`now` while all are open, else when they are next; NEVER from now, where they are not
        within two days: they have no moment in common."""
        at = now
        while at - now <= 2 * DAY:
            later = at
            for part in self.parts:
                later = part.open_at(later)
            if later == at:
                return at
            at = later
        return now + NEVER

    def closes_at(self, now: Instant) -> Instant:
        """See Hours.closes_at."""
        return min(part.closes_at(now) for part in self.parts)

    def after(self, start: Instant, length: int) -> Instant:
        """See Hours.after."""
        at, left = start, length
        while True:
            at = self.open_at(at)
            closes_at = self.closes_at(at)
            if at + left <= closes_at or at - start >= NEVER:
                return at + left
            at, left = closes_at, left - (closes_at - at)

    def within(self, start: Instant, until: Instant) -> list[int]:
        """See Hours.within."""
        return _within(self, start, until)


Open = Hours | Shared


def shared(*hours: Hours | None) -> Open | None:
    """Open while all of them are; None: always."""
    parts = tuple(dict.fromkeys(one for one in hours if one is not None))
    return Shared(parts) if parts[1:] else (parts or (None,))[0]


def _within(hours: Open, start: Instant, until: Instant) -> list[int]:
    spans, at = [], hours.open_at(start)
    while at < until:
        closes_at = min(until, hours.closes_at(at))
        spans.append(closes_at - at)
        at = hours.open_at(closes_at)
    return spans


def parse(text: str) -> Hours:
    """Raises ValueError with a sentence that says what to write."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"no hours: {text!r} ({_meant(text)})")
    first, last = (_minute(match[n], match[n + 1], text) for n in (1, 3))
    if first in (last, MIDNIGHT + last):
        raise ValueError(f"{text!r} never opens: the first and the last minute are the same")
    return Hours(first % MIDNIGHT, last % MIDNIGHT, _zone(match[5]), text.strip())


def _meant(text: str) -> str:
    """What to write: the same hours, where they can be seen; the zone is a guess where none is."""
    match = _ALMOST.fullmatch(text.strip())
    if match is not None:
        first, last = (f"{int(match[n]):02}:{match[n + 1] or '00'}" for n in (1, 3))
        written = f"{first}-{last} {match[5] or 'WIB'}"
        with suppress(ValueError):
            return f"did you mean {parse(written)}?"
    return "write 06:00-22:00 Asia/Jakarta"


def _minute(hour: str, minute: str, text: str) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > MIDNIGHT:
        raise ValueError(f"{hour}:{minute} in {text!r} is no time of day")
    return value


def _zone(name: str) -> tzinfo:
    if name in _INDONESIA:
        return timezone(timedelta(hours=_INDONESIA[name]), name)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        known = [*_INDONESIA, *available_timezones()]
        close = get_close_matches(name[:MAX_SUGGESTION_LENGTH], sorted(known), n=1)
        hint = f"did you mean {close[0]}?" if close else "write WIB, WITA, WIT, UTC or Asia/Jakarta"
        raise ValueError(f"no time zone {name!r} is known here ({hint})") from error
