"""Fuse: what keeps a provider's bad hour, or one bad letter, from becoming a mass of false bounces.

Two rules, both over the attempts of the last hour that were answered about the recipient or the
letter (what is said of us counts for neither). *Addresses*: at one destination more are refused as
unknown or inactive than its normal share, the greater of 15 % and three times its share of the
last 30 days. *Contents*: one letter, known by its body, is refused for its content or by policy
more than in a fifth of its attempts there. A sudden change is seen earlier: by the run of the last
attempts, of which more than half are refused. While a fuse is blown further such refusals are held,
and an hour of its own may not enter the 30 days. It is whole again after an hour, once the last
hour's attempts are at the normal share; without attempts there is nothing to go by, and it stays.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from relay.mail.classification import Category, Classification, Scope
from relay.mail.events import Alert
from relay.mail.instant import DAY, Instant
from relay.shaping.strand import Count, Days, Rule, Strand

PREFIX: Final = "fuse:"
CONTENT: Final = ":content"
ADDRESSES: Final = Rule(attempts=30, refused=1, run=30)
CONTENTS: Final = Rule(attempts=5, refused=5, run=10)
NORMAL: Final = Fraction(15, 100)
TIMES: Final = 3
MOST: Final = Fraction(9, 10)  # three times a third is everything: the fuse could not blow at all
KNOWN: Final = 100  # attempts within the 30 days that make a share worth its name
FIFTH: Final = Fraction(1, 5)
QUIET: Final = 2_000  # letters without a refusal that are counted at once, everywhere
REFUSED: Final = 200  # letters with one, at one destination
FORGET: Final = 5_000  # destinations; above it those that had nothing for an hour are forgotten

UNKNOWN: Final = frozenset({Category.UNKNOWN_USER, Category.INACTIVE_USER})
_CONTENT: Final = frozenset({Category.SPAM_CONTENT, Category.POLICY})
_ABOUT_THE_MAIL: Final = (Scope.RECIPIENT, Scope.MESSAGE)

# Written for each refusal; looking for circles would be a third of it.
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_NO_LETTERS: Final[Mapping[str, Strand]] = MappingProxyType({})

Named = tuple[int, int]  # a delivery: message_id, n


@dataclass(frozen=True, slots=True)
class Fuse:
    """The fuse as it stands for one outcome; `why` begins with its name, and is empty while it is
    whole."""

    why: str = ""

    @property
    def is_blown(self) -> bool:
        """True where a refusal is to be held instead of believed."""
        return bool(self.why)


WHOLE: Final = Fuse()


@dataclass(frozen=True, slots=True)
class Blown:
    """A fuse worth an operator's look: blown, or with bounces before it that wait for a word."""

    name: str  # as its alert: fuse:gmail, fuse:gmail:content
    key: str
    blown_at: Instant | None
    why: str
    pending: int


def is_about_the_address(read: Classification | None) -> bool:
    """True for a refusal for good that says that the address is unknown or inactive."""
    return read is not None and not read.keeps_the_mail and read.category in UNKNOWN


def _is_about_the_content(read: Classification | None) -> bool:
    return read is not None and not read.keeps_the_mail and read.category in _CONTENT


def _is_telling(read: Classification | None) -> bool:
    """True for what was said of the recipient or the letter; a throttle tells of neither."""
    return read is None or not read.keeps_the_mail or read.scope in _ABOUT_THE_MAIL


@dataclass(slots=True)
class _Watched:
    """What is known of one destination."""

    strand: Strand = field(default_factory=Strand)
    counted: Days | None = None  # None: there is no earlier hour yet
    letters: Mapping[str, Strand] = field(default_factory=lambda: _NO_LETTERS)  # the refused ones

    @property
    def days(self) -> Days:
        """The hours before the last, made when they are needed."""
        if self.counted is None:
            self.counted = Days()
        return self.counted

    def totals(self, now: Instant) -> tuple[int, int]:
        """See Days.totals."""
        return (0, 0) if self.counted is None else self.counted.totals(now)

    def keep(self, name: str, letter: Strand) -> None:
        """A letter that was refused, in place of another where they are many."""
        if not isinstance(self.letters, dict):
            self.letters = {}
        if len(self.letters) >= REFUSED:
            whole = [n for n, strand in self.letters.items() if strand.blown_at is None]
            self.letters.pop(whole[0] if whole else next(iter(self.letters)))
        self.letters[name] = letter

    def normal(self, now: Instant) -> Fraction:
        """The share of unknown and inactive addresses that is nothing new there."""
        attempts, refused = self.totals(now)
        if attempts < KNOWN:
            return NORMAL
        return max(NORMAL, min(MOST, TIMES * Fraction(refused, attempts)))

    def dump_days(self) -> list[Count]:
        """See Days.dump."""
        return [] if self.counted is None else self.counted.dump()

    def is_of_use(self, now: Instant) -> bool:
        """False where nothing would be lost with it."""
        if self.strand.is_of_use(now) or self.totals(now)[0]:
            return True
        return any(letter.is_of_use(now) for letter in self.letters.values())


