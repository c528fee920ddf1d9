"""Serving: what a process is told before it can hear."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

# A relay that takes its time to start, as one with a schema to bring up to date does.
SLOW: Final = """
import asyncio, os, signal
from relay import service
from relay.service import running

class Slow:
    def __init__(self, config, started):
        self.started = started

    async def run(self):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard.set)
        assert not heard.is_set()
        self.started()
        await asyncio.wait_for(heard.wait(), 20)
        print("read anew")

running.Running = Slow
service.serve(None, lambda: print("stands"))
"""


def test_a_hup_during_the_start_ends_nothing_and_is_served_when_all_stands() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout.split("\n")[:2]) == (0, ["stands", "read anew"]), ran.stderr
