"""Draws: the same seed is the same provider; recipients, limits, variants, losses, latencies."""

from __future__ import annotations

import math
import statistics

import pytest

from relay.lab.quotas import MODELS, VARIANTS, address, configured_rates, draw, tightest
from relay.lab.quotas.base import Entry, Kind, Provider
from relay.lab.quotas.chance import Latency
from relay.lab.quotas.drawn import Drawn
from relay.mail.delivery import FailureKind
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.reply import Stage
from relay.shaping.settings import rate
from tests.lab.quotas.house import LENGTH, START, Sender, provider

EACH = [(model, variant) for model in MODELS for variant in VARIANTS]


def test_the_six_models_and_four_variants() -> None:
    assert MODELS == ("gmail", "yahoo", "outlook", "m365", "go.id", "small")
    assert VARIANTS == ("steady", "fall", "diurnal", "false-dead")


def run(model: str, variant: str, seed: int, letters: int = 400) -> tuple[list[Entry], Drawn]:
    """A sender that tries a letter every four minutes."""
    found: Drawn = draw(model, variant, seed, START, LENGTH)
    sender = Sender(found)
    now = START
    for n in range(letters):
        now += 4 * MINUTE
        to = address(found, n)
        if not isinstance(found.hosts(to.rpartition("@")[2], now), FailureKind):
            host = found.hosts(to.rpartition("@")[2], now)[0]
            session, answer = sender.dial(now, str(host))
            if answer is None:
                sender.carry(sender.tried(session, to), now)
                sender.hang_up(session, now, str(host))
    return found.book.entries, found


@pytest.mark.parametrize(("model", "variant"), EACH)
def test_the_same_seed_is_the_same_provider(model: str, variant: str) -> None:
    one, first = run(model, variant, 7)
    other, second = run(model, variant, 7)
    assert one == other
    at = START + 40 * HOUR
    for domain in first.domains:
        assert first.quotas(domain, at) == second.quotas(domain, at)


@pytest.mark.parametrize("model", MODELS)
def test_another_seed_is_another_provider(model: str) -> None:
    assert run(model, "steady", 7)[0] != run(model, "steady", 8)[0]


def test_a_variant_moves_no_other_draw() -> None:
    for model in MODELS:
        drawn = [draw(model, variant, 3, START, LENGTH) for variant in VARIANTS]
        nights = [found.quotas(found.domains[0], START - DAY) for found in drawn]
        assert nights[0] == nights[1] == nights[3]


@pytest.mark.parametrize("model", MODELS)
def test_it_is_a_provider(model: str) -> None:
    found: Provider = draw(model, "steady", 1, START, LENGTH)
    assert found.name == model
    for domain in found.domains:
        hosts = found.hosts(domain, START - DAY)
        assert not isinstance(hosts, FailureKind)
        assert len(hosts) >= 1
    assert found.hosts("nowhere.example.org", START) is FailureKind.NXDOMAIN


@pytest.mark.parametrize("model", MODELS)
def test_recipients_are_many_and_spread(model: str) -> None:
    found = draw(model, "steady", 1, START, LENGTH)
    addresses = [address(found, n) for n in range(6_000)]
    assert len(set(addresses)) == 6_000
    per_domain = [0] * len(found.domains)
    for one in addresses:
        per_domain[list(found.domains).index(one.rpartition("@")[2])] += 1
    assert max(per_domain) - min(per_domain) <= 1
    dead = sum(map(found.is_dead, addresses)) / 6_000
    full = sum(map(found.is_full, addresses)) / 6_000
    assert dead == pytest.approx(0.05, abs=0.012)
    assert full == pytest.approx(0.02, abs=0.008)


def test_what_does_not_exist_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no model: 'gmial' \(did you mean gmail\?\)"):
        draw("gmial", "steady", 1, START, LENGTH)
    with pytest.raises(ValueError, match=r"no variant: 'falls' \(did you mean fall\?\)"):
        draw("gmail", "falls", 1, START, LENGTH)


@pytest.mark.parametrize("model", MODELS)
def test_limits_are_a_multiple_of_the_tightest_window(model: str) -> None:
    factors = []
    for seed in range(60):
        found = draw(model, "steady", seed, START, LENGTH)
        window = tightest(found, START)
        written = configured_rates(found, seed)
        assert (window is None) == (written == ())
        if window is not None:
            (limit,) = map(rate, written)
            a_second = limit.count / limit.window.total_seconds()
            factors.append(a_second * window.span / 1000 / window.count)
    if factors:
        assert 0.28 <= min(factors) < 0.8
        assert 4 < max(factors) <= 5


def test_a_fall_is_one_step_in_the_middle_of_the_run() -> None:
    shares = []
    for seed in range(40):
        course = draw("gmail", "fall", seed, START, LENGTH).draw.variant
        at = (course.fall_at - START) / LENGTH
        assert 0.3 <= at <= 0.6
        assert course.factor(course.fall_at - 1) == 1.0
        assert course.factor(course.fall_at) == course.factor(START + LENGTH)
        shares.append(course.factor(course.fall_at))
    assert 0.2 <= min(shares) < 0.25
    assert 0.45 < max(shares) <= 0.5


def test_a_day_s_low_is_from_eight_to_five_in_wib() -> None:
    course = draw("gmail", "diurnal", 1, START, LENGTH).draw.variant
    midnight_utc = START - START % DAY
    low = [h for h in range(24) if course.factor(midnight_utc + h * HOUR) == 0.5]
    assert low == list(range(1, 10))  # 08:00 WIB is 01:00 UTC


