"""Maillog: logs of a Postfix or an Exim read through, one file after the other or followed.

Nothing stops it: a line that cannot be read and a file that is damaged are named, with the line's
number and the reason, and the rest is done.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from relay.mail.instant import Instant
from relay.reports.entries import Aside, LineError, UnknownShape
from relay.reports.logfiles import MAX_LINE, Block, LogFile, LogFileError, Wait
from relay.reports.loglines import LogReader
from relay.reports.stamps import Stamps
from relay.reports.survey import Refusal, Survey

FIRST: Final = 100  # lines in which a file's first time is looked for
SHOWN: Final = 100  # faults that are named; all are counted
_OTHER: Final = Aside.OTHER


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that could not be read. ``line`` 0: the file itself."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Found:
    """A refusal, and where it stands."""

    file: str
    line: int
    refusal: Refusal


class LogRun:
    """All files of one run, into one survey."""

    def __init__(
        self, survey: Survey, zone: int, now: Callable[[], Instant], year: int | None = None
    ) -> None:
        """``zone``: of stamps that have none; ``year``: of a file's first line, where given."""
        self.survey: Final = survey
        self.zone: Final = zone
        self._now: Final = now
        self._year: Final = year
        self.lines = 0
        self.faults: Final[list[Fault]] = []
        self.damaged = 0  # lines and files
        self.unknown_lines = self.blank_lines = 0
        self.unknown_shapes: Final[Counter[str]] = Counter()  # by reason
        self.unknown_first: Final[list[Fault]] = []

    @property
    def is_foreign(self) -> bool:
        """True where lines were read, and none of them is of a mail log."""
        told = self.lines - self.blank_lines
        return 0 < told == self.unknown_lines

    @property
    def is_whole(self) -> bool:
        """True where nothing was damaged."""
        return not self.damaged

    def read(
        self,
        files: Iterable[LogFile],
        progress: Callable[[LogFile, int], None] | None = None,
    ) -> Iterator[Found]:
        """Read all files, the oldest first; the refusals in their order. ``progress`` hears the
        octets of a file."""
        for file in self.in_order(files):
            yield from self._through(file, file.blocks(), progress)

    def in_order(self, files: Iterable[LogFile]) -> list[LogFile]:
        """By their first lines: `mail.log*` names the newest first, and a letter that is deferred
        in one file ends in the next. A pipe, and what tells no time, stay behind."""
        return sorted(files, key=self._begins_at)

    def _begins_at(self, file: LogFile) -> float:
        if not file.is_at_rest:
            return math.inf
        reader = LogReader(self._stamps(file))
        blocks = file.blocks()
        try:
            for line in next(blocks, Block([], 0)).lines[:FIRST]:
                with contextlib.suppress(LineError):
                    return reader.begins_at(line)
        except LogFileError:
            pass  # it is named when it is read
        finally:
            blocks.close()
        return math.inf

    def _stamps(self, file: LogFile) -> Stamps:
        written_at = file.written_at()
        return Stamps(self.zone, self._now() if written_at is None else written_at, self._year)

    def follow(self, file: LogFile, wait: Wait) -> Iterator[Found]:
        """Read one file and what is written to it, until ``wait`` says no."""
        yield from self._through(file, file.followed(wait), None)

    def _through(
        self,
        file: LogFile,
        blocks: Generator[Block],
        progress: Callable[[LogFile, int], None] | None,
    ) -> Iterator[Found]:
        reader = LogReader(self._stamps(file))
        number = 0
        try:
            for block in blocks:
                for at in block.too_long:
                    self._fault(file, number + at + 1, f"longer than {MAX_LINE} octets: cut")
                yield from self._block(file, reader, block.lines, number)
                number += len(block.lines)
                if progress is not None:
                    progress(file, block.read)
        except LogFileError as error:
            self._fault(file, number + 1 if number else 0, str(error))
        finally:
            blocks.close()

    def _block(
        self, file: LogFile, reader: LogReader, lines: list[bytes], before: int
    ) -> Iterator[Found]:
        """The one loop that every line goes through: kept short on purpose."""
        read, take, other = reader.read, self.survey.take, _OTHER
        self.lines += len(lines)
        for n, line in enumerate(lines, before + 1):
            try:
                entry = read(line)
            except LineError as error:
                if line.strip():
                    self._unread(file, n, error)
                else:
                    self.blank_lines += 1
                continue
            if entry is other:
                continue
            refusal = take(entry)
            if refusal is not None:
                yield Found(file.name, n, refusal)

    def _unread(self, file: LogFile, number: int, error: LineError) -> None:
        if not isinstance(error, UnknownShape):
            self._fault(file, number, str(error))
            return
        self.unknown_lines += 1
        self.unknown_shapes[str(error)] += 1
        if len(self.unknown_first) < SHOWN:
            self.unknown_first.append(Fault(file.name, number, str(error)))

    def _fault(self, file: LogFile, line: int, reason: str) -> None:
        self.damaged += 1
        if len(self.faults) < SHOWN:
            self.faults.append(Fault(file.name, line, reason))
