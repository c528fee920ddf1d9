"""How many copies of one letter go to one provider, as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping

from relay.shaping.destination import Destination
from relay.transports.base import Job
from relay.transports.siblings import AGAIN, KEPT, Siblings
from tests.transports.house import PROFILE, job, route


class Letters:
    """Letters with 30 recipients, and how often they were counted."""

    def __init__(self, **domains: int) -> None:
        self.domains = {name.replace("_", "."): count for name, count in domains.items()}
        self.asked: list[int] = []

    async def domains_of(self, message_id: int) -> Mapping[str, int]:
        self.asked.append(message_id)
        return self.domains


class Stopped:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> int:
        return int(self.at * 1000)


def one(key: str, message_id: int = 7, recipients: int = 30) -> Job:
    where = route(destination=Destination(key, PROFILE))
    return job(where, id=message_id, recipients=recipients)


async def test_only_those_at_the_same_provider_count() -> None:
    known = {"gmail.com": "gmail", "a.example": "gmail", "yahoo.com": "yahoo", "b.example": "b"}
    letters = Letters(gmail_com=12, a_example=4, yahoo_com=10, b_example=4)
    siblings = Siblings(letters, known.get, Stopped())
    assert await siblings.of(one("gmail")) == 16
    assert await siblings.of(one("yahoo")) == 10
    assert await siblings.of(one("b")) == 4
    assert letters.asked == [7]


async def test_what_is_not_known_yet_counts_until_it_is() -> None:
    known = {"gmail.com": "gmail"}
    clock = Stopped()
    siblings = Siblings(Letters(gmail_com=12, a_example=4), known.get, clock)
    assert await siblings.of(one("gmail")) == 16
    known["a.example"] = "a"
    assert await siblings.of(one("gmail")) == 16
    clock.at += AGAIN
    assert await siblings.of(one("gmail")) == 12
    known["a.example"] = "gmail"
    clock.at += 10 * AGAIN
    assert await siblings.of(one("gmail")) == 12


async def test_a_single_recipient_is_not_counted_and_old_letters_are_forgotten() -> None:
    letters = Letters(gmail_com=2)
    siblings = Siblings(letters, {"gmail.com": "gmail"}.get, Stopped())
    assert await siblings.of(one("gmail", recipients=1)) == 1
    assert letters.asked == []
    for message_id in range(KEPT + 1):
        assert await siblings.of(one("gmail", message_id)) == 2
    assert await siblings.of(one("gmail", KEPT)) == 2
    assert await siblings.of(one("gmail", 0)) == 2
    assert letters.asked == [*range(KEPT + 1), 0]
