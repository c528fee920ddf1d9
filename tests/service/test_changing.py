"""Changes of the queue: previewed, done, told, audited; what is in flight is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.control import ControlError
from relay.mail.delivery import State
from relay.mail.events import Held, Released, Removed
from relay.store.base import Selector, StoreError
from tests.service.house import DELIVERY_KEYS, House


@pytest.mark.parametrize(
    ("change", "before", "moved", "event"),
    [
        ("hold", State.READY, State.HELD, Held),
        ("release", State.HELD, State.READY, Released),
        ("remove", State.READY, State.REMOVED, Removed),
    ],
)
async def test_a_change_is_previewed_done_told_and_audited(
    house: House, change: str, before: State, moved: State, event: type[Any]
) -> None:
    entry = await house.put("a@gmail.com", "b@gmail.com", subject="Salah", state=before)
    await house.put("c@gmail.com", subject="Benar", state=before)
    wanted = {"subject": "salah"}
    preview = await house.ask("queue.preview", change=change, selector=wanted)
    assert preview["count"] == 2
    assert [list(row) for row in preview["sample"]] == [DELIVERY_KEYS] * 2
    assert {row["state"] for row in preview["sample"]} == {before.word}  # nothing moved yet
    answer = await house.ask("queue.change", change=change, selector=wanted, reason=" salah ")
    assert answer == {"moved": 2, "in_flight": 0}
    rows = await house.store.find(entry.message.id)
    assert {row.delivery.state for row in rows} == {moved}
    (told,) = house.events
    assert isinstance(told, event)
    assert (told.count, told.who) == (2, "siti")
    assert [row[1:3] for row in house.store.audits] == [("siti", change)]
    assert house.deliveries.asked == ["recall all", "nudge"]


async def test_retry_makes_a_waiting_letter_ready(house: House) -> None:
    entry = await house.put("a@gmail.com")
    await house.defer(entry)
    answer = await house.ask(
        "queue.change", change="retry", selector={"domain": "gmail.com"}, reason="DNS mended"
    )
    assert answer == {"moved": 1, "in_flight": 0}
    assert (await house.store.find(entry.message.id))[0].delivery.state is State.READY
    assert house.deliveries.asked[-2:] == ["recall gmail.com", "nudge"]


async def test_what_is_in_flight_is_counted_and_left_alone(house: House) -> None:
    await house.put("a@gmail.com", "b@gmail.com")
    await house.lease("gmail.com")
    answer = await house.ask(
        "queue.change", change="hold", selector={"domain": "gmail.com"}, reason="stop"
    )
    assert answer == {"moved": 1, "in_flight": 1}


async def test_nothing_moved_is_not_told(house: House) -> None:
    answer = await house.ask(
        "queue.change", change="hold", selector={"domain": "x.id"}, reason="stop"
    )
    assert answer == {"moved": 0, "in_flight": 0, "instead": {}}
    await house.put("a@gmail.com")
    again = {"change": "hold", "selector": {"domain": "gmail.com"}}
    assert (await house.ask("queue.change", **again, reason="stop"))["moved"] == 1
    house.events.clear()
    house.store.audits.clear()
    assert (await house.ask("queue.preview", **again))["instead"] == {"held": 1}
    answer = await house.ask("queue.change", **again, reason="stop")
    assert answer == {"moved": 0, "in_flight": 0, "instead": {"held": 1}}
    assert (house.events, house.store.audits) == ([], [])


async def test_a_look_stops_nothing_and_one_command_does_not_end_anothers_halt(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ask("queue.preview", change="hold", selector={"domain": "x.id"})
    assert house.deliveries.asked == []
    halfway, go_on = asyncio.Event(), asyncio.Event()
    change = house.store.change

    async def slowly(*args: Any) -> Any:
        halfway.set()
        await go_on.wait()
        return await change(*args)

    monkeypatch.setattr(house.store, "change", slowly)
    order: dict[str, Any] = {"change": "hold", "selector": {"domain": "x.id"}, "reason": "r"}
    table = house.commands.table()
    holding = asyncio.ensure_future(table["queue.change"](order, "siti"))
    await halfway.wait()
    pausing = asyncio.ensure_future(table["pause"]({"provider": "gmail", "reason": "r"}, "budi"))
    await asyncio.sleep(0)
    assert "nudge" not in house.deliveries.asked
    go_on.set()
    await asyncio.gather(holding, pausing)
    assert house.deliveries.asked[-1] == "nudge"


@pytest.mark.parametrize("command", ["queue.change", "pause"])
async def test_the_scheduler_is_woken_again_also_where_a_command_fails(
    house: House, command: str
) -> None:
    house.deliveries.fails = True
    with pytest.raises(StoreError, match="disk is full"):
        await house.ask(
            command, change="hold", selector={"domain": "x.id"}, reason="r", provider="gmail"
        )
    assert house.deliveries.asked[-1] == "nudge"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"change": "hold", "selector": {}, "reason": "x"}, "a selector is needed"),
        ({"change": "hold", "selector": {"domain": "x.id"}}, "a reason is needed"),
        ({"change": "hold", "selector": {"domain": "x.id"}, "reason": " "}, "a reason is needed"),
        (
            {"change": "stop", "selector": {"domain": "x.id"}, "reason": "x"},
            "unknown change 'stop'",
        ),
        ({"change": "hold", "selector": ["x"], "reason": "x"}, "a selector is"),
        ({"change": "hold", "selector": {"subject": ""}, "reason": "x"}, "subject: a text"),
        ({"change": "hold", "selector": {"domain": 3}, "reason": "x"}, "domain: a text"),
        ({"change": "hold", "selector": {"subjet": "x"}, "reason": "x"}, "unknown selector subjet"),
    ],
)
async def test_a_change_that_cannot_be_moves_nothing(
    house: House, params: dict[str, Any], says: str
) -> None:
    await house.put("a@x.id")
    with pytest.raises((ControlError, ValueError), match=says):
        await house.ask("queue.change", **params)
    assert await house.store.count(Selector()) == {State.READY: 1}  # all is as it was
