"""The bench that takes a million letters and sends them: all are counted, memory by quarters."""

from __future__ import annotations

from pathlib import Path

from tests.bench.shown import through as table
from tests.bench.through import quarters, through


def test_quarters_are_means() -> None:
    assert list(quarters([1, 1, 2, 2, 3, 3, 4, 4])) == [1, 2, 3, 4]
    assert list(quarters([5.0])) == [5.0] * 4


async def test_a_few_letters_are_taken_and_sent(tmp_path: Path) -> None:
    found = await through(tmp_path, 30)
    assert found["peak_mb"] >= found["taken_mb_1"] > 10
    assert found["taken_a_second"] > 0 and found["sent_cpu_ms"] > 0
    assert found["disk_octets"] > 4_000
    assert found["stall_ms"] == max(found["taken_stall_ms"], found["sent_stall_ms"])
    shown = table({"door": {"figures": found}})
    assert "| memory (PSS), at most |" in shown and ": met | ≤ 250 MB |" in shown
