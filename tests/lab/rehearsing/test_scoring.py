"""Speed, blocks and marks, by books that are written here."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from relay.lab.quotas.base import Kind, Quota, Try
from relay.lab.rehearsing.arrivals import BURST, INVITED, arrivals
from relay.lab.rehearsing.cases import BEGINS, WARM_UP, Case, is_within
from relay.lab.rehearsing.marks import Kind as Row
from relay.lab.rehearsing.marks import kind_of, tenth
from relay.lab.rehearsing.oracles import causal, clairvoyant
from relay.lab.rehearsing.scoring import (
    Progress,
    blocks_of,
    ratio,
    second_half,
    suppressed_by_lies,
)
from relay.lab.rehearsing.world import Outcome
from relay.mail.delivery import Delivery, State
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.urgency import Urgency
from tests.lab.rehearsing.house import DOMAIN, Stub, letters, run_of

TRY = Try("192.0.2.1", "mx", 1, 0, "a@lpse.example.go.id", f"b@{DOMAIN}")


def _progress(*minutes: int, goal: int = 0) -> Progress:
    return Progress(tuple(minute * MINUTE for minute in minutes), DAY, goal)


def test_g_is_one_where_it_is_as_fast_and_half_where_it_takes_twice_as_long() -> None:
    oracle = _progress(*range(1, 101), goal=95)
    assert ratio(oracle, oracle) == 1.0
    assert ratio(oracle, _progress(*range(2, 202, 2))) == 0.5
    assert second_half(oracle, _progress(*range(2, 202, 2))) == pytest.approx(0.5)


def test_who_does_not_get_so_far_is_drawn_out_at_its_pace() -> None:
    oracle = _progress(*range(1, 101), goal=100)
    assert ratio(oracle, _progress(*range(1, 51))) == pytest.approx(100 * MINUTE / (2 * DAY))
    assert ratio(oracle, _progress()) == 0.0
    assert ratio(_progress(), _progress()) == 1.0
    assert math.isinf(_progress().at(1))


def test_a_block_lasts_until_a_letter_is_taken_again() -> None:
    provider = Stub()
    for kind in (
        *(Kind.BLOCKED, Kind.BLOCKED, Kind.THROTTLED, Kind.BLOCKED),
        *(Kind.ACCEPTED, Kind.DEAD, Kind.ADMINISTRATIVE),
    ):
        provider.book.note(BEGINS, kind, TRY)
    assert blocks_of(provider) == 2
    provider.name = "small"  # whose list comes and goes by itself
    assert blocks_of(provider) == 1


def test_who_is_suppressed_by_a_lie_is_neither_dead_nor_full() -> None:
    provider = Stub()
    arrived = {str(n): one for n, one in enumerate(letters(4))}
    ends = {
        name: Delivery(1, int(name), one.recipient, 0, DOMAIN, one.urgency, State.SUPPRESSED, 0, 0)
        for name, one in arrived.items()
    }
    ends["3"] = replace(ends["3"], state=State.DELIVERED)
    for name, kind in (("0", Kind.DEAD), ("1", Kind.FALSE_DEAD), ("2", Kind.FULL)):
        tried = replace(TRY, recipient=arrived[name].recipient, message_id=name)
        provider.book.note(BEGINS, kind, tried)
    outcome = Outcome(run_of(provider, []), arrived, ends)
    assert suppressed_by_lies(outcome) == {arrived["1"].recipient}


def test_the_tenth_percentile_is_what_one_in_ten_does_not_reach() -> None:
    assert tenth([1.0] * 9 + [0.5]) == 1.0
    assert tenth([1.0] * 8 + [0.5] * 2) == 0.5


# --- oracles


def test_the_clairvoyant_goes_as_fast_as_quota_and_limit_allow() -> None:
    provider = Stub(quota=(Quota(10, MINUTE),))
    found = clairvoyant(run_of(provider, letters(100), rate="600/min"))
    assert len(found.times) == 100
    assert found.times[-1] == pytest.approx(9 * MINUTE, abs=10_000)
    slower = clairvoyant(run_of(Stub(), letters(100), rate="10/min"))
    assert slower.times[-1] == pytest.approx(11 * MINUTE, abs=10_000)  # a tenth is closed


def test_a_connection_carries_one_letter_at_a_time() -> None:
    found = clairvoyant(run_of(Stub(), letters(100), rate="6000/min"))
    assert found.times[-1] == pytest.approx(100 * 200, rel=0.3)  # 0.2 s each on the only one


def test_the_causal_one_learns_by_a_refusal() -> None:
    count = 0

    def over(stage: object, tried: object, now: int) -> str | None:
        nonlocal count
        count += str(stage) == "7"
        is_over = str(stage) == "7" and count == 30
        return "451 4.7.1 too much" if is_over else None

    provider = Stub(over, quota=(Quota(10, MINUTE),))
    found = causal(run_of(provider, letters(100), rate="600/min"))
    assert len(found.times) == 100
    assert found.times[28] < MINUTE  # as fast as it liked until then
    assert found.times[-1] > 6 * MINUTE
    assert provider.book.count(Kind.THROTTLED) == 1


# --- cases and arrivals


def test_arrivals_are_drawn_by_seed_and_hold_a_busy_vendor() -> None:
    vendors = [f"a{n}@{DOMAIN}" for n in range(50)]
    made = arrivals(vendors, 100, 40, BEGINS, 6 * HOUR, 3)
    assert made == arrivals(vendors, 100, 40, BEGINS, 6 * HOUR, 3)
    assert made != arrivals(vendors, 100, 40, BEGINS, 6 * HOUR, 4)
    assert len(made) == 100 + 6 * 40
    burst = [one for one in made if one.is_announcement]
    assert len(burst) == 100
    assert max(one.at for one in burst) < BEGINS + BURST
    assert {one.urgency for one in burst} == {Urgency.MASSAL}
    at_once: dict[tuple[int, str], int] = {}
    for one in made:
        at_once[one.at, one.recipient] = at_once.get((one.at, one.recipient), 0) + 1
    assert sum(count >= INVITED for count in at_once.values()) == 6


@pytest.mark.parametrize(
    ("rate", "is_so"), [("10/min", True), ("11/min", False), ("600/h", True), ("5/s", False)]
)
def test_a_limit_is_within_the_quota_or_not(rate: str, is_so: bool) -> None:
    quotas = (Quota(600, HOUR), Quota(600, MINUTE))
    assert is_within(run_of(Stub(quota=quotas), [], rate=rate)) is is_so


def test_each_draw_is_of_one_kind() -> None:
    kinds = {
        kind_of(Case(model, variant, seed))
        for model, variant in (("gmail", "steady"), ("yahoo", "fall"), ("outlook", "steady"))
        for seed in range(6)
    }
    assert kinds == set(Row) - {Row.WARMING}
    assert kind_of(Case("gmail", WARM_UP, 1)) is Row.WARMING


def test_every_third_draw_restarts() -> None:
    restarts = [Case("gmail", "steady", seed, 10, 10, 2).run().restart_at for seed in range(6)]
    assert [at is not None for at in restarts] == [True, False, False] * 2
