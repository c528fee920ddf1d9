"""The list through the control socket: what is shown, and what a hand changes."""

from __future__ import annotations

from typing import Any

import pytest

from relay.control import ControlError
from relay.mail.delivery import Bounced
from relay.mail.instant import DAY, iso
from relay.mail.strike import Cause, Listed
from relay.mail.urgency import Urgency
from relay.service.suppressing import PAGE, SuppressionCommands
from relay.store.base import Settlement
from relay.suppression import SuppressionSettings
from tests.service.house import House
from tests.store.contract_suppressing import struck
from tests.store.letters import NO_USER, UNKNOWN, attempt

V = "vendor@example.co.id"


async def ls(house: House, **params: Any) -> list[dict[str, Any]]:
    return (await house.ask("suppression.ls", **params))["rows"]  # type: ignore[no-any-return]


async def one_of_each(house: House) -> None:
    """Dead, dead long ago, in doubt, refused once, complaining, and listed by hand."""
    now = house.clock.now()
    await house.store.strike(
        struck(now, address="a@x.id", is_documented=True),
        struck(now - 200 * DAY, address="b@x.id", is_documented=True),
        struck(now, address="c@x.id", is_documented=True, pending="fuse:gmail"),
        struck(now, address="d@x.id"),
        struck(now, address="e@x.id", cause=Cause.COMPLAINT, source="complaint"),
    )
    await house.store.enlist([Listed("f@x.id", None, "surat", "uid 0", now)], "x", "x", now)


async def test_each_state_of_an_address(house: House) -> None:
    await one_of_each(house)
    now = house.clock.now()
    found = await ls(house)
    assert [(one["address"][0], one["state"]) for one in found] == [
        ("a", "in_force"),
        ("b", "due"),
        ("c", "pending"),
        ("e", "in_force"),
        ("f", "in_force"),
    ]
    assert [one["keeps_away"] for one in found] == ["all", "all", "all", "massal", "all"]
    assert found[0] == {
        "address": "a@x.id",
        "state": "in_force",
        "reason": "unknown_user",
        "rule": "gmail-5.1.1",
        "count": 1,
        "first_at": iso(now),
        "last_at": iso(now),
        "since": iso(now),
        "until_at": iso(now + 180 * DAY),
        "keeps_away": "all",
        "note": "",
        "who": "",
    }
    assert found[4]["reason"] == "by_hand"
    assert (found[4]["note"], found[4]["who"], found[4]["until_at"]) == ("surat", "uid 0", None)
    noted = [one["address"] for one in await ls(house, all=True) if one["state"] == "noted"]
    assert noted == ["d@x.id"]
    assert [one["keeps_away"] for one in await ls(house, all=True)] == [
        *("all", "all", "all", "none", "massal", "all")
    ]
    assert [one["address"] for one in await ls(house, reason="complaint")] == ["e@x.id"]
    assert await ls(house, domain="y.id") == []
    with pytest.raises(ControlError, match="reason 'x': one of unknown_user"):
        await ls(house, reason="x")


async def test_an_expired_row_by_hand_is_only_noted(house: House) -> None:
    now = house.clock.now()
    row = Listed("f@x.id", None, "surat", "uid 0", now - 2 * DAY, now - DAY)
    await house.store.enlist([row], "x", "x", now)
    assert await ls(house) == []
    (one,) = await ls(house, all=True)
    assert (one["state"], one["since"]) == ("noted", None)


async def test_it_comes_in_pages(house: House) -> None:
    names = [f"v{n:04}@x.id" for n in range(PAGE + 1)]
    await house.store.strike(*(struck(address=name) for name in names))
    first = await house.ask("suppression.ls", all=True)
    second = await house.ask("suppression.ls", all=True, after=first["next"])
    assert [one["address"] for one in first["rows"] + second["rows"]] == names
    assert second["next"] is None


async def test_an_address_is_shown_with_what_it_means(house: House) -> None:
    now = house.clock.now()
    await house.store.strike(struck(now, address="budi@gmial.com", is_documented=True))
    found = await house.ask("suppression.show", address="Budi@GMIAL.com")
    assert found["address"] == "budi@gmial.com"
    assert found["by_class"]["kritis"] == "sent: kritis is tried once whatever the list says"
    assert found["by_class"]["massal"].startswith("not tried: unknown_user since")
    assert found["hints"] == ["budi@gmail.com"]
    (strike,) = found["strikes"]
    assert (strike["rule"], strike["is_documented"]) == ("gmail-5.1.1", True)
    clean = await house.ask("suppression.show", address="nobody@x.id")
    assert (clean["state"], clean["strikes"], clean["by_hand"]) == ("clean", [], None)
    assert set(clean["by_class"].values()) == {"sent"}


