"""Providers by the control socket: how each stands, and how it is paused and goes on."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from relay.control import ControlError
from relay.lab.virtual_time import VirtualClock, run
from relay.mail.events import Paused, Resumed
from relay.mail.instant import HOUR, MINUTE
from relay.service.commands import GOODBYES
from relay.service.overview import STANDINGS
from relay.shaping.destination import Destination, Profile
from relay.shaping.directives import PauseFor
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.store.base import StoreError
from tests.service.house import GMAIL, SITE, House
from tests.shaping.house import DEAD

PROFILE: Final = Profile("default")


async def test_providers_have_the_fixed_shape_and_why_for_people(house: House) -> None:
    await house.put("a@gmail.com", "b@kampus.example.ac.id", "c@x.id")
    house.clock.at += 90_000
    assert house.shaper.connect(GMAIL, house.clock.at) is None
    (row,) = (await house.ask("providers"))["providers"]
    assert row == {
        "provider": "gmail",
        "state": "ok",
        "paused_until": None,
        "limits": ["20/min", "1500/day"],
        "rate_now": house.shaper.standings(house.clock.at)[0].rate_now,
        "queued": 2,
        "oldest_s": 89,
        "last_reply": "",
        "why": "",
    }


async def test_a_pause_is_kept_told_and_ended(house: House) -> None:
    assert house.shaper.connect(GMAIL, house.clock.at) is None
    answer = await house.ask("pause", provider=" Gmail ", reason="Google asks for it")
    assert answer == {"said": "gmail is paused until `resume`"}
    (row,) = (await house.ask("providers"))["providers"]
    assert (row["state"], row["paused_until"], row["rate_now"]) == ("paused", None, 0)
    assert row["why"] == "siti: Google asks for it"
    assert "paused" in (await house.store.load_shaping())["state:gmail"]
    assert house.deliveries.asked == ["recall all", "nudge"]
    assert house.deliveries.hung_up == [["gmail"]]
    assert await house.ask("resume", provider="gmail", reason="done") == {
        "said": "gmail goes on",
        "resumed": ["gmail"],
    }
    assert [type(event) for event in house.events] == [Paused, Resumed]
    assert [row[1:3] for row in house.store.audits] == [("siti", "pause"), ("siti", "resume")]
    with pytest.raises(ControlError, match="gmail was not paused"):
        await house.ask("resume", provider="gmail", reason="again")


async def test_everything_can_be_paused(house: House) -> None:
    await house.ask("pause", provider="*", reason="maintenance")
    assert house.shaper.is_paused("gmail", house.clock.at)
    answer = await house.ask("resume", provider="*", reason="done")
    assert answer == {"said": "everything goes on", "resumed": []}
    for name in ("gmail", "*"):
        await house.ask("pause", provider=name, reason="maintenance")
    assert await house.ask("resume", provider="*", reason="done") == {
        "said": "everything goes on, and so do gmail",
        "resumed": ["gmail"],
    }
    assert not house.shaper.is_paused("gmail", house.clock.at)
    told = [event.destination for event in house.events if isinstance(event, Resumed)]
    assert told == ["*", "*", "gmail"]
    assert len(house.store.audits) == 5


async def test_a_pause_of_everything_ends_the_sessions_of_all() -> None:
    house = House()
    for to in (GMAIL, SITE):
        assert house.shaper.connect(to, house.clock.at) is None
    assert house.shaper.connect(SITE, house.clock.at) is None
    house.shaper.disconnected(GMAIL, house.clock.at)
    await house.ask("pause", provider="dinas.example.go.id", reason="they move")
    await house.ask("pause", provider="*", reason="maintenance")
    assert house.deliveries.hung_up == [[SITE.key]] * 2


async def test_sessions_end_even_where_the_pause_could_not_be_kept(house: House) -> None:
    house.deliveries.fails = True
    with pytest.raises(StoreError):
        await house.ask("pause", provider="gmail", reason="Google asks for it")
    assert house.shaper.is_paused("gmail", house.clock.at)
    assert house.deliveries.hung_up == [["gmail"]]


def test_a_pause_does_not_wait_for_a_host_that_says_no_goodbye() -> None:
    async def main(clock: VirtualClock) -> None:
        house = House()
        house.deliveries.never_ends = True
        assert await house.ask("pause", provider="gmail", reason="quiet")
        assert clock.monotonic() == GOODBYES

    run(main)


def reacted(house: House) -> None:
    """A reaction has paused one of Gmail's domains."""
    rule = Reaction("kampus.rest", (PauseFor(HOUR),), Trigger(1, MINUTE), is_of_domain=True)
    house.shaper.use(PauseSettings(), lambda domain: (), {"gmail"}, (), (rule,))
    told = house.shaper.feedback(
        GMAIL, DEAD, "550 5.1.1 no", house.clock.at, domain="kampus.example.ac.id"
    )
    assert [type(event) for event in told] == [Paused]


@pytest.mark.parametrize("name", ["kampus.example.ac.id", "@kampus.example.ac.id"])
async def test_a_domain_that_a_reaction_paused_is_shown_and_let_go(name: str) -> None:
    house = House()
    await house.put("b@kampus.example.ac.id", "a@gmail.com")
    assert house.shaper.connect(GMAIL, house.clock.at) is None
    reacted(house)
    domain, gmail = (await house.ask("providers"))["providers"]
    assert (domain["provider"], domain["state"]) == ("@kampus.example.ac.id", "paused")
    assert (domain["queued"], domain["why"]) == (1, "the reaction kampus.rest")
    assert domain["paused_until"] is not None
    assert (gmail["provider"], gmail["state"], gmail["queued"]) == ("gmail", "ok", 2)
    answer = await house.ask("resume", provider=name, reason="they mended it")
    assert answer["resumed"] == ["@kampus.example.ac.id"]
    assert house.shaper.peek(GMAIL, "kampus.example.ac.id", 1, house.clock.at) is None
    (row,) = (await house.ask("providers"))["providers"]
    assert row["provider"] == "gmail"
    (resumed,) = [event for event in house.events if isinstance(event, Resumed)]
    assert resumed.destination == "@kampus.example.ac.id"


async def test_a_domain_is_paused_by_its_destination(house: House) -> None:
    reacted(house)
    with pytest.raises(ControlError, match="only `resume` knows @kampus"):
        await house.ask("pause", provider="@kampus.example.ac.id", reason="x")
    await house.ask("pause", provider="kampus.example.ac.id", reason="x")
    assert house.shaper.is_paused("gmail", house.clock.at)


@pytest.mark.parametrize("command", ["providers", "resume"])
async def test_ten_thousand_destinations_are_looked_at_a_few_at_a_time(command: str) -> None:
    house = House()
    for n in range(1_000):
        assert house.shaper.connect(Destination(f"mx{n}", PROFILE), house.clock.at) is None
    await house.ask("pause", provider="gmail", reason="x")
    asking = asyncio.create_task(house.ask(command, provider="gmail", reason="x"))
    turns = 0
    while not asking.done():
        await asyncio.sleep(0)
        turns += 1
    await asking
    assert turns >= 1_000 // STANDINGS


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"provider": "gmial", "reason": "x"}, r"'gmial' \(did you mean gmail\?\): see `lpse"),
        ({"provider": "gmail", "reason": ""}, "a reason is needed"),
    ],
)
async def test_a_pause_that_cannot_be(house: House, params: dict[str, str], says: str) -> None:
    with pytest.raises(ControlError, match=says):
        await house.ask("pause", **params)
    assert house.store.audits == []
