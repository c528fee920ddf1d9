"""A provider costs little: hundreds of runs of many thousand letters follow one another."""

from __future__ import annotations

import time

import pytest

from relay.lab.quotas import MODELS, address, draw
from relay.mail.delivery import FailureKind
from relay.mail.instant import SECOND
from tests.lab.quotas.house import LENGTH, START, Sender

LETTERS = 4_000
PART = 1_000
ROOM = 60e-6  # seconds a letter; measured: 2–9 µs


@pytest.mark.parametrize("gap", [9 * SECOND, SECOND], ids=["slow", "storm"])
@pytest.mark.parametrize("model", MODELS)
def test_a_letter_s_road_is_short(model: str, gap: int) -> None:
    found = draw(model, "fall", 7, START - 10 * LENGTH, LENGTH)  # what is down is up again
    sender = Sender(found)
    tries = []
    for n in range(LETTERS):
        to = address(found, n)
        host = sender.host(to.rpartition("@")[2])
        session, answer = sender.dial(START, host)
        assert not isinstance(answer, FailureKind)
        sender.hang_up(session, START, host)
        tries.append(sender.tried(session, to))
    took = []
    for first in range(0, LETTERS, PART):  # a look of the collector through all else is in one
        began = time.process_time()
        for n, tried in enumerate(tries[first : first + PART], first):
            now = START + n * gap
            if found.mail(tried, now) is None and found.rcpt(tried, now) is None:
                found.end(tried, now)
        took.append(time.process_time() - began)
    assert min(took) / PART < ROOM
