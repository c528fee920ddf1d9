"""Stuffing: a letter as it goes after 354, in blocks, with the hash of what was really sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from relay.mail.smtpdata import END, wire

BLOCK: Final = 64 * 1024  # octets: what is stuffed, hashed and written at once


class Outgoing:
    """One letter on its way out: iterate over its blocks once, then ask for its hash.

    ``head`` without the blank line, ``body`` not stuffed. ``sha256`` is over the letter as sent
    and as its reader will have it: head, blank line, body, not stuffed.
    """

    def __init__(self, head: bytes, body: bytes) -> None:
        self._head = head
        self._body = body
        self._hash = hashlib.sha256()
        self.is_ended = False  # the block that was given last holds the final dot

    @property
    def sha256(self) -> bytes:
        """The hash over all blocks that were taken so far."""
        return self._hash.digest()

    def __iter__(self) -> Iterator[bytes]:
        """The letter dot-stuffed in blocks, the last one with the final dot (RFC 5321 4.5.2)."""
        if len(self._head) + len(self._body) <= BLOCK:
            content = b"%b\r\n%b" % (self._head, self._body)
            self._hash.update(content)
            self.is_ended = True
            yield wire(content)
            return
        yield from self._long()

    def _long(self) -> Iterator[bytes]:
        previous = b"\r\n"
        for content in (self._head + b"\r\n", self._body):
            for piece in _pieces(content):
                self._hash.update(piece)
                # base64 has no dot, and one octet is sought many times as fast as three.
                stuffed = piece.replace(b"\r\n.", b"\r\n..") if b"." in piece else piece
                is_dotted = previous == b"\r\n" and piece.startswith(b".")
                yield b"." + stuffed if is_dotted else stuffed
                previous = piece[-2:]
        self.is_ended = True
        yield END if previous == b"\r\n" else b"\r\n" + END


def _pieces(content: bytes) -> Iterator[bytes]:
    """Cut behind a line's end where there is one, and never between CR and LF."""
    start = 0
    while len(content) - start > BLOCK:
        newline = content.rfind(b"\r\n", start, start + BLOCK)
        end = newline + 2 if newline >= 0 else start + BLOCK
        if newline < 0 and content[end - 1] == 0x0D:
            end -= 1
        yield content[start:end]
        start = end
    if start < len(content):
        yield content[start:]
