"""Logfiles: mail logs as blocks of lines — plain, gzip, xz, bzip2, standard input, or followed.

A file that is followed may be rotated: what was renamed is read to its end, then the new file of
that name from its start; a file that became shorter is read anew.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from relay.mail.instant import Instant

STDIN: Final = "-"
BLOCK: Final = 1 << 20  # octets read at once
MAX_LINE: Final = 64 * 1024  # octets; what is longer is no line of a log, and is left out
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_MAGIC: Final[tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...]] = (
    (b"\x1f\x8b", lambda raw: cast("BinaryIO", gzip.GzipFile(fileobj=raw))),
    (b"\xfd7zXZ\0", lambda raw: cast("BinaryIO", lzma.LZMAFile(raw))),  # noqa: SIM115
    (b"BZh", lambda raw: cast("BinaryIO", bz2.BZ2File(raw))),
)
_DAMAGED: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)

Wait = Callable[[], bool]


class LogFileError(Exception):
    """A file that cannot be read, or not to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines without their newlines; ``read``: octets of the file so far, as it lies on disk.

    ``too_long``: the numbers within the block of lines that were cut for their length.
    """

    lines: list[bytes]
    read: int
    too_long: tuple[int, ...] = ()


class LogFile:
    """One log; `name` as it was given."""

    def __init__(self, name: str) -> None:
        self.name: Final = name

    @property
    def is_at_rest(self) -> bool:
        """True for what can be read twice: no standard input, no pipe, nothing that is missing."""
        try:
            return self.name != STDIN and Path(self.name).is_file()
        except OSError:  # no such name can be: it is named when it is read
            return False

    def size(self) -> int:
        """Octets on disk; 0 where that is not known."""
        try:
            return 0 if self.name == STDIN else Path(self.name).stat().st_size
        except OSError:
            return 0

    def written_at(self) -> Instant | None:
        """When the file was last written; None where that is not known."""
        try:
            return None if self.name == STDIN else int(Path(self.name).stat().st_mtime * 1000)
        except OSError:
            return None

    def blocks(self) -> Generator[Block]:
        """All of it. Raises LogFileError; what was read before it was given already."""
        with _opened(self.name) as raw:
            cutter = _Cutter()
            stream = _unpacked(raw)
            while octets := _read(stream):
                yield cutter.cut(octets, _position(raw))
            if cutter.rest:
                yield cutter.cut(b"\n", _position(raw))

    def followed(self, wait: Wait) -> Generator[Block]:
        """All of it, then what is written to it, until ``wait`` (asked when nothing new is there)
        answers False. Raises LogFileError."""
        cutter = _Cutter()
        raw = _opened(self.name)
        try:
            stream = _unpacked(raw)
            while True:
                if octets := _read(stream):
                    yield cutter.cut(octets, _position(raw))
                elif (state := self._turned(raw)) == "new":
                    if octets := _read(stream):  # written between the last look and the rename
                        yield cutter.cut(octets, _position(raw))
                        continue
                    yield cutter.cut(b"\n" if cutter.rest else b"", 0)
                    raw.close()
                    raw = _opened(self.name)
                    stream = _unpacked(raw)
                elif state == "shorter":
                    raw.seek(0)
                    cutter = _Cutter()
                    stream = _unpacked(raw)
                elif not wait():
                    break
            if cutter.rest:
                yield cutter.cut(b"\n", _position(raw))
        finally:
            raw.close()

    def _turned(self, raw: io.BufferedReader) -> str:
        """What became of the file that is being read: `new`, `shorter`, or nothing."""
        if self.name == STDIN:
            return ""
        ours = os.fstat(raw.fileno())
        try:
            there = Path(self.name).stat()
        except OSError:  # between the rename and the new file
            return ""
        if (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev):
            return "new"
        return "shorter" if ours.st_size < raw.tell() else ""


def _opened(name: str) -> io.BufferedReader:
    if name == STDIN:
        there = sys.stdin.buffer
        return there if isinstance(there, io.BufferedReader) else io.BufferedReader(there)  # type: ignore[arg-type]
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise LogFileError(str(error.strerror)) from None


def _unpacked(raw: io.BufferedReader) -> BinaryIO:
    """The stream within; what it is, its first octets say, not its name."""
    try:
        begin = raw.peek(8)[:8]
    except OSError as error:
        raise LogFileError(str(error.strerror)) from None
    if begin.startswith(_ZSTD):
        raise LogFileError(
            "packed with zstd: unpack it first (zstdcat FILE | lpse-relay maillog -)"
        )
    for magic, unpack in _MAGIC:
        if begin.startswith(magic):
            return unpack(raw)
    return raw


def _read(stream: BinaryIO) -> bytes:
    try:
        return stream.read1(BLOCK) if hasattr(stream, "read1") else stream.read(BLOCK)
    except EOFError:
        raise LogFileError("it ends within its packed data: the file was cut") from None
    except _DAMAGED as error:
        raise LogFileError(f"it cannot be read on: {error}") from None


def _position(raw: io.BufferedReader) -> int:
    try:
        return raw.tell()
    except (OSError, ValueError):  # a pipe
        return 0


class _Cutter:
    """Octets → whole lines; keeps the begin of a line that is not whole yet."""

    def __init__(self) -> None:
        self.rest = b""
        self._is_cut = False  # the line that is being read is too long: its rest is left out

    def cut(self, octets: bytes, read: int) -> Block:
        """The lines that are whole now."""
        lines = (self.rest + octets).split(b"\n")
        self.rest = lines.pop()
        too_long = [n for n, line in enumerate(lines) if len(line) > MAX_LINE]
        for n in too_long:
            lines[n] = lines[n][:MAX_LINE]
        if self._is_cut and lines:
            too_long = sorted({0, *too_long})
            self._is_cut = False
        if len(self.rest) > MAX_LINE:
            self.rest = self.rest[:MAX_LINE]
            self._is_cut = True
        return Block(lines, read, tuple(too_long))
