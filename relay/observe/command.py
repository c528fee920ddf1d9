"""Command: a message handed to a program — never a shell — as JSON on stdin and in its environment.

It runs as the relay's user, in a session of its own, with PATH, HOME, LANG, LC_ALL and TZ of the
relay and nothing else of its environment. What it prints goes to the relay's log. Past its time it
is killed, and all that it started in its session with it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from relay.clock import Clock
from relay.observe.notice import Message, environment, octets
from relay.observe.ways import Undelivered

LIMIT: Final = 20.0  # seconds; less than a try may take, so that it is killed and not let go
SHOWN: Final = 4_096  # octets of its output that are kept
KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
_LOOK: Final = 0.1  # seconds between two looks whether it has ended, its output still open


@dataclass(frozen=True, slots=True)
class Command:
    """An argument list whose first is the program's path; `limit` in seconds."""

    words: tuple[str, ...]
    clock: Clock = field(repr=False, compare=False)
    environ: Mapping[str, str] = field(repr=False, compare=False)
    limit: float = LIMIT

    @property
    def to(self) -> str:
        """The program; its arguments may hold a secret."""
        return self.words[0]

    def carry(self, message: Message) -> str:
        """See Way.carry; arrived is what ended with 0."""
        kept = {name: self.environ[name] for name in KEPT if name in self.environ}
        with tempfile.TemporaryFile() as stdin:  # a file: it need not be read for us to go on
            stdin.write(octets(message))
            stdin.seek(0)
            try:
                program = subprocess.Popen(
                    self.words,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=kept | environment(message),
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as error:
                why = f"{self.to} cannot be run: {error.strerror or error}"
                raise Undelivered(why, is_lasting=True) from None
        assert program.stdout is not None  # noqa: S101 - asked for
        with program.stdout as output:
            said = self._heard(program, output)
        return _judged(program, said, self.limit)

    def _heard(self, program: subprocess.Popen[bytes], output: IO[bytes]) -> str:
        """Its output until it ends, at most `limit` seconds; then it is killed."""
        deadline = self.clock.monotonic() + self.limit
        found, is_open = b"", True
        while is_open and self.clock.monotonic() < deadline:
            readable, _, _ = select.select([output], [], [], _LOOK)
            if readable:
                part = os.read(output.fileno(), SHOWN)
                is_open = bool(part)
                found += part[: SHOWN - len(found)]
            elif program.poll() is not None:
                break  # what it left running may hold the output open for ever
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(max(0.0, deadline - self.clock.monotonic()))
        if program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            raise Undelivered(f"{self.to} did not end within {self.limit:g} s, and was killed")
        return found.decode("utf-8", "replace").strip()


def _judged(program: subprocess.Popen[bytes], said: str, limit: float) -> str:
    code = program.returncode
    how = f"killed by signal {-code}" if code < 0 else f"exit {code}"
    words = f"{how}: {said}" if said else how
    if code != 0:
        raise Undelivered(words)
    return words
