"""The soak's arithmetic: what is a growth, what only wanders, and what is too short to say."""

from __future__ import annotations

import pytest

from tests.bench.soak_watch import DAY, Watch, slope

WANDERING = (0.0, 1.0, -1.0, 0.5, -0.5, -1.0, 1.0)


def watched(minutes: int, mb_a_day: float, scatter: float) -> Watch:
    """A sample a minute; the first half grows as nothing may, for a cache is filled."""
    watch = Watch(1, "", minutes * 60.0, int)
    for n in range(minutes + 1):
        filled = min(n, minutes // 2) * 10.0
        mb = 100 + filled + n * 60 * mb_a_day / DAY + scatter * WANDERING[n % 7]
        watch.samples.append((n * 60.0, mb))
    return watch


def test_a_straight_line_has_its_slope_and_no_error() -> None:
    found = slope([(n, 50 + n * 0.01) for n in range(10)])
    assert found is not None
    assert found.mb_a_day == pytest.approx(864)
    assert found.give_or_take == pytest.approx(0, abs=1e-3)
    assert slope([(0, 1), (1, 2)]) is None


@pytest.mark.parametrize(
    ("minutes", "mb_a_day", "scatter", "is_growth"),
    [
        (30, 0, 0, False),
        (30, 99, 0, False),
        (30, 101, 0, True),
        (30, 150, 1, False),  # it may be: half an hour cannot tell
        (30, 1000, 1, True),
        (480, 150, 1, True),
        (480, 90, 1, False),
        (9, 5000, 0, False),  # too short to be judged
        (10, 5000, 0, True),
    ],
)
def test_a_growth_is_a_fault_where_it_is_certain(
    minutes: int, mb_a_day: float, scatter: float, is_growth: bool
) -> None:
    grown = watched(minutes, mb_a_day, scatter).grown()
    assert grown == ({"mb_a_day": pytest.approx(mb_a_day, rel=0.3)} if is_growth else {})
