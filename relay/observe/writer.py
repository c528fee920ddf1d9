"""LineWriter: a thread that writes lines, so that a slow disk or a full pipe never stops mail.

Contract: `write` never blocks and never raises; what does not fit into the bounded queue, or
cannot be written (disk full, reader gone), is counted in `dropped` and owned up to by a line of its
own as soon as a line can be written again. Lines leave in the order given and whole: after a torn
write the next line starts on a line of its own. `close` gives the rest a bounded time, then counts
it as dropped: a reader that reads no more cannot hold up the end of the process.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

BATCH: Final = 64 * 1024  # octets written at once
GATHERING: Final = (
    0.02  # seconds that a first line waits for others: a wake for each line costs more
)
CLOSE: Final = 3.0  # seconds that `close` waits
_MODE: Final = 0o640

Render = Callable[[], bytes]
"""A line made in the writer's thread, LF-ended."""


class LineWriter:
    """Writes to a file, which it opens, or to a descriptor, of which it makes its own copy."""

    def __init__(
        self, target: Path | int, owns_up: Callable[[int], bytes], size: int = 10_000
    ) -> None:
        """`owns_up(dropped)` makes the line about drops. Raises OSError naming the file."""
        self._path = target if isinstance(target, Path) else None
        self._fd = _open(target) if isinstance(target, Path) else os.dup(target)
        self._owns_up = owns_up
        self._size = size  # lines that may wait
        self._queue: queue.SimpleQueue[Render | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._dropped = 0  # in all
        self._owned_up = 0  # of these
        self._is_torn = False
        self._is_failing = False
        self._must_reopen = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were lost since the start."""
        return self._dropped

    def write(self, render: Render) -> None:
        """Queue a line; from any thread."""
        if self._is_closing.is_set():
            self._drop(1)
            return
        if self._queue.qsize() >= self._size:
            self._drop(1)
        else:
            self._queue.put(render)

    def reopen(self) -> None:
        """The file was moved away: open it anew before the next line. No-op for a descriptor."""
        if self._path is not None:
            self._must_reopen.set()
            self._wake()

    def close(self, timeout: float = CLOSE) -> bool:
        """Write what waits, for at most `timeout` seconds. True where all of it was written."""
        before = self._dropped
        self._is_closing.set()
        self._wake()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._drop(self._queue.qsize())
        return self._dropped == before and not self._thread.is_alive()

    def _wake(self) -> None:
        self._queue.put(None)

    def _drop(self, lines: int) -> None:
        with self._lock:
            self._dropped += lines

    def _run(self) -> None:
        while True:
            waiting = self._take()
            if self._must_reopen.is_set():
                self._reopen()
            self._send(waiting)
            if self._is_closing.is_set() and self._queue.empty():
                break
        os.close(self._fd)

    def _take(self) -> list[bytes]:
        """Waits for a line, then takes what else is there, up to a batch."""
        taken: list[bytes] = []
        size = 0
        render = self._queue.get()
        self._is_closing.wait(GATHERING)
        while True:
            if render is not None:
                made = self._made(render)
                taken.append(made)
                size += len(made)
            if size >= BATCH:
                return taken
            try:
                render = self._queue.get_nowait()
            except queue.Empty:
                return taken

    def _made(self, render: Render) -> bytes:
        """A line that cannot be made is our own fault, and no reason to lose the next ones."""
        try:
            return render()
        except Exception as error:  # noqa: BLE001, RUF100 - said on stderr and counted
            self._drop(1)
            _complain(f"a log line could not be made: {error!r}")
            return b""

    def _send(self, lines: list[bytes]) -> None:
        due = self._dropped - self._owned_up
        if due:
            lines = [self._owns_up(due), *lines]
        lines = [line for line in lines if line]
        if not lines:
            return
        start = b"\n" if self._is_torn else b""
        written, error = _write_all(self._fd, start + b"".join(lines))
        whole, left = _whole(lines, written - len(start))
        if written:
            self._is_torn = left > 0
        if whole:
            self._owned_up += due
        # The line that owns up is none of the log's own: unwritten, it stays due.
        self._drop(len(lines) - whole - (1 if due and not whole else 0))
        if error is not None and not self._is_failing:
            _complain(f"the log cannot be written: {error}")
        self._is_failing = error is not None

    def _reopen(self) -> None:
        self._must_reopen.clear()
        if self._path is None:
            return
        try:
            fresh = _open(self._path)
        except OSError as error:
            _complain(f"the log goes on in the old file: {error}")
            return
        os.close(self._fd)
        self._fd = fresh
        self._is_torn = False


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)


def _write_all(fd: int, octets: bytes) -> tuple[int, OSError | None]:
    """How many octets were written, and what stopped it."""
    view, written = memoryview(octets), 0
    while written < len(octets):
        try:
            written += os.write(fd, view[written : written + BATCH])
        except BlockingIOError:  # somebody made the pipe non-blocking: wait here, in the thread
            select.select([], [fd], [])
        except OSError as error:
            return written, error
    return written, None


def _whole(lines: list[bytes], written: int) -> tuple[int, int]:
    """How many lines went out whole, and how many octets of the next one."""
    for n, line in enumerate(lines):
        if written < len(line):
            return n, max(written, 0)
        written -= len(line)
    return len(lines), 0


def _complain(text: str) -> None:
    """The last resort; where stderr is gone too there is nobody left to tell."""
    with contextlib.suppress(OSError):
        os.write(2, f"lpse-relay: {text}\n".encode("ascii", "backslashreplace"))
