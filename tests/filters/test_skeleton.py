"""How a site tests its own filter: build it, hand it a letter, look at what it proposes."""

from __future__ import annotations

import pytest

from relay.filters.skeleton import EMPTY, Skeleton
from tests.filters.letters import Alerts, head, transaction


async def test_a_letter_with_words_passes() -> None:
    proposal = await Skeleton({}, Alerts()).data(transaction(head() + "\nKepada Yth.\n"))
    assert proposal.verdict is None


async def test_a_letter_without_words_is_refused() -> None:
    alerts = Alerts()
    proposal = await Skeleton({}, alerts).data(transaction(head() + "\n \n"))
    assert proposal.verdict is EMPTY
    assert alerts.told == [("empty_letter", "the application sends letters without text")]


async def test_how_many_words_is_an_option() -> None:
    two = transaction(head() + "\ndua kata\n")
    assert (await Skeleton({"least": "2"}, Alerts()).data(two)).verdict is None
    assert (await Skeleton({"least": 3}, Alerts()).data(two)).verdict is EMPTY


def test_a_bad_option_is_named() -> None:
    with pytest.raises(ValueError, match="least must be a number"):
        Skeleton({"least": "many"}, Alerts())
