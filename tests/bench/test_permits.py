"""The bench of permits: it measures what it says, and its exit code tells a missed mark."""

from __future__ import annotations

import json

import pytest

from relay.mail.urgency import Urgency
from tests.bench import permits
from tests.bench.permits import BATCH, DOMAIN, main, road


def test_a_letter_meets_the_limits_of_provider_site_and_domain() -> None:
    made = road()
    made.set_aside()
    assert {made.admit() for _ in range(BATCH - 1)} == {None}
    found = made.shaper.explain(made.destination, DOMAIN, made.now, Urgency.TRANSAKSI)
    assert len(found.bounds) == 6 and {one.used for one in found.bounds} == {BATCH - 1}


def test_a_missed_mark_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = {"admit": 9.0, "feedback: accepted": 11.0}
    monkeypatch.setattr(permits, "measured", lambda count: costs)
    assert main([]) == 1
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["met", "MISSED"]
    costs["feedback: accepted"] = 10.0
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"us": costs, "mark": 10.0}


def test_all_cases_are_played() -> None:
    found = permits.measured(1)
    assert set(found) >= {"admit", "feedback: accepted", "feedback: no such user"}
