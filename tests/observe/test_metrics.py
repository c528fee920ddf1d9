from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from relay.mail import events
from relay.mail.classification import Category, Classification
from relay.mail.delivery import State
from relay.observe.metrics import MAX_WORDS, Metrics
from relay.observe.pulse import Pulse
from relay.observe.sampler import Sampler
from relay.observe.snapshot import Snapshot
from relay.shaping.base import Standing
from relay.shaping.destination import Rate
from relay.store.base import Depth
from tests.observe.examples import (
    CLASSIFIED,
    EVENTS,
    ID,
    NOW,
    SOURCE,
    WHO,
    HandClock,
    attempt,
)

NAMES = {
    "lpse_received_total", "lpse_refused_total", "lpse_deliveries_total", "lpse_replies_total",
    "lpse_queue_deliveries", "lpse_waiting_deliveries", "lpse_queue_oldest_seconds",
    "lpse_rate_limit", "lpse_rate_now",
    "lpse_provider_paused", "lpse_commit_seconds_bucket", "lpse_dkim_seconds_bucket",
    "lpse_loop_lag_seconds", "lpse_wal_bytes", "lpse_inbox_rows", "lpse_log_dropped_total",
    "lpse_connections_open", "process_open_fds", "lpse_unsigned_total", "lpse_loop_tasks",
    "lpse_config_last_reload_ok", "lpse_config_loaded_at_seconds",
}  # fmt: skip
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _samples(metrics: Metrics) -> Samples:
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _metrics(dropped: int = 0) -> Metrics:
    return Metrics(["gmail", "yahoo"], lambda: dropped)


def _standing(
    provider: str | None, state: str = "ok", rates: tuple[Rate, ...] = (), now: float | None = None
) -> Standing:
    return Standing(
        key=provider or "mx.example.co.id",
        provider=provider,
        state=state,  # type: ignore[arg-type]
        paused_until=None,
        why="",
        limits=rates,
        rate_now=now,
        connections=2,
        connections_open=1,
        last_reply="",
        last_reply_at=None,
    )


class Readings:
    """A store's figures, and how often they were asked for."""

    def __init__(self, depths: list[Depth], clock: HandClock | None = None) -> None:
        self._depths = depths
        self._clock = clock  # where counting the rows takes a tenth of a second
        self.rows_asked = 0
        self.is_broken = False

    async def depths(self) -> list[Depth]:
        if self.is_broken:
            raise OSError("no disk")
        return self._depths

    async def inbox_rows(self) -> int:
        self.rows_asked += 1
        if self._clock is not None:
            self._clock.at += 100
        return 311 + self.rows_asked

    def wal_bytes(self) -> int:
        return 4096

    def free_bytes(self) -> tuple[int, int]:
        return 900, 1000

    def commit_seconds(self) -> list[float]:
        return [0.002, 0.02]


PER_MINUTE = Rate(20, timedelta(minutes=1))
PER_DAY = Rate(1500, timedelta(days=1))


async def test_all_names_are_there_after_one_sample() -> None:
    metrics = _metrics(dropped=3)
    readings = Readings([Depth("gmail.com", State.READY, 4, NOW - 9000)])
    standings = [_standing("gmail", "paused", (PER_MINUTE, PER_DAY), 10.0)]
    sampler = Sampler(
        readings,
        lambda: standings,
        {"gmail.com": "gmail"}.get,
        metrics,
        HandClock(),
        reason_of=lambda domain, state, count: "limit",
    )
    await sampler.sample()
    for event in EVENTS:
        metrics.on_event(event)
    metrics.dkim_seconds(0.0003)
    found = _samples(metrics)
    assert {name for name, _ in found} >= NAMES
    gmail = ("provider", "gmail")
    assert found["lpse_queue_deliveries", (gmail, ("state", "ready"))] == 4
    assert found["lpse_waiting_deliveries", (gmail, ("reason", "limit"))] == 4
    assert found["lpse_queue_oldest_seconds", (gmail,)] == 9
    assert found["lpse_rate_limit", (gmail, ("window", "min"))] == 20
    assert found["lpse_rate_limit", (gmail, ("window", "day"))] == 1500
    assert found["lpse_rate_now", (gmail,)] == 10
    assert found["lpse_provider_paused", (gmail,)] == 1
    assert found["lpse_wal_bytes", ()] == 4096
    assert found["lpse_inbox_rows", ()] == 312
    assert found["lpse_log_dropped_total", ()] == 3
    assert found["lpse_commit_seconds_count", ()] == 2
    assert found["lpse_dkim_seconds_count", ()] == 1


