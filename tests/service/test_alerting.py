"""The ways built from a configuration: labels, paths beside the file, secrets read."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.config import SourceError
from relay.mail.events import Event
from relay.observe.alerts import Alerts
from relay.observe.command import Command
from relay.observe.mailing import Host, Mailing
from relay.observe.settings import UNASKED
from relay.observe.webhook import Webhook
from relay.service import alerting
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from tests.config.files import GOOD, loaded
from tests.service.house import SITE

ALERTS = """\
alerts:
  - {webhook: "https://hooks.a.id/x", secret_file: secret, every: 5m}
  - {webhook: "http://127.0.0.1:8080/"}
  - {command: [./notify, ops], only: [pause, blocked]}
  - {mail: ops@a.id, via: "smtps://u%40a.id@mail.a.id", password_file: secret}
  - {mail: ops@a.id, via: "smtp://127.0.0.1", from: lpse@a.id}
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  0123456789abcdef \nmore\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "notify").write_text("#!/bin/sh\n")
    (tmp_path / "notify").chmod(0o755)


def test_each_way_as_it_is_written(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD + ALERTS)
    made = alerting.ways(config, SystemClock())
    assert [one.label for one in made] == ["webhook", "webhook-2", "command", "mail", "mail-2"]
    assert [one.every for one in made] == [300_000, *[3_600_000] * 4]
    assert [one.only for one in made] == [UNASKED, UNASKED, ("pause", "blocked"), UNASKED, UNASKED]
    first, second, command, secure, plain = (one.way for one in made)
    assert first == Webhook("https://hooks.a.id/x", "0123456789abcdef")
    assert second == Webhook("http://127.0.0.1:8080/")
    assert isinstance(command, Command)
    assert command.words == (str(tmp_path / "notify"), "ops")
    host = Host("mail.a.id", 465, True, "u@a.id", "0123456789abcdef")
    assert secure == Mailing("ops@a.id", "lpse-relay@relay.lpse.example.go.id", host)
    assert plain == Mailing("ops@a.id", "lpse@a.id", Host("127.0.0.1", 25))


def test_the_same_configuration_makes_the_same_ways(tmp_path: Path) -> None:
    """So that a reload leaves a way alone that stayed as it was."""
    one, two = (alerting.ways(loaded(tmp_path, GOOD + ALERTS), SystemClock()) for _ in range(2))
    assert one == two
    assert len(set(one)) == 5
    (tmp_path / "secret").write_text("another secret of ours\n")
    changed = alerting.ways(loaded(tmp_path, GOOD + ALERTS), SystemClock())
    assert [a == b for a, b in zip(one, changed, strict=True)] == [False, True, True, False, True]


def test_a_secret_that_went_meanwhile_is_a_fault_with_its_line(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD + ALERTS)
    (tmp_path / "secret").unlink()
    with pytest.raises(SourceError, match=r"relay\.yaml:4: alerts\[0\]: .*secret: no such file"):
        alerting.ways(config, SystemClock())


def test_what_a_restart_kept_stands_and_is_told_to_nobody() -> None:
    now = 1_317_712_260_000
    said: list[Event] = []
    shaper = Shaper(PauseSettings(), lambda _: (), is_ramping=False)
    shaper.pause("gmail", None, "siti: quiet", now)
    shaper.connect(SITE, now)
    again = Shaper(PauseSettings(), lambda _: (), is_ramping=False)
    again.restore(shaper.dirty(now), now)
    alerts = Alerts(said.append, SystemClock())
    alerting.remember(alerts, again.standings(now), now)
    (stands,) = alerts.current()
    assert (stands.name, stands.detail) == (
        "pause:gmail",
        "paused until somebody resumes it: siti: quiet",
    )
    assert said == []
