"""Sliding counts against counting by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.lab.quotas.windows import Bucket, Lately, Tally

STEPS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.booleans()), max_size=80)


@given(STEPS, st.integers(1, 100))
def test_a_tally_counts_what_came_within_its_span(
    steps: list[tuple[int, str, bool]], span: int
) -> None:
    tally = Tally(span)
    seen: list[tuple[int, str]] = []
    now = 0
    for gap, key, is_adding in steps:
        now += gap
        if is_adding:
            seen.append((now, key))
        found = tally.add(key, now) if is_adding else tally.count(key, now)
        assert found == sum(1 for at, k in seen if k == key and now - span < at <= now)


@given(STEPS, st.integers(1, 100))
def test_a_tally_keeps_no_more_than_its_span(steps: list[tuple[int, str, bool]], span: int) -> None:
    tally = Tally(span)
    now = 0
    for gap, key, _ in steps:
        now += gap
        tally.add(key, now)
    assert tally.count("nobody", now + span) == 0
    assert len(tally) == 0


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 20))
def test_lately_is_the_share_among_the_last(seen: list[bool], size: int) -> None:
    lately = Lately(size)
    for n, is_so in enumerate(seen, 1):
        share = lately.add(is_so)
        expected = sum(seen[n - size : n]) / size if n >= size else 0.0
        assert share == pytest.approx(expected)


@given(
    st.lists(st.integers(0, 20_000), max_size=120),
    st.integers(1, 60),
    st.integers(1, 40),
)
def test_a_bucket_gives_its_depth_and_what_flows_in(gaps: list[int], rate: int, depth: int) -> None:
    bucket = Bucket(rate, depth)
    now, given_at = 0, []
    for gap in gaps:
        now += gap
        if bucket.level(now) >= 1:
            bucket.take()
            given_at.append(now)
    for n, first in enumerate(given_at):
        for m in range(n, len(given_at)):
            assert m - n + 1 <= depth + (given_at[m] - first) * rate / 60_000 + 1e-6


def test_a_bucket_flows_at_the_rate_that_it_is_told() -> None:
    bucket = Bucket(60, 10)
    for _ in range(10):
        assert bucket.level(0) >= 1
        bucket.take()
    assert bucket.level(0, rate=30) == 0
    assert bucket.level(2_000) == pytest.approx(1.0)
    assert bucket.level(3_600_000) == 10
