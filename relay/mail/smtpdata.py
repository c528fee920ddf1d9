"""DATA on the wire: its end sought in raw octets, dots un-stuffed and stuffed, newlines mended.

The order is the safety (no smuggling): first the end is found, and only CRLF ``.`` CRLF is one;
then each line's leading dot is taken away (RFC 5321 4.5.2); only then bare CR and bare LF become
CRLF. A line with a lone dot that this creates is content, and is stuffed again on departure.
"""

from __future__ import annotations

from typing import Final

END: Final = b".\r\n"  # what follows the stuffed content, which ends with CRLF
BEGINNING: Final = 64 * 1024  # octets that are kept of content over the limit
_TERMINATOR: Final = b"\r\n.\r\n"
_LARGE: Final = 4 * 1024  # octets of a piece that is kept as it is; smaller ones are joined first
_JOINED: Final = 64 * 1024


class DataScanner:
    """Takes the octets after 354 in pieces of any size until the end; linear on any splitting.

    ``limit``: octets of content that are kept; over it the scanning goes on to the end, but the
    content is dropped and ``is_over`` says so; its ``beginning`` stays.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.finished = False
        self.is_over = False
        self.rest = b""  # the octets after the end: pipelined commands
        self.beginning = b""  # of content over the limit
        self.size = 0  # octets of content, un-stuffed, counted also when over the limit
        self.nuls = 0
        self.bare_cr = 0
        self.bare_lf = 0
        self._limit = limit
        self._content: list[bytes] = []
        self._small = bytearray()  # what comes after it, in pieces too small to be kept each
        # The last octets while they could begin the terminator. The CRLF that the data
        # begins after stands here first, and is left out of the content again.
        self._held = b"\r\n"
        self._skip = 2

    @property
    def bare_newlines(self) -> int:
        """How many CR without LF and LF without CR were in the content."""
        return self.bare_cr + self.bare_lf

    def feed(self, piece: bytes) -> None:
        """Take the next octets. Raises ValueError after the end was found."""
        if self.finished:
            raise ValueError("the end of data was found already")
        data = self._held + piece
        # One octet is sought many times as fast as three, and base64 has no dot at all.
        dotted = data.find(b"\r\n.") if b"." in data else -1
        end = data.find(_TERMINATOR, dotted) if dotted >= 0 else -1
        if end >= 0:
            self.finished = True
            self.rest = data[end + 5 :]
            self._held = b""
            self._release(data[: end + 2], dotted < end)
            return
        held = next(k for k in (4, 3, 2, 1, 0) if data.endswith(_TERMINATOR[:k]))
        self._held = _TERMINATOR[:held]
        self._release(data[: len(data) - held], dotted >= 0)

    def content(self) -> bytes:
        """The content so far, un-stuffed; whole once ``finished``; empty if ``is_over``."""
        self._join()
        return self._content[0] if len(self._content) == 1 else b"".join(self._content)

    def take(self) -> bytes:
        """As :meth:`content`, handed over: the scanner keeps nothing of it."""
        content = self.content()
        self._content = []
        return content

    def _release(self, raw: bytes, is_dotted: bool) -> None:
        # A release never ends with CR (that would be held), so no CRLF is cut in two here.
        if not raw:
            return
        data = (raw.replace(b"\r\n.", b"\r\n") if is_dotted else raw)[self._skip :]
        self._skip = 0
        pairs = data.count(b"\r\n")
        self.bare_lf += data.count(b"\n") - pairs
        self.bare_cr += data.count(b"\r") - pairs
        if b"\0" in data:  # cheaper than to count none
            self.nuls += data.count(b"\0")
        self.size += len(data)
        if self._limit is not None and self.size > self._limit:
            if not self.is_over:
                self._keep(data)
                self.beginning = self._first(BEGINNING)
            self.is_over = True
            self._content = []
        else:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Large pieces as they are, so that all of them are copied but once, in the end; small ones
        together, since each costs more than its octets."""
        if len(data) < _LARGE:
            self._small += data
            if len(self._small) < _JOINED:
                return
            data = b""
        self._join()
        if data:
            self._content.append(data)

    def _join(self) -> None:
        if self._small:
            self._content.append(bytes(self._small))
            self._small.clear()

    def _first(self, most: int) -> bytes:
        self._join()
        first = bytearray()
        for piece in self._content:
            first += piece[: most - len(first)]
        return bytes(first)


def normalise_newlines(raw: bytes) -> tuple[bytes, bool]:
    """Every bare CR and bare LF as CRLF, and whether there was one; for un-stuffed content only."""
    pairs = raw.count(b"\r\n")
    if raw.count(b"\n") == pairs == raw.count(b"\r"):
        return raw, False
    mended = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return mended, True


def stuff(content: bytes) -> bytes:
    """Content with a second dot before each line's leading dot (RFC 5321 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def wire(content: bytes) -> bytes:
    """All that follows the 354: stuffed, with a last CRLF if it lacks one, and the final dot."""
    stuffed = stuff(content)
    newline = b"" if not stuffed or stuffed.endswith(b"\r\n") else b"\r\n"
    return stuffed + newline + END
