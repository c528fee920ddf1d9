"""Names of letters: 63 bits of milliseconds ‖ node ‖ sequence, shown as 13 Crockford letters.

Layout (most significant first): 43 bits of milliseconds since 1970 (until the year 2248),
8 bits of node, 12 bits of sequence. An id grows even if the clock steps back: then the last
millisecond is kept and the sequence goes on; a full sequence borrows the next millisecond.
"""

from __future__ import annotations

from typing import Final

from relay.mail.instant import Instant

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 13
_NODE_BITS: Final = 8
_SEQUENCE_BITS: Final = 12
_PAIRS: Final = tuple(one + two for one in ALPHABET for two in ALPHABET)
_VALUES: Final = {letter: n for n, letter in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}


class Ids:
    """Makes the ids of one node; one instance a process, called from one thread."""

    def __init__(self, node: int = 0) -> None:
        """``node`` is 0–255 and must differ between relays that share one store."""
        if not 0 <= node < 1 << _NODE_BITS:
            raise ValueError(f"node must be 0–255, not {node}")
        self._node = node
        self._tick = 0

    def next(self, now: Instant) -> int:
        """A new id, greater than every one before it from this instance."""
        self._tick = max(self._tick + 1, now << _SEQUENCE_BITS)
        at, sequence = self._tick >> _SEQUENCE_BITS, self._tick & ((1 << _SEQUENCE_BITS) - 1)
        return (at << (_NODE_BITS + _SEQUENCE_BITS)) | (self._node << _SEQUENCE_BITS) | sequence


def show(message_id: int, n: int | None = None) -> str:
    """``0G4P2K7M1V0A0`` for a message, ``0G4P2K7M1V0A0.3`` for its recipient 3."""
    # Two letters at a time: every line of the log, and every query, shows an id.
    pairs = [_PAIRS[(message_id >> shift) & 1023] for shift in (50, 40, 30, 20, 10, 0)]
    letters = ALPHABET[(message_id >> 60) & 31] + "".join(pairs)
    return letters if n is None else f"{letters}.{n}"


def read(text: str) -> tuple[int, int | None]:
    """The id and the recipient's number (None: the whole message) of a shown id.

    Case and the look-alikes O, I, L are forgiven. Raises ValueError with a sentence that
    names the text.
    """
    letters, dot, number = text.strip().upper().partition(".")
    if len(letters) != LENGTH or any(letter not in _VALUES for letter in letters):
        raise ValueError(f"not a letter's id: {text!r} (13 letters such as 0G4P2K7M1V0A0, or ID.n)")
    if dot and not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise ValueError(f"not a recipient's number after the dot: {text!r}")
    value = 0
    for letter in letters:
        value = value << 5 | _VALUES[letter]
    if value >= 1 << 63:
        raise ValueError(f"not a letter's id: {text!r} (too large)")
    return value, int(number) if dot else None


def first_of(at: Instant) -> int:
    """The least id that can have been made at this moment."""
    return max(at, 0) << (_NODE_BITS + _SEQUENCE_BITS)


def made_at(message_id: int) -> Instant:
    """When the id was made, to the millisecond (or a little later, after a clock stepped back)."""
    return message_id >> (_NODE_BITS + _SEQUENCE_BITS)