def test_events_are_counted() -> None:
    metrics = _metrics()
    for event in EVENTS:
        metrics.on_event(event)
    found = _samples(metrics)
    gmail, yahoo, other = (("provider", name) for name in ("gmail", "yahoo", "other"))
    assert found["lpse_received_total", ()] == 1
    assert found["lpse_received_recipients_total", ()] == 2
    assert found["lpse_refused_total", (("reason", "not_allowed"),)] == 1
    outcomes = {
        (gmail, "delivered"): 1,
        (gmail, "deferred"): 1,
        (yahoo, "bounced"): 1,
        (other, "expired"): 1,
        (other, "suppressed"): 1,
        (other, "held"): 7,
        (other, "released"): 7,
        (other, "removed"): 1,
    }
    for (provider, outcome), count in outcomes.items():
        assert found["lpse_deliveries_total", (("outcome", outcome), provider)] == count
    labels = (
        ("category", "unknown_user"), yahoo, ("rule", "yahoo.no-account"), ("scope", "recipient"),
    )  # fmt: skip
    assert found["lpse_replies_total", labels] == 1
    assert found["lpse_alerts_raised_total", (("name", "disk_low"),)] == 1


def test_letters_that_leave_unsigned_are_counted() -> None:
    metrics = _metrics()
    received = next(event for event in EVENTS if isinstance(event, events.Received))
    for notes in (
        (),
        ("headers: Date added",),
        ("headers: Date added", "dkim: unsigned, no DKIM key for other.example.go.id"),
        ("dkim: unsigned, not exactly one From address",),
    ):
        metrics.on_event(replace(received, notes=notes))
    found = _samples(metrics)
    assert found["lpse_unsigned_total", ()] == 2
    assert found["lpse_received_total", ()] == 4


def test_a_refused_reload_is_seen_until_one_succeeds() -> None:
    metrics = _metrics()

    def seen() -> tuple[float, float]:
        found = _samples(metrics)
        ok, at = "lpse_config_last_reload_ok", "lpse_config_loaded_at_seconds"
        return found[ok, ()], found[at, ()]

    metrics.config_loaded(NOW)
    assert seen() == (1, NOW / 1000)
    metrics.config_refused()
    assert seen() == (0, NOW / 1000)
    metrics.config_loaded(NOW + 5000)
    assert seen() == (1, NOW / 1000 + 5)


def test_no_series_says_when_it_began() -> None:
    metrics = _metrics()
    for event in EVENTS:
        metrics.on_event(event)
    assert not [name for name, _ in _samples(metrics) if name.endswith("_created")]


def test_an_accepted_attempt_is_no_reply_to_explain() -> None:
    metrics = _metrics()
    metrics.on_event(events.Attempted(NOW, ID, 3, WHO, "gmail", attempt(), None))
    assert not [name for name, _ in _samples(metrics) if name == "lpse_replies_total"]


@pytest.mark.parametrize("foreign", ["evil.example.com", "mx1.example.co.id", "", 'x"\n'])
def test_a_foreign_domain_is_never_a_label(foreign: str) -> None:
    metrics = _metrics()
    metrics.on_event(events.Bounced(NOW, ID, 0, WHO, foreign, "no", Category.OTHER))
    metrics.on_event(events.Attempted(NOW, ID, 0, WHO, foreign, attempt(), CLASSIFIED))
    text = generate_latest(metrics.registry).decode()
    assert 'provider="other"' in text
    if foreign:
        assert foreign not in text


@pytest.mark.parametrize("rule", ["No Such Rule", "a@b", "x" * 65, "", "é"])
def test_a_rule_that_is_no_id_is_other(rule: str) -> None:
    metrics = _metrics()
    made = Classification(
        CLASSIFIED.category, CLASSIFIED.scope, CLASSIFIED.action, rule, confidence=0.5
    )
    metrics.on_event(events.Attempted(NOW, ID, 0, WHO, "gmail", attempt(), made))
    rules = {dict(labels).get("rule") for _, labels in _samples(metrics)} - {None}
    assert rules == {"other"}


def test_reasons_are_bounded() -> None:
    metrics = _metrics()
    for n in range(MAX_WORDS + 50):
        metrics.on_event(events.Refused(NOW, SOURCE, "mail", 554, f"r{n}"))
    found = {labels: v for (name, labels), v in _samples(metrics).items() if "refused_t" in name}
    assert len(found) == MAX_WORDS + 1
    assert found[(("reason", "other"),)] == 50


def test_destinations_without_a_provider_stand_together() -> None:
    metrics = _metrics()
    metrics.snapshot = Snapshot(
        NOW,
        standings=(
            _standing(None, "paused", (PER_MINUTE,), 10.0),
            _standing(None, "paused", (Rate(5, timedelta(minutes=1)),), 5.0),
            _standing(None, "ok"),
            _standing("gmail"),
        ),
    )
    found = _samples(metrics)
    other = ("provider", "other")
    assert found["lpse_rate_limit", (other, ("window", "min"))] == 5
    assert found["lpse_rate_now", (other,)] == 15
    assert found["lpse_provider_paused", (other,)] == 1
    assert found["lpse_connections_open", (other,)] == 3
    assert found["lpse_provider_paused", (("provider", "gmail"),)] == 0


def test_the_pause_of_everything_has_its_own_word() -> None:
    metrics = _metrics()
    everything = (("provider", "all"),)
    assert _samples(metrics)["lpse_provider_paused", everything] == 0
    metrics.snapshot = Snapshot(NOW, standings=(_standing("all", "paused", now=0.0),))
    found = _samples(metrics)
    assert found["lpse_provider_paused", everything] == 1
    assert found["lpse_rate_now", everything] == 0
    assert ("lpse_connections_open", everything) not in found
    assert ("lpse_provider_paused", (("provider", "other"),)) not in found


