"""The cache holds no more than it may, and the latest used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.store.cache import Cache


def test_the_longest_unused_goes_first() -> None:
    cache: Cache[str] = Cache(100)
    for key in range(4):
        cache.put(key, str(key), 25)
    assert cache.get(0) == "0"
    cache.put(4, "4", 25)
    assert (cache.get(0), cache.get(1), cache.get(4)) == ("0", None, "4")


def test_a_thing_too_large_is_not_kept_and_displaces_nothing() -> None:
    cache: Cache[str] = Cache(100)
    cache.put(1, "small", 20)
    cache.put(2, "huge", 26)
    assert (cache.get(1), cache.get(2)) == ("small", None)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.booleans()), max_size=60))
def test_it_counts_right(steps: list[tuple[int, int, bool]]) -> None:
    cache: Cache[int] = Cache(100)
    for key, octets, is_drop in steps:
        if is_drop:
            cache.drop(key)
        else:
            cache.put(key, octets, octets)
        held = sum(size for _, size in cache._items.values())
        assert cache.octets == held <= 100
