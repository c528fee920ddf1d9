"""Stamps: the times at the front of log lines → instants; without a year where the log has none.

RFC 3164 (``Nov 29 18:37:25``) says neither year nor zone: the zone is given, the year is the last
one in which the file's first line is not after ``latest`` (when the file was last written), and
goes on by one where the months begin anew. A stamp is read once and remembered: a busy log says
the same second a hundred times.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from relay.mail.instant import DAY, MINUTE, Instant, millis
from relay.reports.entries import LineError

_NAMES: Final = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTHS: Final = {name: n for n, name in enumerate(_NAMES, 1)}
_REMEMBERED: Final = 50_000  # stamps; then all are forgotten
_BACK: Final = 30 * DAY  # lines are not that late: a new year has begun
_AHEAD: Final = 335 * DAY  # December after January: a line of the old year, written late
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Stamps:
    """One instance a file; ``zone`` is east of UTC, in milliseconds."""

    def __init__(self, zone: int, latest: Instant, year: int | None = None) -> None:
        """``year``: of the first line, where it is known better than from ``latest``."""
        self.short: Final[dict[bytes, Instant]] = {}  # by the 15 octets of an RFC 3164 stamp
        self._long: Final[dict[bytes, Instant]] = {}
        self._zone: Final = zone
        self._latest: Final = latest
        self._year = year
        self._last: Instant | None = None

    def read_short(self, stamp: bytes) -> Instant:
        """``Nov 29 18:37:25`` or ``Nov  9 18:37:25``. Raises LineError."""
        month, day = _MONTHS.get(stamp[:3]), stamp[4:6].lstrip()
        if month is None or len(stamp) != 15 or not day.isdigit():
            raise LineError("no time stamp that is known here")
        clock = _clock(stamp[7:])
        at = self._in_year(month, int(day), clock)
        if len(self.short) >= _REMEMBERED:
            self.short.clear()
        self.short[stamp] = at
        return at

    def _in_year(self, month: int, day: int, clock: int) -> Instant:
        if self._year is None:
            self._year = self._first_year(month, day, clock)
        at = _moment(self._year, month, day, clock - self._zone)
        if at is None:
            raise LineError(f"there is no day {day} in month {month} of {self._year}")
        last = self._last
        if last is not None and at < last - _BACK:
            after = _moment(self._year + 1, month, day, clock - self._zone)
            at = at if after is None else after
            self._year += 1
            self.short.clear()
        elif last is not None and at > last + _AHEAD:
            before = _moment(self._year - 1, month, day, clock - self._zone)
            return at if before is None else before
        self._last = at
        return at

    def _first_year(self, month: int, day: int, clock: int) -> int:
        newest = datetime.fromtimestamp((self._latest + self._zone) // 1000, UTC).year
        for year in range(newest + 1, newest - 9, -1):  # 29 February may be eight years ago
            at = _moment(year, month, day, clock - self._zone)
            if at is not None and at <= self._latest + DAY:
                return year
        raise LineError(f"there is no day {day} in month {month}")

    def read_long(self, line: bytes) -> tuple[Instant, int]:
        """``2026-11-29T18:37:25.123+07:00`` (ISO) or ``2026-11-29 18:37:25.123 +0700`` (Exim): the
        moment and where the stamp ends; parts of a second are left out. Raises LineError."""
        end = 19
        if line[19:20] in (b".", b","):
            end = 20
            while line[end : end + 1].isdigit() and end < 30:
                end += 1
        end, offset = _offset(line, end)
        key = line[:19] + offset
        at = self._long.get(key)
        if at is None:
            at = self._whole(line[:19], offset)
            if len(self._long) >= _REMEMBERED:
                self._long.clear()
            self._long[key] = at
        return at, end

    def _whole(self, stamp: bytes, offset: bytes) -> Instant:
        parts = (stamp[:4], stamp[5:7], stamp[8:10])
        if stamp[4:5] + stamp[7:8] != b"--" or not all(part.isdigit() for part in parts):
            raise LineError("no time stamp that is known here")
        year, month, day = map(int, parts)
        at = _moment(year, month, day, _clock(stamp[11:]) - self._shift(offset))
        if at is None:
            raise LineError(f"there is no day {stamp[:10].decode('ascii', 'replace')}")
        return at

    def _shift(self, offset: bytes) -> int:
        if not offset:
            return self._zone
        if offset == b"Z":
            return 0
        digits = offset[1:].replace(b":", b"")
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        if minutes > 18 * 60:
            raise LineError("the time stamp's zone is more than 18 hours from UTC")
        return (-minutes if offset.startswith(b"-") else minutes) * MINUTE


def _offset(line: bytes, end: int) -> tuple[int, bytes]:
    """Where the stamp ends with its zone, and the zone: ``Z``, ``+07:00``, `` +0700``, nothing."""
    if line[end : end + 1] == b"Z":
        return end + 1, b"Z"
    start = end + 1 if line[end : end + 1] == b" " else end
    if line[start : start + 1] not in (b"+", b"-"):
        return end, b""
    for width in (6, 5):
        offset = line[start : start + width]
        digits = offset[1:].replace(b":", b"")
        if len(digits) == 4 and digits.isdigit() and len(offset) == width:
            return start + width, offset
    return end, b""


def _clock(text: bytes) -> int:
    """``18:37:25`` as milliseconds; second 60 is a leap second's. Raises LineError."""
    parts = (text[:2], text[3:5], text[6:8])
    if len(text) != 8 or text[2:3] + text[5:6] != b"::" or not all(p.isdigit() for p in parts):
        raise LineError("no time stamp that is known here")
    hour, minute, second = map(int, parts)
    if hour > 23 or minute > 59 or second > 60:
        raise LineError(f"there is no time {text.decode('ascii')}")
    return ((hour * 60 + minute) * 60 + second) * 1000


def _moment(year: int, month: int, day: int, clock: int) -> Instant | None:
    try:
        return millis(datetime(year, month, day, tzinfo=UTC) - _EPOCH) + clock
    except ValueError:
        return None