class FuseBox:
    """All fuses, by destination; one instance a process."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._quiet: OrderedDict[tuple[str, str], Strand] = OrderedDict()
        self._dirty: set[str] = set()
        self.is_urgent = False  # something was refused since the last `dirty`

    def note(
        self, key: str, fingerprint: bytes, read: Classification | None, now: Instant
    ) -> tuple[Fuse, Alert | None]:
        """Count an answered attempt at the destination `key` (None: accepted) of the letter with
        that fingerprint. The fuse for its outcome, and the alert where it blew by it."""
        if not _is_telling(read):
            return WHOLE, None
        self._dirty.add(key)
        watched = self._watched.setdefault(key, _Watched())
        of_address, of_content = is_about_the_address(read), _is_about_the_content(read)
        self.is_urgent = self.is_urgent or of_address or of_content
        letter = self._letter(key, watched, fingerprint.hex(), of_content)
        is_judged = of_address or watched.strand.blown_at is not None
        normal = watched.normal(now) if is_judged else NORMAL
        before = watched.strand.cooled(ADDRESSES, normal, now)
        if before:
            watched.days.add_all(before)
        letter.cooled(CONTENTS, FIFTH, now)
        blew = watched.strand.note(of_address, ADDRESSES, normal, now)
        letter_blew = letter.note(of_content, CONTENTS, FIFTH, now)
        if of_address:
            words = "refused there within an hour as unknown or inactive, more than is normal"
            return _judged(watched.strand, f"{PREFIX}{key}", words, blew, now)
        if of_content:
            words = "of this letter refused there within an hour for its content or by policy"
            return _judged(letter, f"{PREFIX}{key}{CONTENT}", words, letter_blew, now)
        return WHOLE, None

    def _letter(self, key: str, watched: _Watched, name: str, is_refused: bool) -> Strand:
        found = watched.letters.get(name)
        if found is not None:
            return found
        found = self._quiet.pop((key, name), None) or Strand()
        if is_refused:
            watched.keep(name, found)
            return found
        self._quiet[key, name] = found
        if len(self._quiet) > QUIET:
            self._quiet.popitem(last=False)
        return found

    def bounced(
        self, key: str, fingerprint: bytes, read: Classification | None, ref: Named, now: Instant
    ) -> None:
        """The refusal that was noted last ended that delivery: where its fuse blows within the
        hour, an operator can still bring it back."""
        watched = self._watched.get(key)
        if watched is None:
            return
        if is_about_the_address(read):
            watched.strand.bounce((now, *ref), now)
        elif _is_about_the_content(read) and fingerprint.hex() in watched.letters:
            watched.letters[fingerprint.hex()].bounce((now, *ref), now)

    def skipped(self, key: str, ref: Named, now: Instant) -> None:
        """That delivery was not tried, because of refusals within the last hour: where their fuse
        blows it can be brought back like a bounce."""
        watched = self._watched.get(key)
        if watched is not None:
            watched.strand.bounce((now, *ref), now)

    def blown_at(self, key: str) -> str:
        """The name of the fuse that is blown there for refused addresses, or empty."""
        watched = self._watched.get(key)
        is_blown = watched is not None and watched.strand.blown_at is not None
        return f"{PREFIX}{key}" if is_blown else ""

    def blown(self) -> list[Blown]:
        """What an operator has to decide, or only to know, by name."""
        found: dict[str, Blown] = {}
        for key, name, strand in self._strands():
            if strand.blown_at is None and not strand.pending:
                continue
            one = Blown(name, key, strand.blown_at, strand.why, len(strand.pending))
            other = found.get(name)
            if other is not None:
                latest = one if (other.blown_at or 0) < (one.blown_at or 0) else other
                one = Blown(name, key, latest.blown_at, latest.why, other.pending + one.pending)
            found[name] = one
        return [found[name] for name in sorted(found)]

    def pending(self, name: str) -> list[Named]:
        """The bounces within the hour before that fuse blew, oldest first."""
        refs = [ref for _, known, s in self._strands() if known == name for ref in s.pending]
        return [(message_id, n) for _, message_id, n in sorted(refs)]

    def decided(self, name: str, confirmed: int | None, now: Instant) -> None:
        """An operator decided what the fuse had left to him. `confirmed`: how many refusals were
        right, so that they count among the 30 days, and the fuse is whole; None: they were tried
        again, and the fuse cools by what comes of them."""
        for key, known, strand in self._strands():
            if known != name:
                continue
            self._dirty.add(key)
            self.is_urgent = True
            strand.pending = ()
            if confirmed is None:
                continue
            strand.mend()
            if not known.endswith(CONTENT):
                self._watched[key].days.add(now // DAY, confirmed, confirmed)

    def _strands(self) -> Iterator[tuple[str, str, Strand]]:
        for key, watched in self._watched.items():
            yield key, f"{PREFIX}{key}", watched.strand
            for letter in watched.letters.values():
                yield key, f"{PREFIX}{key}{CONTENT}", letter

    # --- what survives a restart

    def dirty(self, now: Instant) -> dict[str, str]:
        """What changed since the last call, as JSON text by key; empty: nothing worth keeping."""
        self.is_urgent = False
        changed = {f"{PREFIX}{key}": self._text(key, now) for key in sorted(self._dirty)}
        self._dirty.clear()
        if len(self._watched) > FORGET:
            watched = self._watched.items()
            self._watched = {k: w for k, w in watched if w.letters or w.strand.is_of_use(now)}
        return changed

    def not_kept(self, names: Mapping[str, str]) -> None:
        """The store could not keep these: they come again."""
        self._dirty.update(name.removeprefix(PREFIX) for name in names)
        self.is_urgent = True

    def _text(self, key: str, now: Instant) -> str:
        watched = self._watched.get(key)
        if watched is None:
            return ""
        letters = {n: s for n, s in watched.letters.items() if s.is_of_use(now)}
        watched.letters = letters or _NO_LETTERS
        if not watched.is_of_use(now):
            del self._watched[key]
            return ""
        kept: dict[str, Any] = {"addresses": watched.strand.dump(), "days": watched.dump_days()}
        if letters:
            kept["letters"] = {name: strand.dump() for name, strand in letters.items()}
        return _COMPACT(kept)

    def restore(self, states: Mapping[str, str], now: Instant) -> None:
        """At start. Raises ValueError, naming what cannot be read; the rest is taken."""
        faults = []
        for name, text in states.items():
            if not name.startswith(PREFIX):
                continue
            key = name.removeprefix(PREFIX)
            try:
                self._watched[key] = watched = _load(json.loads(text), now)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                faults.append(f"{name}: {type(error).__name__}: {error}")
                continue
            if not watched.is_of_use(now):
                self._dirty.add(key)  # its text goes
        if faults:
            raise ValueError("not every fuse could be read: " + "; ".join(faults))


def _judged(
    strand: Strand, name: str, words: str, is_new: bool, now: Instant
) -> tuple[Fuse, Alert | None]:
    if strand.blown_at is None:
        return WHOLE, None
    if not is_new:
        return Fuse(strand.why), None
    strand.why = f"{name}: {strand.refused} of {strand.attempts} attempts {words}"
    later = "further ones are held: `lpse-relay fuse` says which, and confirms or requeues them"
    return Fuse(strand.why), Alert(now, name, f"{strand.why.removeprefix(name + ': ')}; {later}")


def _load(kept: Any, now: Instant) -> _Watched:
    letters = {str(name): Strand.load(one, now) for name, one in kept.get("letters", {}).items()}
    days = Days.load(kept["days"], now) if kept["days"] else None
    watched = _Watched(Strand.load(kept["addresses"], now), days, letters or _NO_LETTERS)
    before = watched.strand.cooled(ADDRESSES, watched.normal(now), now)
    if before:
        watched.days.add_all(before)
    return watched