@pytest.mark.parametrize("model", MODELS)
def test_a_quota_that_falls_is_enforced_and_told(model: str) -> None:
    steady = draw(model, "steady", 5, START, LENGTH)
    falling = draw(model, "fall", 5, START, LENGTH)
    end = START + LENGTH
    for domain in steady.domains[:8]:
        for before, after in zip(
            steady.quotas(domain, end), falling.quotas(domain, end), strict=True
        ):
            ratio = after.count / after.span / (before.count / before.span)
            assert 0.1 <= ratio <= 0.51


@pytest.mark.parametrize(
    ("model", "values", "full"),
    [
        ("gmail", {"minute": 40, "hour": 10_000, "day": 10_000, "warns": 0.0}, 40),
        ("yahoo", {"five_minutes": 40, "hour": 10_000, "per_connection": 20}, 40),
        ("m365", {"day": 40, "refusing_tenants": 0.0, "growth": 1.0}, 40),
        ("small", {"hour": 40, "listed_at": 0.0}, 40),
    ],
)
def test_what_is_told_of_a_fall_is_what_is_borne(
    model: str, values: dict[str, float], full: int
) -> None:
    found = provider(model, values, "fall")
    sender = Sender(found)
    domain = found.domains[0]
    at = found.draw.variant.fall_at
    before = at - HOUR if model != "m365" else at - DAY
    if before > START:  # a fall within the first day leaves no day to fill before it
        assert [sender.letter(before) for _ in range(full)] == [None] * full
    borne = found.quotas(domain, at)[0].count
    assert 8 <= borne <= full // 2
    answers = [sender.letter(at) for _ in range(borne + 1)]
    assert answers[:-1] == [None] * borne
    assert str(answers[-1])[:3] in ("421", "451")


def test_a_fallen_bucket_fills_more_slowly() -> None:
    found = provider("outlook", {"per_minute": 40}, "fall")
    sender = Sender(found)
    at = found.draw.variant.fall_at
    rate = 40 * found.draw.variant.fall_to
    assert [sender.letter(at) for _ in range(30)] == [None] * 30
    full = at + math.ceil(MINUTE / rate)
    assert str(sender.letter(full - 2))[:3] == "451"
    assert sender.letter(full) is None


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("gmail", "550-5.1.1"),
        ("yahoo", "554 delivery"),
        ("outlook", "550 5.5.0"),
        ("m365", "550 5.4.1"),
        ("small", "550 No such"),
    ],
)
def test_for_one_hour_all_addresses_are_said_to_be_dead(model: str, says: str) -> None:
    found = provider(model, variant="false-dead")
    sender = Sender(found)
    begins = found.draw.variant.false_from
    assert sender.letter(begins - 1) is None
    assert str(sender.letter(begins)).startswith(says)
    assert str(sender.letter(begins + HOUR - 1)).startswith(says)
    assert sender.letter(begins + HOUR) is None
    assert sender.kinds().count(Kind.FALSE_DEAD) == 2
    assert Kind.DEAD not in sender.kinds()


def test_in_that_hour_the_dead_are_dead() -> None:
    found = provider("gmail", variant="false-dead", common={"dead": 1.0})
    sender = Sender(found)
    sender.letter(found.draw.variant.false_from)
    assert sender.kinds() == [Kind.DEAD]


def test_connections_are_lost_after_the_dot_and_half_of_the_letters_taken() -> None:
    wide = {"minute": 9999, "hour": 99_999, "day": 99_999, "warns": 0.0}
    found = provider("gmail", wide, common={"lost_after_dot": 0.2})
    sender = Sender(found)
    answers = [sender.letter(START + n * MINUTE) for n in range(2_000)]
    lost = [entry for entry in found.book.entries if entry.kind is Kind.LOST]
    assert answers.count(FailureKind.AMBIGUOUS) == len(lost)
    assert len(lost) / 2_000 == pytest.approx(0.2, abs=0.04)
    taken = sum(entry.is_taken for entry in lost)
    assert taken / len(lost) == pytest.approx(0.5, abs=0.1)


def test_a_connection_is_lost_once() -> None:
    found = provider("gmail", {"minute": 60}, common={"lost_after_dot": 1.0})
    sender = Sender(found)
    session, _ = sender.dial(START)
    answers = [sender.carry(sender.tried(session), START) for _ in range(3)]
    assert answers == [FailureKind.AMBIGUOUS, None, None]


def test_latencies_are_log_normal_with_their_median_and_tail() -> None:
    latency = Latency(0.2, 8.0, 1, "trip")
    drawn = sorted(latency.draw() for _ in range(4096))
    assert statistics.median(drawn) == pytest.approx(0.2, rel=0.01)
    assert drawn[int(4096 * 0.99)] == pytest.approx(8.0, rel=0.05)
    logs = [math.log(seconds) for seconds in drawn]
    assert statistics.mean(logs) == pytest.approx(math.log(0.2), abs=0.01)


def test_the_end_of_data_takes_longer() -> None:
    found = draw("gmail", "steady", 1, START, LENGTH)
    trips = statistics.median(found.seconds(Stage.RCPT, "", START) for _ in range(4096))
    ends = statistics.median(found.seconds(Stage.EOD, "", START) for _ in range(4096))
    assert trips == pytest.approx(0.2, rel=0.01)
    assert ends == pytest.approx(0.6, rel=0.01)
