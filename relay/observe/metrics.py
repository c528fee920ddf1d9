"""Metrics: events counted, and what the sampler saw, in a registry of our own.

Nothing is asked of the store while Prometheus scrapes: gauges come from the last `Snapshot`, which
the sampler renews every 15 s at most. Labels are bounded: `provider` is a shipped or configured
name, `other`, or `all` for the pause of everything, never a foreign domain; `rule` is a rule's id;
`reason` and an alert's `name` are our own words, and past a number of them `other`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relay.mail import events
from relay.mail.events import Event
from relay.mail.instant import Instant
from relay.observe.snapshot import NOTHING_YET, Snapshot

OTHER: Final = "other"
ALL: Final = "all"  # the pause of everything
UNSIGNED: Final = "dkim: unsigned"  # how the note of a letter without a key begins
MAX_WORDS: Final = 500  # distinct values of a label that our own rules and filters fill
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")
_COMMIT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_DKIM: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)
_OUTCOMES: Final[dict[type[Event], str]] = {
    events.Delivered: "delivered",
    events.Deferred: "deferred",
    events.Bounced: "bounced",
    events.Expired: "expired",
    events.Suppressed: "suppressed",
    events.Held: "held",
    events.Released: "released",
    events.Removed: "removed",
}


class Metrics:
    """One instance a process. `on_event` is called from the loop's thread and never raises."""

    def __init__(self, providers: Collection[str], log_dropped: Callable[[], int]) -> None:
        """`providers`: the shipped and configured names; `log_dropped`: see EventLog.dropped."""
        # When a series began says nothing here, and doubles their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.snapshot = NOTHING_YET
        self.is_config_fresh, self.config_loaded_at = True, 0
        self._providers = frozenset(providers)
        self._rules, self._reasons, self._alerts = _Words(), _Words(), _Words()
        self._counted = _Counters(self.registry)
        self._commit = Histogram(
            "lpse_commit_seconds",
            "Time of a group commit that waited for the disk (leases alone do not)",
            buckets=_COMMIT,
            registry=self.registry,
        )
        self._dkim = Histogram(
            "lpse_dkim_seconds", "Time to sign a letter", buckets=_DKIM, registry=self.registry
        )
        self.registry.register(_Gauges(self, log_dropped))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def set_providers(self, providers: Collection[str]) -> None:
        """After a reload."""
        self._providers = frozenset(providers)

    def config_loaded(self, at: Instant) -> None:
        """A configuration counts from now on: at the start, or by a reload."""
        self.is_config_fresh, self.config_loaded_at = True, at

    def config_refused(self) -> None:
        """The last reload had a fault; what counts is older than the file."""
        self.is_config_fresh = False

    def commit_seconds(self, durations: Iterable[float]) -> None:
        """Durations of synced commits since the last call."""
        for duration in durations:
            self._commit.observe(duration)

    def dkim_seconds(self, duration: float) -> None:
        """One signature's time."""
        self._dkim.observe(duration)

    def alert_told(self, way: str, outcome: str, count: int = 1) -> None:
        """What became of alerts on a way; `way` is a label of `alerts:`."""
        self._counted.told.labels(way, outcome).inc(count)

    def provider(self, name: str | None) -> str:
        """The label of a provider's name: itself where it is one of ours, else `other`."""
        return name if name is not None and (name in self._providers or name == ALL) else OTHER

    def on_event(self, event: Event) -> None:
        """Count it."""
        match event:
            case events.Received():
                self._counted.received.inc()
                self._counted.recipients.inc(event.recipients)
                self._counted.octets.inc(event.size)
                self._counted.unsigned.inc(any(note.startswith(UNSIGNED) for note in event.notes))
            case events.Refused():
                self._counted.refused.labels(self._reasons.bounded(event.reason)).inc()
            case events.Attempted():
                self._replied(event)
            case events.Returned():
                self._counted.returns.labels(self._reasons.bounded(event.outcome)).inc()
            case events.Alert():
                self._counted.raised.labels(self._alerts.bounded(event.name)).inc()
            case events.Paused() | events.Resumed():
                pass  # the snapshot's gauge says it
            case _:
                provider = self.provider(getattr(event, "provider", None))
                count = getattr(event, "count", 1)
                self._counted.deliveries.labels(provider, _OUTCOMES[type(event)]).inc(count)

    def _replied(self, event: events.Attempted) -> None:
        made = event.classification
        if made is None:
            return  # accepted: counted as delivered
        self._counted.replies.labels(
            self.provider(event.provider),
            made.category.value,
            made.scope.value,
            self._rules.bounded(made.rule),
        ).inc()


