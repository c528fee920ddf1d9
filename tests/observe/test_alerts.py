from __future__ import annotations

from relay.filters.base import Alerts as AlertsProtocol
from relay.mail.events import Alert, Event
from relay.mail.instant import HOUR, MINUTE
from relay.observe.alerts import MAX_NAMES, Alerts
from tests.observe.examples import NOW, HandClock


def _alerts() -> tuple[Alerts, list[Event], HandClock]:
    said: list[Event] = []
    clock = HandClock()
    return Alerts(said.append, clock), said, clock


def test_it_is_what_filters_are_handed() -> None:
    alerts: AlertsProtocol = _alerts()[0]
    alerts.alert("a", "b")


def test_the_first_is_said_at_once_the_next_once_an_hour() -> None:
    alerts, said, clock = _alerts()
    alerts.alert("unsigned", "no key for a.example")
    for _ in range(5):
        clock.at += MINUTE
        alerts.alert("unsigned", "no key for b.example")
    assert said == [Alert(NOW, "unsigned", "no key for a.example")]
    clock.at = NOW + HOUR
    alerts.alert("unsigned", "no key for c.example")
    assert said[1:] == [
        Alert(
            NOW + HOUR, "unsigned", "no key for c.example (6 times since 2011-10-04T07:11:00.000Z)"
        )
    ]


def test_names_do_not_silence_each_other() -> None:
    alerts, said, _ = _alerts()
    alerts.alert("a", "x")
    alerts.alert("b", "y")
    assert [event.name for event in said if isinstance(event, Alert)] == ["a", "b"]


def test_after_an_hour_of_silence_it_begins_anew_and_counts_what_was_unsaid() -> None:
    alerts, said, clock = _alerts()
    alerts.alert("a", "x")
    alerts.alert("a", "x")
    clock.at += 2 * HOUR
    alerts.alert("a", "x")
    assert [event.detail for event in said if isinstance(event, Alert)] == [
        "x",
        "x (1 times since 2011-10-04T07:11:00.000Z)",
    ]
    assert alerts.current()[0].count == 1


def test_current_and_clear() -> None:
    alerts, said, clock = _alerts()
    alerts.alert("a", "x")
    clock.at += MINUTE
    alerts.alert("b", "y")
    assert [raised.name for raised in alerts.current()] == ["b", "a"]
    alerts.clear("b")
    assert [raised.name for raised in alerts.current()] == ["a"]
    alerts.alert("b", "again")
    assert len(said) == 3
    clock.at += HOUR
    assert alerts.current() == []


def test_names_are_bounded() -> None:
    alerts, _, _ = _alerts()
    for n in range(MAX_NAMES + 10):
        alerts.alert(f"a{n}", "x")
    assert len(alerts.current()) == MAX_NAMES
    assert alerts.current()[-1].name == "a10"
