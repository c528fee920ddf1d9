"""The bench of ten thousand destinations: it waits for the first round, and for no dead process."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from typing import Any

import pytest

from relay.clock import SystemClock
from tests.bench.destinations import OK, OtherSide, answered, begun


async def test_the_first_letter_to_each_is_waited_for() -> None:
    other = OtherSide(OK, SystemClock())
    other.written = 2
    with pytest.raises(TimeoutError, match=r"2 of 3 written in 0\.01 s"):
        await begun(other, 3, limit=0.01)
    waiting = asyncio.create_task(begun(other, 3))
    await asyncio.sleep(0)
    assert not waiting.done()
    other.written = 3
    await asyncio.wait_for(waiting, 20)


def broken(answers: Any) -> None:
    sys.exit(3)


def good(answers: Any) -> None:
    answers.put({"cpu_percent": 1.0})


def test_a_process_that_ends_without_figures_is_not_waited_for() -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=broken, args=(answers,))
    process.start()
    with pytest.raises(RuntimeError, match="it ended with 3, and no figures"):
        answered(process, answers, 1000)
    process = context.Process(target=good, args=(answers,))
    process.start()
    assert answered(process, answers, 1000) == {"cpu_percent": 1.0}
    process.join()
