"""Lock: one relay a state directory, by flock on its file ``lock``."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from relay.store.base import StateLocked, StoreError

NAME: Final = "lock"


class Lock:
    """Held while it lives; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, state_dir: Path) -> None:
        """Take it, or raise StateLocked naming the process that has it."""
        self._fd = os.open(state_dir / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise StateLocked(
                f"{state_dir} is in use by another relay (process {holder})"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go. The file stays: to unlink it would let two relays hold two files."""
        os.close(self._fd)


def locked(state_dir: Path) -> Lock:
    """The lock of a state directory, which is made where it is missing. Raises StateLocked,
    StoreError."""
    try:
        if not state_dir.is_dir():
            state_dir.mkdir(mode=0o700, parents=True)
            _sync(state_dir.parent)
        return Lock(state_dir)
    except OSError as error:
        raise StoreError(f"the state directory {state_dir}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    """Put a new name in a directory on stable storage; SQLite does so for its own files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
