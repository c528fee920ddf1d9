"""Metrics: which names there are, what events count, and which labels are never let in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.exposition import generate_latest

from relay.mail import events
from relay.mail.classification import Category, Classification
from relay.mail.delivery import State
from relay.observe.metrics import MAX_WORDS
from relay.observe.sampler import Sampler
from relay.observe.snapshot import Snapshot
from relay.shaping.destination import Rate
from relay.store.base import Depth
from tests.observe.examples import CLASSIFIED, EVENTS, ID, NOW, SOURCE, WHO, HandClock, attempt
from tests.observe.figures import PER_DAY, PER_MINUTE, Readings, new_metrics, scraped, standing

NAMES = {
    "lpse_received_total", "lpse_refused_total", "lpse_deliveries_total", "lpse_replies_total",
    "lpse_queue_deliveries", "lpse_waiting_deliveries", "lpse_queue_oldest_seconds",
    "lpse_rate_limit", "lpse_rate_now",
    "lpse_provider_paused", "lpse_commit_seconds_bucket", "lpse_dkim_seconds_bucket",
    "lpse_loop_lag_seconds", "lpse_wal_bytes", "lpse_inbox_rows", "lpse_log_dropped_total",
    "lpse_connections_open", "process_open_fds", "lpse_unsigned_total", "lpse_loop_tasks",
    "lpse_config_last_reload_ok", "lpse_config_loaded_at_seconds",
}  # fmt: skip


async def test_all_names_are_there_after_one_sample() -> None:
    metrics = new_metrics(dropped=3)
    readings = Readings([Depth("gmail.com", State.READY, 4, NOW - 9000)])
    standings = [standing("gmail", "paused", (PER_MINUTE, PER_DAY), 10.0)]
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
    found = scraped(metrics)
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
    metrics = new_metrics()
    for event in EVENTS:
        metrics.on_event(event)
    found = scraped(metrics)
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
    metrics = new_metrics()
    received = next(event for event in EVENTS if isinstance(event, events.Received))
    for notes in (
        (),
        ("headers: Date added",),
        ("headers: Date added", "dkim: unsigned, no DKIM key for other.example.go.id"),
        ("dkim: unsigned, not exactly one From address",),
    ):
        metrics.on_event(replace(received, notes=notes))
    found = scraped(metrics)
    assert found["lpse_unsigned_total", ()] == 2
    assert found["lpse_received_total", ()] == 4


def test_a_refused_reload_is_seen_until_one_succeeds() -> None:
    metrics = new_metrics()

    def seen() -> tuple[float, float]:
        found = scraped(metrics)
        ok, at = "lpse_config_last_reload_ok", "lpse_config_loaded_at_seconds"
        return found[ok, ()], found[at, ()]

    metrics.config_loaded(NOW)
    assert seen() == (1, NOW / 1000)
    metrics.config_refused()
    assert seen() == (0, NOW / 1000)
    metrics.config_loaded(NOW + 5000)
    assert seen() == (1, NOW / 1000 + 5)


def test_no_series_says_when_it_began() -> None:
    metrics = new_metrics()
    for event in EVENTS:
        metrics.on_event(event)
    assert not [name for name, _ in scraped(metrics) if name.endswith("_created")]


def test_an_accepted_attempt_is_no_reply_to_explain() -> None:
    metrics = new_metrics()
    metrics.on_event(events.Attempted(NOW, ID, 3, WHO, "gmail", attempt(), None))
    assert not [name for name, _ in scraped(metrics) if name == "lpse_replies_total"]


@pytest.mark.parametrize("foreign", ["evil.example.com", "mx1.example.co.id", "", 'x"\n'])
def test_a_foreign_domain_is_never_a_label(foreign: str) -> None:
    metrics = new_metrics()
    metrics.on_event(events.Bounced(NOW, ID, 0, WHO, foreign, "no", Category.OTHER))
    metrics.on_event(events.Attempted(NOW, ID, 0, WHO, foreign, attempt(), CLASSIFIED))
    text = generate_latest(metrics.registry).decode()
    assert 'provider="other"' in text
    if foreign:
        assert foreign not in text


@pytest.mark.parametrize("rule", ["No Such Rule", "a@b", "x" * 65, "", "é"])
def test_a_rule_that_is_no_id_is_other(rule: str) -> None:
    metrics = new_metrics()
    made = Classification(
        CLASSIFIED.category, CLASSIFIED.scope, CLASSIFIED.action, rule, confidence=0.5
    )
    metrics.on_event(events.Attempted(NOW, ID, 0, WHO, "gmail", attempt(), made))
    rules = {dict(labels).get("rule") for _, labels in scraped(metrics)} - {None}
    assert rules == {"other"}


def test_reasons_are_bounded() -> None:
    metrics = new_metrics()
    for n in range(MAX_WORDS + 50):
        metrics.on_event(events.Refused(NOW, SOURCE, "mail", 554, f"r{n}"))
    found = {labels: v for (name, labels), v in scraped(metrics).items() if "refused_t" in name}
    assert len(found) == MAX_WORDS + 1
    assert found[(("reason", "other"),)] == 50


def test_destinations_without_a_provider_stand_together() -> None:
    metrics = new_metrics()
    metrics.snapshot = Snapshot(
        NOW,
        standings=(
            standing(None, "paused", (PER_MINUTE,), 10.0),
            standing(None, "paused", (Rate(5, timedelta(minutes=1)),), 5.0),
            standing(None, "ok"),
            standing("gmail"),
        ),
    )
    found = scraped(metrics)
    other = ("provider", "other")
    assert found["lpse_rate_limit", (other, ("window", "min"))] == 5
    assert found["lpse_rate_now", (other,)] == 15
    assert found["lpse_provider_paused", (other,)] == 1
    assert found["lpse_connections_open", (other,)] == 3
    assert found["lpse_provider_paused", (("provider", "gmail"),)] == 0


def test_the_pause_of_everything_has_its_own_word() -> None:
    metrics = new_metrics()
    everything = (("provider", "all"),)
    assert scraped(metrics)["lpse_provider_paused", everything] == 0
    metrics.snapshot = Snapshot(NOW, standings=(standing("all", "paused", now=0.0),))
    found = scraped(metrics)
    assert found["lpse_provider_paused", everything] == 1
    assert found["lpse_rate_now", everything] == 0
    assert ("lpse_connections_open", everything) not in found
    assert ("lpse_provider_paused", (("provider", "other"),)) not in found


def test_a_reload_may_name_another_provider() -> None:
    metrics = new_metrics()
    assert metrics.provider("zimbra") == "other"
    metrics.set_providers(["zimbra"])
    assert metrics.provider("zimbra") == "zimbra"
    assert metrics.provider(None) == "other"
