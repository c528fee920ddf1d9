"""EventLog and ProgramLog: what happened, on stdout or in a file; what the program says, on stderr.

Two streams, because the events are a fixed format that scripts read: one JSON line each, of the
closed list in `mail/events.py`. Warnings and tracebacks of the program and its libraries are plain
lines on stderr (under systemd both land in the journal). Both go through a `LineWriter`, so neither
can stop mail.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from relay.clock import Clock
from relay.mail.events import Event
from relay.mail.instant import Instant, iso
from relay.observe.lines import encoded, line, log_dropped, mask_text
from relay.observe.settings import LogSettings
from relay.observe.writer import CLOSE, LineWriter

_PROGRAM_QUEUE: Final = 1_000


class EventLog:
    """Writes each event it is handed as a line. `on_event` never blocks."""

    def __init__(self, settings: LogSettings, clock: Clock, stdout: int = 1) -> None:
        """Opens the log's file; raises OSError naming it. `stdout` is a descriptor."""
        self._is_masked = settings.addresses == "masked"
        target: Path | int = stdout if settings.to == "stdout" else settings.to
        self._writer = LineWriter(
            target, lambda n: encoded(log_dropped(n, clock.now())), settings.queue
        )

    @property
    def dropped(self) -> int:
        """Lines lost since the start: `lpse_log_dropped_total`."""
        return self._writer.dropped

    def on_event(self, event: Event) -> None:
        """Queue the event's line; from any thread."""
        is_masked = self._is_masked
        self._writer.write(lambda: line(event, is_masked))

    def reopen(self) -> None:
        """On SIGHUP, after logrotate moved the file."""
        self._writer.reopen()

    def close(self, timeout: float = CLOSE) -> bool:
        """Write what waits. True where all of it was written in time (seconds)."""
        return self._writer.close(timeout)


class ProgramLog(logging.Handler):
    """The program's own words as plain lines on stderr: `2011-10-04T07:11:00.000Z WARNING
    relay.x: …`, escaped; the lines of a traceback follow without a time."""

    def __init__(self, clock: Clock, is_masked: bool = True, stderr: int = 2) -> None:
        """`stderr` is a descriptor."""
        super().__init__()
        self._clock = clock
        self._is_masked = is_masked
        self._writer = LineWriter(stderr, lambda n: _lost(n, clock.now()), _PROGRAM_QUEUE)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Format here, where the exception's frames still stand as they were; write elsewhere."""
        try:
            text = f"{iso(self._clock.now())} {self.format(record)}"
        except Exception:  # noqa: BLE001, RUF100 - logging's own way to say a bad record
            self.handleError(record)
            return
        self._writer.write(lambda: _escaped(mask_text(text) if self._is_masked else text))

    def stop(self, timeout: float = CLOSE) -> bool:
        """Write what waits, for at most `timeout` seconds; logging is the process's own again."""
        logging.getLogger().removeHandler(self)
        return self._writer.close(timeout)

    def install(self, level: int = logging.INFO) -> None:
        """Take over all logging of the process; uvicorn's and aiosmtpd's chatter is left out."""
        root = logging.getLogger()
        root.handlers[:] = [self]
        root.setLevel(level)
        for name in ("uvicorn", "mail.log", "mail.debug", "asyncio", "httpx"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.captureWarnings(True)


def _lost(dropped: int, now: Instant) -> bytes:
    said = f"{dropped} lines of the program's log were lost"
    return f"{iso(now)} WARNING relay.observe: {said}\n".encode()


def _escaped(text: str) -> bytes:
    """Only printable ASCII, tabs and the line breaks of a traceback leave; the rest is escaped."""
    kept = (
        letter if letter == "\n" or letter.isprintable() else ascii(letter)[1:-1] for letter in text
    )
    return "".join(kept).encode("ascii", "backslashreplace") + b"\n"