async def test_add_and_rm_leave_a_trail(house: House) -> None:
    answer = await house.ask(
        "suppression.add", addresses=[V, "b@x.id"], why="surat", reason="complaint"
    )
    assert answer == {"added": 2}
    assert house.struck == [V, "b@x.id"]
    assert {one["keeps_away"] for one in await ls(house)} == {"massal"}
    answer = await house.ask("suppression.rm", addresses=["B@x.id", "c@x.id"], why="diperbaiki")
    assert answer == {"removed": 1, "unknown": ["c@x.id"]}
    assert [one["address"] for one in await ls(house)] == [V]
    trail = [(who, action, subject, why) for _, who, action, subject, why, _ in house.store.audits]
    assert trail == [
        ("siti", "suppression.add", V, "surat"),
        ("siti", "suppression.add", "b@x.id", "surat"),
        ("siti", "suppression.rm", "b@x.id", "diperbaiki"),
    ]


@pytest.mark.parametrize(
    ("given", "life"),
    [
        ({}, None),
        ({"for": "30d"}, 30),
        ({"reason": "unknown_user"}, 180),
        ({"reason": "inactive_user"}, 180),
        ({"reason": "mailbox_full"}, 14),
        ({"reason": "mailbox_full", "for": "1d"}, 1),
        ({"reason": "complaint"}, None),
    ],
)
async def test_how_long_it_stays(house: House, given: dict[str, Any], life: int | None) -> None:
    await house.ask("suppression.add", addresses=[V], why="surat", **given)
    (one,) = await ls(house)
    until = None if life is None else iso(house.clock.now() + life * DAY)
    assert one["until_at"] == until


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"addresses": []}, "name the address"),
        ({"addresses": [" "]}, "name the address"),
        ({"addresses": ["x"]}, "address 'x': "),
        ({"addresses": [V], "reason": "policy"}, "reason 'policy': one of unknown_user"),
        ({"addresses": [V], "for": "soon"}, "not a duration: 'soon'"),
        ({"addresses": [V], "for": "999999999d"}, "for 999999999d: up to 36500 days"),
        ({"addresses": [V, "x"], "why": "w"}, "address 'x': "),
        ({"addresses": [V], "why": " "}, "a reason is needed"),
    ],
)
async def test_what_cannot_be_added_is_named_and_nothing_is_done(
    house: House, given: dict[str, Any], error: str
) -> None:
    with pytest.raises(ControlError, match=error):
        await house.ask("suppression.add", **({"why": "surat"} | given))
    assert await ls(house, all=True) == []


async def test_an_import_names_what_it_cannot_take_and_does_the_rest(house: House) -> None:
    now = house.clock.now()
    rows: list[dict[str, Any]] = [
        {"row": 2, "address": "a@x.id", "reason": "unknown_user", "first_at": iso(now - 10 * DAY)},
        {"row": 3, "address": "bukan"},
        {"row": 4, "address": "b@x.id", "reason": "blocked"},
        {"row": 5, "address": "c@x.id", "until_at": "2020-01-01"},
        {"row": 6, "address": "d@x.id", "first_at": "kemarin"},
        {"row": 7, "address": "e@x.id", "first_at": iso(now + DAY)},
        {"row": 8, "address": "f@x.id", "first_at": "2025-01-01", "note": "a\n b"},
        {"row": 9, "address": 7},
        {"row": 10, "address": "g@x.id", "reason": "by_hand", "rule": "r"},
    ]
    answer = await house.ask("suppression.import", rows=rows, why="dari Postfix")
    assert answer["added"] == 3
    assert [one["row"] for one in answer["refused"]] == [3, 4, 5, 6, 7, 9]
    assert "first_at 'kemarin': write it like" in answer["refused"][3]["error"]
    found = {one["address"]: one for one in await ls(house)}
    assert found["a@x.id"]["until_at"] == iso(now + 170 * DAY)
    assert found["f@x.id"]["note"] == "a b"
    assert found["g@x.id"]["note"] == "r"
    assert (await house.ask("suppression.import", rows=[], why="w"))["added"] == 0


async def test_a_letter_shows_what_may_have_been_meant(house: House) -> None:
    for to, hints in (("a@gmial.com", ["a@gmail.com"]), ("b@x.id", None)):
        entry = await house.put(to)
        domain = to.rpartition("@")[2]
        now = house.clock.now()
        (leased,) = await house.store.claim([domain], 1, now, now)
        made = attempt(leased, reply=NO_USER, classification=UNKNOWN)
        bounced = Bounced("no such user", UNKNOWN.category)
        await house.store.settle([Settlement(leased, bounced, made)], now)
        (shown,) = (await house.ask("queue.show", id=leased.ref))["deliveries"]
        assert shown.get("hints") == hints
        assert entry.message.id == leased.message_id


async def test_what_explain_is_told_of_the_list(house: House) -> None:
    now = house.clock.now()
    await house.store.strike(struck(now, address=V, is_documented=True))
    commands = SuppressionCommands(
        house.store, house.struck.extend, house.clock, SuppressionSettings
    )
    assert (await commands.not_tried(V, Urgency.MASSAL)).startswith("not tried: unknown_user")
    assert await commands.not_tried(V, Urgency.KRITIS) == ""
    assert await commands.not_tried("b@x.id", Urgency.MASSAL) == ""
