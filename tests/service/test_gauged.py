"""What gauges are made of: destinations, and no domain that a reaction paused within one."""

from __future__ import annotations

from pathlib import Path

from relay.clock import SystemClock
from relay.config import load
from relay.mail.ids import Ids
from relay.service.build import Road
from relay.store.memory import MemoryStore
from tests.service.house import GMAIL
from tests.shaping.house import DEAD

REACTION = """
reactions:
  - id: kampus.rest
    provider: gmail
    pattern: "no such user"
    action: pause 2h
    scope: domain
    samples: ["550 5.1.1 no such user"]
"""


def test_a_domains_pause_is_no_destinations(tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text("hostname: relay.lpse.example.go.id\nlab: true\n" + REACTION)
    road = Road(load(file), MemoryStore(), SystemClock(), Ids(), lambda event: None)
    now = road.scheduler.steady.now()
    road.shaper.feedback(GMAIL, DEAD, "550 5.1.1 no such user", now, domain="kampus.example.ac.id")
    assert [one.key for one in road.paused()] == ["@kampus.example.ac.id"]
    assert {one.key: one.state for one in road.each_standing()} == {"gmail": "ok"}
