"""Providers by the control socket: how each stands, and how it is paused and goes on."""

from __future__ import annotations

import pytest

from relay.control import ControlError
from relay.mail.events import Paused, Resumed
from tests.service.house import GMAIL, House


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