async def test_rows_are_counted_each_time_while_that_is_quick() -> None:
    readings = Readings([])
    metrics = _metrics()
    sampler = Sampler(readings, lambda: [], lambda domain: None, metrics, HandClock())
    for rows in (312, 313):
        await sampler.sample()
        assert _samples(metrics)["lpse_inbox_rows", ()] == rows


async def test_what_waits_is_counted_by_its_reason_and_adds_up_to_the_queue() -> None:
    domains = [f"d{n}.example" for n in range(600)]
    readings = Readings(
        [Depth(one, state, 3, NOW) for one in domains for state in (State.READY, State.HELD)]
        + [Depth("gmail.com", State.READY, 40, NOW), Depth("gmail.com", State.WAITING, 2, NOW)]
    )
    metrics = _metrics()

    def reason_of(domain: str, state: State, count: int) -> str:
        if state is not State.READY:
            return {State.HELD: "hold", State.WAITING: "retry"}[state]
        return "pause" if domain in domains[:100] or count == 40 else "next"

    sampler = Sampler(
        readings,
        lambda: [],
        {"gmail.com": "gmail"}.get,
        metrics,
        HandClock(),
        reason_of=reason_of,
    )
    await sampler.sample()
    found = _samples(metrics)
    assert {
        tuple(value for _, value in labels): count
        for (name, labels), count in found.items()
        if name == "lpse_waiting_deliveries"
    } == {
        ("gmail", "pause"): 40,
        ("gmail", "retry"): 2,
        ("other", "pause"): 300,
        ("other", "next"): 1500,
        ("other", "hold"): 1800,
    }
    sums = {
        name: sum(count for (one, _), count in found.items() if one == name)
        for name in ("lpse_waiting_deliveries", "lpse_queue_deliveries")
    }
    assert set(sums.values()) == {3642}


async def test_reasons_that_are_slow_to_tell_are_asked_for_with_every_third_sample() -> None:
    clock = HandClock()
    readings = Readings([Depth("gmail.com", State.READY, 4, NOW)])
    metrics = _metrics()
    asked: list[str] = []
    takes = 0.0

    def reason_of(domain: str, state: State, count: int) -> str:
        asked.append(domain)
        clock.at += int(takes * 1000)
        return "limit"

    sampler = Sampler(readings, lambda: [], lambda one: None, metrics, clock, reason_of=reason_of)
    await sampler.sample()
    await sampler.sample()
    assert len(asked) == 2
    takes = 0.05
    for _ in range(7):
        await sampler.sample()
    assert len(asked) == 2 + 3
    readings._depths.append(Depth("new.example", State.READY, 1, NOW))
    await sampler.sample()
    assert asked[5:] == ["new.example"]
    (labels,) = [one for name, one in _samples(metrics) if name == "lpse_waiting_deliveries"]
    assert _samples(metrics)["lpse_waiting_deliveries", labels] == 5


async def test_domains_become_providers_and_slow_rows_are_counted_seldom() -> None:
    clock = HandClock()
    readings = Readings(
        [
            Depth("gmail.com", State.READY, 4, NOW - 9000),
            Depth("example.co.id", State.READY, 2, NOW - 99_000),
            Depth("one.example", State.WAITING, 1, NOW),
            Depth("two.example", State.WAITING, 1, NOW - 5),
        ],
        clock,
    )
    metrics = _metrics()
    names = {"gmail.com": "gmail", "example.co.id": "gmail"}
    sampler = Sampler(readings, lambda: [], names.get, metrics, clock)
    for _ in range(12):
        await sampler.sample()
    assert readings.rows_asked == 1
    await sampler.sample()
    assert readings.rows_asked == 2
    assert {(d.provider, d.state, d.count, d.oldest_at) for d in metrics.snapshot.depths} == {
        ("gmail", State.READY, 6, NOW - 99_000),
        (None, State.WAITING, 2, NOW - 5),
    }


async def test_a_failed_sample_leaves_the_last_one(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    readings = Readings([Depth("gmail.com", State.READY, 4, NOW)])
    metrics = _metrics()
    clock = HandClock()
    sampler = Sampler(
        readings,
        lambda: [],
        lambda domain: None,
        metrics,
        clock,
        Pulse(_never_called, clock),
    )
    await sampler.sample()
    readings.is_broken = True
    task = asyncio.create_task(sampler.run(every=0))
    while "no disk" not in caplog.text:
        await asyncio.sleep(0)
    task.cancel()
    assert metrics.snapshot.depths[0].count == 4


async def _never_called() -> None:
    raise AssertionError("no beat was asked for")


def test_a_reload_may_name_another_provider() -> None:
    metrics = _metrics()
    assert metrics.provider("zimbra") == "other"
    metrics.set_providers(["zimbra"])
    assert metrics.provider("zimbra") == "zimbra"
    assert metrics.provider(None) == "other"
