"""From what an operator writes to what the store is asked: each value checked and named."""

from __future__ import annotations

from typing import Any

import pytest

from relay.mail import ids
from relay.mail.delivery import State
from relay.mail.urgency import Urgency
from relay.service.selecting import mailbox_key, selector
from relay.store.base import Selector

DOMAINS = {"gmail": {"gmail.com", "kampus.example.ac.id"}}
ID = ids.show(1 << 60)


def read(**given: Any) -> Selector:
    words = {key.rstrip("_"): value for key, value in given.items()}
    return selector(words, lambda name: DOMAINS.get(name, set()))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, Selector()),
        ({"message": ID}, Selector(message_id=1 << 60)),
        ({"message": f" {ID.lower()}.3 "}, Selector(message_id=1 << 60, n=3)),
        ({"subject": " *Tender* "}, Selector(subject=" *Tender* ")),
        ({"class_": "Massal"}, Selector(urgency=Urgency.MASSAL)),
        ({"domain": " Gmail.COM. "}, Selector(domains=frozenset({"gmail.com"}))),
        ({"domain": "bücher.example"}, Selector(domains=frozenset({"xn--bcher-kva.example"}))),
        ({"provider": "GMAIL"}, Selector(domains=frozenset(DOMAINS["gmail"]))),
        ({"provider": "gmail", "domain": "gmail.com"}, Selector(domains=frozenset({"gmail.com"}))),
        ({"provider": "gmail", "domain": "x.id"}, Selector(domains=frozenset())),
        ({"recipient": "Vendor@Example.CO.ID"}, Selector(recipient="vendor@example.co.id")),
        ({"recipient": "a b@C"}, Selector(recipient="a b@c")),
        ({"state": "Held"}, Selector(states=frozenset({State.HELD}))),
    ],
)
def test_a_selector_is_read(given: dict[str, str], meant: Selector) -> None:
    assert read(**given) == meant


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"subjet": "x"}, "unknown selector subjet: one of message, subject"),
        ({"message": "123"}, "not a letter's id: '123'"),
        ({"message": f"{ID}.x"}, "not a recipient's number after the dot"),
        ({"class_": "urgent"}, "unknown class 'urgent': one of kritis"),
        ({"domain": "a b"}, "domain 'a b': there is a space"),
        ({"state": "delivered"}, "unknown state 'delivered': one of ready, waiting, leased, held"),
        ({"domain": ""}, "domain: a text is needed, not ''"),
        ({"subject": "  "}, "subject: a text is needed"),
        ({"recipient": 5}, "recipient: a text is needed, not 5"),
        ({"class_": None}, "class: a text is needed, not None"),
    ],
)
def test_a_value_that_cannot_be_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(**given)


def test_an_address_that_is_no_mailbox_has_the_key_that_the_door_gave_it() -> None:
    assert mailbox_key("Foo") == "foo"
    assert mailbox_key("A.Rekanan@Example.co.id") == "a.rekanan@example.co.id"