class _Counters:
    """What events are counted in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, words: str, labels: Collection[str] = ()) -> Counter:
            return Counter(name, words, tuple(labels), registry=registry)

        self.received = counter("lpse_received", "Letters accepted")
        self.recipients = counter("lpse_received_recipients", "Recipients of accepted letters")
        self.unsigned = counter("lpse_unsigned", "Accepted letters that no DKIM key signs")
        self.octets = counter("lpse_received_bytes", "Octets of accepted letters")
        self.refused = counter("lpse_refused", "Refusals at the door", ["reason"])
        self.deliveries = counter(
            "lpse_deliveries",
            "What came of deliveries; deferred counts each time",
            ["provider", "outcome"],
        )
        self.replies = counter(
            "lpse_replies",
            "Replies and failures of destinations, as understood",
            ["provider", "category", "scope", "rule"],
        )
        self.returns = counter(
            "lpse_returns",
            "What came back by the return path: late reports, and what was refused or kept",
            ["outcome"],
        )
        self.raised = counter("lpse_alerts_raised", "Alerts said", ["name"])
        self.told = counter(
            "lpse_alerts",
            "Alerts by way: messages delivered or failed; alerts suppressed (summed up in a later"
            " message) or unlisted (only counted there)",
            ["way", "outcome"],
        )


class _Words:
    """Keeps a label's values few: the first `MAX_WORDS` that look like a word of ours."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def bounded(self, word: str) -> str:
        if word in self._seen:
            return word
        if len(self._seen) >= MAX_WORDS or not _WORD.fullmatch(word):
            return OTHER
        self._seen.add(word)
        return word


class _Gauges(Collector):
    """Shows the last snapshot. Destinations that are no provider stand together as `other`:
    depths, rates and connections as sums, ages as the oldest, limits as the lowest, and
    they count as paused while one of them pauses. The pause of everything is `all`."""

    def __init__(self, metrics: Metrics, log_dropped: Callable[[], int]) -> None:
        self._metrics = metrics
        self._log_dropped = log_dropped

    def collect(self) -> Iterator[Metric]:
        seen = self._metrics.snapshot
        yield from self._queue(seen)
        yield from self._standings(seen)
        for name, words, value in (
            ("lpse_loop_lag_seconds", "The longest the loop was late lately", seen.loop_lag),
            ("lpse_loop_tasks", "Tasks of the loop", seen.loop_tasks),
            ("lpse_wal_bytes", "Size of the write-ahead log", seen.wal_bytes),
            ("lpse_inbox_rows", "Letters in all inboxes", seen.inbox_rows),
            ("lpse_sessions_open", "Sessions open at the door", seen.sessions_open),
            ("lpse_workers", "Workers that take letters, where `workers` is set", seen.workers),
            ("lpse_disk_free_bytes", "Free octets on the store's disk", seen.disk_free),
            (
                "lpse_config_last_reload_ok",
                "0 after a refused reload: an older configuration counts",
                int(self._metrics.is_config_fresh),
            ),
            (
                "lpse_config_loaded_at_seconds",
                "When the configuration that counts was loaded",
                self._metrics.config_loaded_at / 1000,
            ),
            ("lpse_sampled_timestamp_seconds", "When these gauges were sampled", seen.at / 1000),
        ):
            yield GaugeMetricFamily(name, words, value=value)
        yield CounterMetricFamily(
            "lpse_log_dropped", "Log lines that were lost", value=self._log_dropped()
        )

    def _queue(self, seen: Snapshot) -> Iterator[Metric]:
        depth: dict[tuple[str, str], int] = {}
        waiting: dict[tuple[str, str], int] = {}
        oldest: dict[str, float] = {}
        for part in seen.depths:
            label = self._metrics.provider(part.provider)
            key = (label, part.state.word)
            depth[key] = depth.get(key, 0) + part.count
            if part.reason:
                waiting[label, part.reason] = waiting.get((label, part.reason), 0) + part.count
            age = max(0, seen.at - part.oldest_at) / 1000
            oldest[label] = max(oldest.get(label, 0.0), age)
        yield _family(
            "lpse_queue_deliveries", "Unfinished deliveries", ("provider", "state"), depth
        )
        yield _family(
            "lpse_waiting_deliveries",
            "Unfinished deliveries by what they wait for",
            ("provider", "reason"),
            waiting,
        )
        yield _family(
            "lpse_queue_oldest_seconds",
            "Age of the oldest unfinished delivery",
            ("provider",),
            {(label,): age for label, age in oldest.items()},
        )

    def _standings(self, seen: Snapshot) -> Iterator[Metric]:
        limits: dict[tuple[str, str], int] = {}
        rates: dict[tuple[str], float] = {}
        paused: dict[tuple[str], int] = {(ALL,): 0}
        connections: dict[tuple[str], int] = {}
        for standing in seen.standings:
            label = self._metrics.provider(standing.provider)
            one = (label,)
            for rate in standing.limits:
                key = (label, str(rate).partition("/")[2])
                limits[key] = min(limits.get(key, rate.count), rate.count)
            if standing.rate_now is not None:
                rates[one] = rates.get(one, 0.0) + standing.rate_now
            paused[one] = max(paused.get(one, 0), int(standing.state == "paused"))
            if label != ALL:
                connections[one] = connections.get(one, 0) + standing.connections_open
        both = ("provider", "window")
        yield _family("lpse_rate_limit", "RCPTs allowed in a window", both, limits)
        yield _family("lpse_rate_now", "RCPTs a minute at most, now", both[:1], rates)
        yield _family("lpse_provider_paused", "1 while nothing is sent", both[:1], paused)
        yield _family("lpse_connections_open", "Connections to a provider", both[:1], connections)


def _family(name: str, words: str, labels: Collection[str], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=list(labels))
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
