"""When a provider says that something of ours is not set up, our own check is made anew."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay.mail.events import Alert, Event, Paused
from relay.service.running import COMPARED, Running

ACCUSED = Alert(0, "fix_config:gmail", "550 5.7.26 unauthenticated")


@pytest.mark.parametrize(
    ("event", "ago", "is_made"),
    [
        (ACCUSED, COMPARED + 1, True),
        (ACCUSED, COMPARED - 1, False),
        (ACCUSED, -math.inf, False),  # not even once: it is still starting
        (Alert(0, "blocked:gmail", "listed"), COMPARED + 1, False),
        (Paused(0, "gmail", "gmail", 1, "550 5.7.26"), COMPARED + 1, False),
    ],
)
def test_it_is_made_anew_once_in_a_while(event: Event, ago: float, is_made: bool) -> None:
    made: list[bool] = []
    now = 10_000.0
    relay = SimpleNamespace(
        _clock=SimpleNamespace(monotonic=lambda: now),
        _compared_at=now - ago,
        _compare_keys=lambda: made.append(True),
    )
    Running._look_at_ourselves(cast(Any, relay), event)
    assert bool(made) is is_made
