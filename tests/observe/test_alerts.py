from __future__ import annotations

from relay.filters.base import Alerts as AlertsProtocol
from relay.mail.events import Alert, Event, Paused, Resumed
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.observe.alerts import MAX_NAMES, Alerts
from relay.observe.severity import Severity
from tests.observe.examples import NOW, HandClock


def _alerts() -> tuple[Alerts, list[Event], HandClock]:
    said: list[Event] = []
    clock = HandClock()
    return Alerts(said.append, clock), said, clock


def test_it_is_what_filters_are_handed() -> None:
    made, said, _ = _alerts()
    alerts: AlertsProtocol = made
    alerts.alert("a", "b")
    assert [(one.name, one.detail) for one in said if isinstance(one, Alert)] == [("a", "b")]


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


def test_what_others_say_is_heard_and_stands() -> None:
    alerts, said, clock = _alerts()
    alerts.heard(Paused(NOW, "gmail", "gmail", None, "550 5.7.1 blocked"))
    clock.at += MINUTE
    for _ in range(3):
        alerts.heard(Alert(clock.at, "probe_refused:gmail", "still"))
    alerts.heard(Alert(clock.at, "unreadable", "x"))
    clock.at += 5 * HOUR
    stands = [(raised.name, raised.count) for raised in alerts.current()]
    assert stands == [("probe_refused:gmail", 3), ("pause:gmail", 1)]
    assert said == []
    assert alerts.heard(Resumed(clock.at, "gmail", "gmail", "accepted")) is False
    (over,) = alerts.current()
    assert (over.name, over.first_at, over.last_at) == ("recovered:gmail", clock.at, clock.at)
    assert over.detail == (
        "accepted; before, since 2011-10-04T07:11:00.000Z:"
        " pause:gmail: paused until somebody resumes it: 550 5.7.1 blocked"
    )
    clock.at += HOUR
    assert alerts.current() == []


def test_in_the_morning_last_nights_block_is_seen() -> None:
    alerts, said, clock = _alerts()
    alerts.heard(Alert(NOW, "blocked:gmail", "550 5.7.1 \x1bblocked " + "x" * 900))
    alerts.heard(Paused(NOW, "gmail", "gmail", NOW + HOUR, "550 5.7.1 blocked"))
    clock.at += 2 * HOUR
    alerts.heard(Resumed(clock.at, "gmail", "gmail", "accepted"))
    for hours in (0, 23):
        clock.at = NOW + (2 + hours) * HOUR
        (over,) = alerts.current()
        assert over.name == "recovered:gmail"
        assert over.last_at == NOW + 2 * HOUR
        told = "accepted; before, since 2011-10-04T07:11:00.000Z: blocked:gmail: 550 5.7.1 blocked"
        assert over.detail.startswith(told)
        assert len(over.detail) < 400
    clock.at = NOW + 2 * HOUR + DAY
    assert alerts.current() == []
    assert said == []


def test_what_is_paused_again_has_not_recovered() -> None:
    alerts, _, clock = _alerts()
    alerts.heard(Resumed(NOW, "all", "*", "go", "siti"))
    assert [(one.name, one.detail) for one in alerts.current()] == [("recovered:all", "siti: go")]
    alerts.heard(Paused(clock.at, "all", "*", None, "quiet", "siti"))
    assert [one.name for one in alerts.current()] == ["pause:all"]


def test_what_only_could_not_be_reached_is_known_when_it_ends() -> None:
    alerts, _, _ = _alerts()
    alerts.heard(Paused(NOW, "other", "mx.a.id", NOW, "timed out"))
    assert alerts.heard(Resumed(NOW, "other", "mx.b.id", "accepted")) is False
    assert alerts.heard(Resumed(NOW, "other", "mx.a.id", "accepted")) is True
    assert [raised.name for raised in alerts.current()] == ["recovered:mx.b.id"]
    alerts.heard(Paused(NOW, "all", "*", None, "quiet", "siti"))
    assert [raised.name for raised in alerts.current()] == ["pause:all", "recovered:mx.b.id"]
    alerts.heard(Resumed(NOW, "all", "*", "go", "siti"))
    assert alerts.current()[0].name == "recovered:all"


def test_a_provider_out_of_reach_stands_until_it_has_recovered() -> None:
    alerts, _, clock = _alerts()
    alerts.heard(Paused(NOW, "yahoo", "yahoo", NOW, "connection refused"))
    clock.at += 2 * HOUR
    assert [raised.name for raised in alerts.current()] == ["out_of_reach:yahoo"]
    assert alerts.heard(Resumed(clock.at, "yahoo", "yahoo", "accepted")) is False
    (raised,) = alerts.current()
    assert raised.name == "recovered:yahoo"
    assert "out_of_reach:yahoo: paused until" in raised.detail


def test_what_it_says_itself_is_not_heard_twice() -> None:
    clock = HandClock()
    heard: list[bool] = []
    alerts = Alerts(lambda event: heard.append(alerts.heard(event)), clock)
    for _ in range(3):
        alerts.alert("low_disk", "x")
    assert heard == [False]
    assert [raised.count for raised in alerts.current()] == [3]


def test_what_somebody_paused_is_no_warning() -> None:
    alerts, _, _ = _alerts()
    alerts.heard(Paused(NOW, "gmail", "gmail", None, "siti: quiet", "siti"))
    alerts.heard(Paused(NOW, "yahoo", "yahoo", NOW + HOUR, "421 later"))
    assert [(one.name, one.severity) for one in alerts.current()] == [
        ("pause:yahoo", Severity.WARNING),
        ("pause:gmail", Severity.INFO),
    ]
