"""What the control socket answers about fuses: the shape, both decisions, what is refused."""

from __future__ import annotations

import pytest

from relay.control import ControlError
from relay.mail.delivery import State
from relay.mail.events import Bounced, Released
from relay.mail.instant import HOUR, iso
from relay.scheduler import deciding
from relay.store.base import Selector
from tests.service.fused import Fused


@pytest.fixture
def fused() -> Fused:
    return Fused()


async def states(fused: Fused) -> dict[State, int]:
    found: dict[State, int] = {}
    for record in fused.store._records.values():
        if record.in_inbox:
            found[record.delivery.state] = found.get(record.delivery.state, 0) + 1
    return found


async def test_ls_has_the_fixed_shape(fused: Fused) -> None:
    assert await fused.ask("fuse.ls") == {"fuses": []}
    await fused.blow()
    assert await fused.ask("fuse.ls") == {
        "fuses": [
            {
                "fuse": "gmail",
                "state": "blown",
                "blown_at": iso(fused.clock.at),
                "held": 3,
                "pending": 29,
                "addresses": 0,
                "why": "30 of 30 attempts refused there within an hour as unknown or inactive,"
                " more than is normal",
            }
        ]
    }


async def test_held_ones_are_listed_even_if_the_fuse_is_forgotten(fused: Fused) -> None:
    await fused.blow()
    await fused.store.save_shaping({"fuse:gmail": ""}, fused.clock.at)
    again = Fused(store=fused.store)
    (one,) = (await again.ask("fuse.ls"))["fuses"]
    assert (one["fuse"], one["state"], one["held"], one["pending"]) == ("gmail", "whole", 3, 0)
    assert await again.ask("fuse.requeue", fuse="gmail", reason="x") == {"held": 3, "pending": 0}


async def test_confirm_bounces_what_is_held_with_its_report(
    fused: Fused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "AT_ONCE", 2)
    await fused.blow(held=5)
    answer = await fused.ask("fuse.confirm", fuse="fuse:gmail", reason="daftar lama")
    assert answer == {"held": 5, "pending": 29}
    assert await states(fused) == {State.BOUNCED: 34}
    (owed,) = await fused.store.owed(fused.clock.at + 1)  # the digest tells of them
    assert owed.count == 5
    assert fused.asked == ["recall", "nudge"] * 3
    told = [event for event in fused.events if isinstance(event, Bounced)]
    assert len(told) == 5
    assert told[0].provider == "gmail"
    assert told[0].why.endswith("(held by a fuse; confirmed by siti: daftar lama)")
    assert await fused.ask("fuse.ls") == {"fuses": []}
    assert fused.store.audits[-1][1:4] == ("siti", "fuse.confirm", "fuse:gmail")


async def test_nobody_is_told_who_does_not_want_to_be(fused: Fused) -> None:
    for n in range(31):
        await fused.refused(f"v{n}@gmail.com", sender="")
    await fused.ask("fuse.confirm", fuse="gmail", reason="x")
    assert await fused.store.count(Selector()) == {}


async def test_requeue_brings_back_the_bounces_of_the_hour_too(
    fused: Fused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "AT_ONCE", 10)
    old = await fused.refused("old@gmail.com")
    fused.clock.at += 2 * HOUR
    await fused.blow()
    answer = await fused.ask("fuse.requeue", fuse="gmail", reason="Gmail erred")
    assert answer == {"held": 3, "pending": 29}
    assert await states(fused) == {State.READY: 32, State.BOUNCED: 1}
    assert (await fused.store.find(old.message_id))[0].delivery.state is State.BOUNCED
    told = [event.count for event in fused.events if isinstance(event, Released)]
    assert sum(told) == 32
    (one,) = (await fused.ask("fuse.ls"))["fuses"]
    assert (one["state"], one["held"], one["pending"]) == ("blown", 0, 0)
    assert fused.store.audits[-1][1:4] == ("siti", "fuse.requeue", "fuse:gmail")


async def test_what_an_operator_moved_meanwhile_is_left_alone(fused: Fused) -> None:
    await fused.blow()
    wanted = Selector(recipient="v30@gmail.com")
    await fused.store.change("remove", wanted, "siti", "x", fused.clock.at)
    answer = await fused.ask("fuse.confirm", fuse="gmail", reason="x")
    assert answer["held"] == 2
    assert (await states(fused))[State.REMOVED] == 1


async def test_a_fixed_life_that_is_over_is_not_bounced(fused: Fused) -> None:
    """It expires, and says so."""
    for n in range(31):
        await fused.refused(f"v{n}@gmail.com", life=HOUR, is_fixed=True)
    fused.clock.at += HOUR + 100
    assert (await fused.ask("fuse.confirm", fuse="gmail", reason="x"))["held"] == 0
    assert (await states(fused))[State.HELD] == 2


@pytest.mark.parametrize("what", ["fuse.confirm", "fuse.requeue"])
@pytest.mark.parametrize(
    ("fuse", "reason", "says"),
    [
        ("gmail", " ", "a reason is needed"),
        (" ", "x", "name the fuse"),
        ("gmial", "x", "no fuse 'gmial' has anything to decide; those that have: gmail"),
        ("gmail:content", "x", "no fuse 'gmail:content'"),
    ],
)
async def test_what_cannot_be(fused: Fused, what: str, fuse: str, reason: str, says: str) -> None:
    await fused.blow()
    with pytest.raises(ControlError, match=says):
        await fused.ask(what, fuse=fuse, reason=reason)
    assert (await states(fused))[State.HELD] == 3
