"""What unfinished deliveries wait for, in one word of a closed list."""

from __future__ import annotations

import pytest

from relay.mail.delivery import State
from relay.mail.instant import MINUTE
from relay.service import reasons
from relay.service.reasons import WORDS, Reasons
from relay.shaping.base import SHORT, Identity
from tests.service.house import Destinations, House
from tests.shaping.house import THROTTLE


def of(house: House, domain: str, state: State = State.READY, count: int = 1) -> str:
    found = Reasons(house.shaper, Destinations(), house.steady).of(domain, state, count)
    assert found in WORDS
    return found


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.WAITING, reasons.RETRY),
        (State.LEASED, reasons.UNDER_WAY),
        (State.HELD, reasons.HOLD),
    ],
)
def test_a_state_says_it(state: State, word: str) -> None:
    assert of(House(), "gmail.com", state) == word


def test_every_unfinished_state_has_a_word() -> None:
    for state in State:
        if not state.is_final:
            assert of(House(), "gmail.com", state, 3)


def test_ready_ones_wait_for_what_shaping_says() -> None:
    house = House()
    assert of(house, "nowhere.example") == "route"
    assert of(house, "gmail.com") == "next"
    assert of(house, "gmail.com", count=1000) == "limit"  # all but the first
    assert of(house, "dinas.example.go.id", count=1000) == "next"
    house.shaper.pause("gmail", None, "siti", house.clock.at)
    assert of(house, "gmail.com", count=1000) == "pause"


def test_a_site_whose_connections_are_all_taken() -> None:
    house = House()
    to = Destinations().last("dinas.example.go.id")
    assert to is not None
    for _ in range(to.destination.profile.connections or 0):
        assert of(house, "dinas.example.go.id") == "next"
        assert house.shaper.connect(to.destination, house.clock.at) is None
    assert of(house, "dinas.example.go.id") == "connections"


def test_letters_of_a_name_that_is_refused_have_a_word_of_their_own() -> None:
    """What the others find open: those that stay are of the name."""
    house = House()
    to = Destinations().last("gmail.com")
    assert to is not None
    us = Identity("", "lpse.example.go.id", "lpse.example.go.id")
    other = Identity("", "blud.example.go.id", "blud.example.go.id")
    for n, one in enumerate((us, other)):
        at = house.clock.at + n * MINUTE
        while house.shaper.admit(to.destination, "gmail.com", 1, at, identity=one) is SHORT:
            house.shaper.set_aside(house.shaper.setting_aside(at), at)
    house.clock.at += 10 * MINUTE
    said = (
        "421 4.7.28 Gmail has detected an unusual rate of email originating from your DKIM domain"
        " [lpse.example.go.id]"
    )
    assert of(house, "gmail.com") == "next"
    house.shaper.feedback(to.destination, THROTTLE, said, house.clock.at, us)
    assert house.shaper.shut_names(to.destination, house.clock.at)
    assert of(house, "gmail.com", count=1000) == "name"
    house.shaper.pause("gmail", None, "siti", house.clock.at)
    assert of(house, "gmail.com", count=1000) == "pause"
