"""Running: the installed relay as a process of its own, started, asked and stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from relay.control import ControlClient, ControlError, Unreachable

START: Final = 60.0  # seconds until the control socket must answer, on a loaded machine too
POLL: Final = 0.05


PROGRAM: Final = (sys.executable, "-m", "relay")


class Relay:
    """One relay process; `config` and `state` are its own."""

    def __init__(
        self,
        config: Path,
        state: Path,
        program: Sequence[str] = PROGRAM,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Nothing runs before `start`. `environment` is added to this process's own, and
        `descriptors` are left open for it."""
        self._program = tuple(program)
        self._environment = dict(environment or {})
        self._descriptors = tuple(descriptors)
        self.config = config
        self.state = state
        self.control = state / "run" / "control.sock"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> dict[str, Any]:
        """Run it; returns what `status` answers. Raises ControlError with what it said."""
        self.process = await asyncio.create_subprocess_exec(
            *self._program,
            *("run", "--config", str(self.config), "--state", str(self.state)),
            env=os.environ | self._environment,
            pass_fds=self._descriptors,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START
        while True:
            try:
                return await asyncio.to_thread(ControlClient(self.control).call, "status")
            except Unreachable:
                is_late = self.process.returncode is None and loop.time() > deadline
                if is_late or self.process.returncode is not None:
                    raise ControlError(await self._not_started(is_late)) from None
            await asyncio.sleep(POLL)

    async def call(self, command: str, **params: Any) -> dict[str, Any]:
        """Ask it."""
        return await asyncio.to_thread(ControlClient(self.control).call, command, **params)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(how)
        await self.process.communicate()
        return self.process.returncode or 0

    async def _not_started(self, is_late: bool) -> str:
        """Why there is no answer; a relay that is late is ended."""
        what = f": no answer at {self.control} in {START:g} s" if is_late else ""
        last = await self._last()
        return f"the relay did not start{what}" + (f": {last}" if last else "")

    async def _last(self) -> str:
        assert self.process is not None and self.process.stderr is not None  # noqa: S101
        if self.process.returncode is None:
            self.process.kill()
        return (await self.process.stderr.read()).decode("utf-8", "replace").strip()[-2000:]
