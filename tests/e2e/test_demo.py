"""The demo as a user runs it: it proves itself and ends, Ctrl-C is clean, `--keep` can be used."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 150.0  # seconds until a test says that it hangs
WORK = 30.0  # seconds of a processor that it may take, of which the rest of its minute is waiting

pytestmark = pytest.mark.timeout(240)


class Demo:
    """The demo's process in a group of its own, as a shell starts it; `said` grows as it speaks."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self.said = ""

    async def start(self) -> None:
        """Run it; its folder is made in `folder`."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "relay.lab.demo", *self._options),
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(self._folder), "COLUMNS": "100"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def hears(self, words: str) -> None:
        """Read on until it says so."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while words not in self.said:
                line = await self._process.stdout.readline()
                assert line, f"it ended before {words!r}:\n{self.said}"
                self.said += line.decode()

    async def ends(self) -> int:
        """Read to the end; returns the exit code."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            self.said += (await self._process.stdout.read()).decode()
            return await self._process.wait()

    def press_ctrl_c(self) -> None:
        """As a terminal does it: to the demo and to all that it started."""
        os.killpg(self._process.pid, signal.SIGINT)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo makes its own folder: a short path, as people have, for its control socket."""
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def work() -> float:
    """Seconds of a processor that the programs took which this process started, and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def test_it_proves_everything_and_ends_in_time(folder: Path) -> None:
    demo, began = Demo(folder), work()
    await demo.start()
    assert await demo.ends() == 0, demo.said
    assert work() - began < WORK
    assert demo.said.count("✓") == 7
    assert "✗" not in demo.said
    assert "Traceback" not in demo.said
    for words in (
        "Gmail blocks us: “550 5.7.1 ",
        "fault: our pace",
        "rekanan.lama@yahoo.com bounces: “554 delivery error",
        "fault: the address: nobody has it any more",
        "penuh@dinas.example.go.id waits: “452 4.2.2",
        "Gmail took one letter again",
        "Kotak Masuk untuk vendor59@gmail.com",
        "lpse_received_total 67.0",
        "All of it holds",
    ):
        assert words in demo.said
    assert list(folder.iterdir()) == []


async def test_ctrl_c_in_the_middle_is_clean_and_no_success(folder: Path) -> None:
    demo = Demo(folder)
    await demo.start()
    await demo.hears("every letter got its 250")
    demo.press_ctrl_c()
    assert await demo.ends() == 130
    assert "Traceback" not in demo.said
    assert demo.said.rstrip().endswith("Stopped before the end: nothing was proved.")
    assert list(folder.iterdir()) == []


async def test_what_keep_prints_works_when_it_is_pasted(folder: Path) -> None:
    demo = Demo(folder, "--keep")
    await demo.start()
    await demo.hears("Ctrl-C ends it")
    _, _, rest = demo.said.partition("In another terminal, in this folder:\n")
    commands, _, rest = rest.partition("In a browser")
    pasted = re.sub(r"(?m)^  tail -f ", "  head ", commands)
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", pasted),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await shell.communicate()
    assert shell.returncode == 0, (pasted, err)
    assert b"Traceback" not in err
    for words in (b"penuh@dinas.example.go.id", b"gmail", b"Pengumuman Tender", b"/masuk?t="):
        assert words in out
    assert re.search(r"^  http://127\.0\.0\.1:\d+/masuk\?t=\S+$", rest, re.MULTILINE)
    demo.press_ctrl_c()
    assert await demo.ends() == 0
    assert "Traceback" not in demo.said
    assert list(folder.iterdir()) == []
