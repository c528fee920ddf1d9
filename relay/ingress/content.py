"""Content: the octets after DATA made into header fields, a body that may leave, and hashes; pure.

Runs in a thread for a large letter: it works in pieces, so that no call holds the interpreter long.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from relay.mail.dkim import BodyHash
from relay.mail.envelope import Content
from relay.mail.headers import MAX_HEAD, Headers, split
from relay.mail.mime import make_7bit
from relay.mail.smtpdata import normalise_newlines

_PIECE: Final = 256 * 1024


class HeadTooBig(ValueError):
    """The header block is over :data:`MAX_HEAD`."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A letter as it came in. `raw`: its octets as received, where the door changed the body;
    `front`: what stood before the body, where it did not."""

    headers: Headers
    body: bytes
    body_hash: bytes
    sha256: bytes
    is_8bit: bool
    raw: bytes | None = None
    front: bytes = b""

    def content(self, headers: Headers, private: tuple[str, ...]) -> Content:
        """What is stored, with the headers as the filters left them. What is kept of the octets
        as received is without its `private` fields: a vendor may read it."""
        head = headers.to_bytes()
        return Content(
            head=head,
            body=self.body,
            body_hash=self.body_hash,
            sha256=self.sha256,
            received=None if self.raw is None else without(self.raw, private),
            is_8bit=self.is_8bit,
            needs_utf8=not head.isascii(),
        )


class Received:
    """The octets as received of a letter that is being taken, since a refused one may be kept.
    There is one copy of them: once the letter is taken apart it is its parts."""

    def __init__(self, octets: bytes) -> None:
        self._octets: bytes | None = octets
        self._arrived: Arrived | None = None

    @property
    def octets(self) -> bytes:
        """All of them."""
        if self._octets is not None or self._arrived is None:
            return self._octets or b""
        return self._arrived.front + self._arrived.body

    def became(self, arrived: Arrived) -> None:
        """It is taken apart."""
        size = len(arrived.front) + len(arrived.body)
        if arrived.raw is None and size == len(self.octets):  # else a newline was added to its end
            self._arrived, self._octets = arrived, None


def without(letter: bytes, private: tuple[str, ...]) -> bytes:
    """The letter without these fields; octet for octet itself where it has none of them."""
    head, _ = split(letter)
    headers = Headers.parse(head)
    kept = headers.without(private)
    if len(kept.fields) == len(headers.fields):
        return letter
    return kept.to_bytes() + letter[len(head) :]


def arrive(octets: bytes, is_smtputf8: bool = False, has_bare: bool = True) -> Arrived:
    """`octets` are un-stuffed, as received; `has_bare`: False where whoever read them has seen that
    no CR and no LF stands alone. Raises HeadTooBig."""
    sha256 = hashlib.sha256(octets).digest()
    letter, is_mended = _mended(octets) if has_bare else (octets, False)
    if letter and not letter.endswith(b"\r\n"):
        letter += b"\r\n"
    head, body = split(letter)
    if len(head) > MAX_HEAD:
        raise HeadTooBig(f"the header has {len(head)} octets, not {MAX_HEAD}")
    made = make_7bit(Headers.parse(head), body, is_smtputf8)
    hashing = BodyHash()
    for at in range(0, len(made.body), _PIECE):
        hashing.update(made.body[at : at + _PIECE])
    return Arrived(
        headers=made.headers,
        body=made.body,
        body_hash=hashing.digest(),
        sha256=sha256,
        is_8bit=made.is_8bit,
        raw=octets if is_mended or made.is_body_changed else None,
        front=letter[: len(letter) - len(body)],
    )


def _mended(octets: bytes) -> tuple[bytes, bool]:
    """As :func:`normalise_newlines`, in pieces that no CRLF is cut by."""
    pieces: list[bytes] = []
    at, size, is_mended = 0, len(octets), False
    while at < size:
        end = min(at + _PIECE, size)
        while end < size and octets[end - 1] == 0x0D:
            end += 1
        piece, is_changed = normalise_newlines(octets[at:end])
        pieces.append(piece)
        is_mended = is_mended or is_changed
        at = end
    return (b"".join(pieces), True) if is_mended else (octets, False)
