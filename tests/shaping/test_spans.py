"""Of a few letters no span is held: what is made of them anew says what a held one would."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.shaping.learned import Learned
from relay.shaping.spans import FIRST
from tests.shaping.house import NOW

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("add", "refuse", "over", "rise", "lift", "keep")),
        st.sampled_from((0, SECOND, 20 * SECOND, 5 * MINUTE, 2 * HOUR, 11 * HOUR)),
        st.booleans(),
    ),
    max_size=40,
)


class Held(Learned):
    """Its spans are never given up."""

    def fold(self) -> None:
        """Nothing."""


def kept_and_read(learned: Learned, now: Instant) -> Learned:
    return type(learned).load(json.loads(json.dumps(learned.dump())), 1.0, now)


def step(learned: Learned, name: str, now: Instant, since: Instant) -> Learned:
    """One of STEPS; `since`: when it was refused, or 0."""
    if name == "add":
        learned.add(1, now)
    elif name == "refuse" and since:
        learned.refused_again(now)
    elif name == "refuse":
        learned.refused(now)
    elif name == "over" and since:
        learned.borne_again(since, now, 2)
    elif name == "rise" and not since:
        learned.rise(now)
    elif name == "lift":
        learned.lift({MINUTE: 3})
    elif name == "keep":
        return kept_and_read(learned, now)
    return learned


def says(learned: Learned, now: Instant) -> object:
    """All that others ask of it."""
    relief = learned.relief_at(now) if learned.counts else now
    told = (learned.is_capped, learned.rate(), learned.ceiling(), learned.interval(0.8), relief)
    return (*told, learned.room_at(1, 0.8, now), learned.blamed, learned.patience, learned.caps())


@given(STEPS)
def test_folded_at_any_time_it_says_the_same(steps: list[tuple[str, int, bool]]) -> None:
    held: Learned = Held()
    folded, now, since = Learned(), NOW, 0
    for name, later, is_folded in steps:
        now += later
        held, folded = step(held, name, now, since), step(folded, name, now, since)
        if name in ("refuse", "over"):
            since = (since or now) if name == "refuse" else 0
        if is_folded:
            folded.fold()
        assert says(folded, now) == says(held, now)


def test_refused_at_once_it_holds_no_span() -> None:
    learned = Learned()
    learned.add(1, NOW)
    learned.refused(NOW + SECOND)
    learned.fold()
    assert not learned._tracks and learned.is_capped
    assert learned.caps() == [(MINUTE, 1.0)] and not learned._tracks
    again = kept_and_read(learned, NOW + SECOND)
    assert not again._tracks and again.caps() == learned.caps()
    assert again.room_at(1, 1.0, NOW + SECOND) > NOW + SECOND


def test_of_many_letters_they_are_held() -> None:
    learned = Learned()
    for n in range(FIRST + 1):
        learned.add(1, NOW + n)
    learned.fold()
    assert [track.count(NOW) for track in learned._tracks] == [FIRST + 1] * 6


def test_what_an_older_version_kept_is_held_as_it_stands() -> None:
    learned = Learned()
    for n in range(3):
        learned.add(1, NOW + n * MINUTE)
    learned.refused(NOW + 3 * MINUTE)
    kept = json.loads(json.dumps(learned.dump()))
    del kept["first"]
    again = Learned.load(kept, 1.0, NOW + 3 * MINUTE)
    again.fold()
    assert again._tracks and again.caps() == learned.caps()
    assert [t.count(NOW + HOUR) for t in again.tracks] == [0, 0, 0, 3, 3, 3]


def test_in_a_laboratory_of_another_scale_only_the_ceilings_are_read() -> None:
    learned = Learned()
    learned.add(1, NOW)
    learned.refused(NOW)
    again = Learned.load(json.loads(json.dumps(learned.dump())), 0.5, NOW)
    assert again.caps() == [(MINUTE // 2, 0.5)]
    assert not any(track.count(NOW) for track in again.tracks)


def test_a_clock_set_back_leaves_no_letter_in_the_future() -> None:
    learned = Learned()
    learned.add(1, NOW)
    learned.refused(NOW)
    again = Learned.load(json.loads(json.dumps(learned.dump())), 1.0, NOW - DAY)
    assert not any(track.count(NOW + HOUR) for track in again.tracks)


def test_folded_it_is_empty_once_a_day_is_over_and_nothing_was_learned() -> None:
    learned = Learned()
    learned.add(1, NOW)
    learned.add(1, NOW)
    assert learned.tracks
    learned.fold()
    assert not learned.is_empty(NOW + HOUR) and learned.is_empty(NOW + DAY)
