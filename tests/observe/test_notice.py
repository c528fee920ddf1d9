"""An event as it is told: its name, its gravity, and nothing in it that a receiver would obey."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import shipped_classifier
from relay.mail.delivery import Failure, FailureKind
from relay.mail.events import Alert, Event, Paused, Resumed
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.observe.notice import (
    MAX_DETAIL,
    Message,
    Notice,
    environment,
    notice_of,
    octets,
    payload,
    subject,
    text,
    trial,
)
from relay.observe.severity import Severity
from relay.shaping.destination import Destination, Profile
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from tests.observe.examples import EVENTS, NOW

HOST = "relay.lpse.example.go.id"


def notice(name: str, detail: str = "x", count: int = 1, at: int = NOW) -> Notice:
    return Notice(at, name, Severity.WARNING, detail, NOW, count)


@pytest.mark.parametrize(
    ("event", "unreached", "name", "severity"),
    [
        (Alert(NOW, "blocked:gmail", "x"), False, "blocked:gmail", Severity.CRITICAL),
        (Alert(NOW, "somebody_s_own", "x"), False, "somebody_s_own", Severity.WARNING),
        (
            Paused(NOW, "gmail", "gmail", NOW, "421 4.7.28 slow"),
            False,
            "pause:gmail",
            Severity.WARNING,
        ),
        (
            Paused(NOW, "gmail", "gmail", NOW, "connection refused"),
            False,
            "out_of_reach:gmail",
            Severity.WARNING,
        ),
        (
            Paused(NOW, "other", "mx.a.id", NOW, "the reaction night: 550 5.7.1 no"),
            False,
            "pause:mx.a.id",
            Severity.WARNING,
        ),
        (
            Paused(NOW, "all", "*", NOW, "gmail, outlook and yahoo refuse us"),
            False,
            "pause:all",
            Severity.WARNING,
        ),
        (
            Paused(NOW, "other", "mx.a.id", NOW, "550 5.7.1 no"),
            False,
            "pause:mx.a.id",
            Severity.WARNING,
        ),
        (
            Paused(NOW, "other", "mx.a.id", NOW, "timed out"),
            False,
            "unreachable:mx.a.id",
            Severity.INFO,
        ),
        (
            Paused(NOW, "other", "mx.a.id", None, "moved", "siti"),
            False,
            "pause:mx.a.id",
            Severity.INFO,
        ),
        (Paused(NOW, "all", "*", None, "moved", "siti"), False, "pause:all", Severity.INFO),
        (Resumed(NOW, "gmail", "gmail", "accepted"), False, "recovered:gmail", Severity.INFO),
        (Resumed(NOW, "other", "mx.a.id", "accepted"), True, "reached:mx.a.id", Severity.INFO),
    ],
)
def test_names_and_gravity(event: Event, unreached: bool, name: str, severity: Severity) -> None:
    made = notice_of(event, unreached)
    assert made is not None
    assert (made.name, made.severity, made.count, made.first_at) == (name, severity, 1, NOW)


def test_nobody_is_told_of_letters() -> None:
    told = [event for event in EVENTS if notice_of(event) is not None]
    assert {type(event) for event in told} == {Alert, Paused, Resumed}


TIMEOUT = Failure(FailureKind.TIMEOUT, "no banner within 30 s", Stage.CONNECT)
TOO_FAST = Reply(421, EnhancedCode(4, 7, 28), "Try again later, rate limited", Stage.MAIL)


@pytest.mark.parametrize(
    ("said", "provider", "name"),
    [
        (TIMEOUT, None, "unreachable:mx.a.id"),
        (TIMEOUT, "yahoo", "out_of_reach:mx.a.id"),
        (TOO_FAST, None, "pause:mx.a.id"),
        (TOO_FAST, "yahoo", "pause:mx.a.id"),
    ],
)
def test_shaping_s_own_pauses_are_told_apart(
    said: Failure | Reply, provider: str | None, name: str
) -> None:
    """Who cannot be reached has refused nothing: by what the real shaper says of both."""
    shaper = Shaper(PauseSettings(), lambda _: (), is_ramping=False)
    site = Destination("mx.a.id", Profile("default"), provider)
    reads = shipped_classifier()
    events: list[Event] = []
    for n in range(4):
        if isinstance(said, Reply):
            events += shaper.feedback(site, reads.classify(said), str(said), NOW + n)
        else:
            events += shaper.feedback(site, reads.classify_failure(said), said.text, NOW + n)
    made = [one.name for event in events if (one := notice_of(event)) is not None]
    assert made == [name]


def test_details_are_cut_masked_and_on_one_line() -> None:
    detail = "a\r\nBcc: x\x1b[31m vendor@example.co.id \u202e " + "y" * 5000
    made = notice_of(Alert(NOW, "x\r\ny", detail))
    assert made is not None
    assert made.name == "x y"
    assert made.detail.startswith("a Bcc: x [31m v…@example.co.id yyy")
    assert len(made.detail) == MAX_DETAIL
    plain = notice_of(Alert(NOW, "x", "vendor@example.co.id"), masked=False)
    assert plain is not None
    assert plain.detail == "vendor@example.co.id"


@given(st.text(), st.text())
def test_any_text_is_told(name: str, detail: str) -> None:
    made = notice_of(Alert(NOW, name, detail))
    assert made is not None
    message = Message(NOW, HOST, (made,))
    assert json.loads(octets(message))["detail"] == made.detail
    assert "\0" not in "".join(environment(message).values())
    assert subject(message).isprintable()
    assert made.detail in text(message)


def test_merged_is_the_later_with_both_counts_as_grave_as_the_graver() -> None:
    first = Notice(NOW, "a", Severity.CRITICAL, "x", NOW - 5, 2)
    both = first.merged(Notice(NOW + 9, "a", Severity.INFO, "y", NOW + 9, 3))
    assert both == Notice(NOW + 9, "a", Severity.CRITICAL, "y", NOW - 5, 5)


def test_one_alert_as_json() -> None:
    shape = payload(Message(NOW, HOST, (notice("pause:gmail", "421 slow"),)))
    assert list(shape) == [
        "at",
        "name",
        "severity",
        "hostname",
        "detail",
        "count",
        "meaning",
        "alerts",
        "unlisted",
    ]
    assert (shape["name"], shape["severity"], shape["count"]) == ("pause:gmail", "warning", 1)
    assert (shape["at"], shape["hostname"]) == ("2011-10-04T07:11:00.000Z", HOST)
    assert shape["meaning"]["en"].startswith("gmail has had enough")
    assert shape["meaning"]["id"].startswith("gmail untuk sementara")
    assert [row["name"] for row in shape["alerts"]] == ["pause:gmail"]


def test_a_digest_names_all_and_what_found_no_room() -> None:
    rows = (notice("pause:gmail", count=3, at=NOW + 60_000), notice("low_disk", "5 octets"))
    message = Message(NOW, HOST, rows, 7)
    shape = payload(message)
    assert (shape["name"], shape["count"], shape["unlisted"]) == ("digest", 11, 7)
    assert shape["detail"] == "11 alerts: pause:gmail ×3, low_disk ×1, and 7 more"
    assert "meaning" not in shape
    assert shape["alerts"][0]["count"] == 3
    assert shape["alerts"][0]["last_at"] == "2011-10-04T07:12:00.000Z"
    assert subject(message) == "[lpse-relay] warning: 11 alerts: pause:gmail, low_disk"
    said = text(message)
    assert "pause:gmail (warning, ×3: 2011-10-04T07:11:00.000Z – 2011-10-04T07:12:00.000Z)" in said
    assert "> 5 octets" in said
    assert "dan 7 lagi / and 7 more" in said
    assert environment(message)["LPSE_ALERT_NAME"] == "digest"


def test_a_trial_says_who_asked() -> None:
    message = trial(NOW, HOST, "siti")
    assert (message.name, message.severity) == ("test", Severity.INFO)
    assert "siti" in message.detail
