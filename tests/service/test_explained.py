"""What `explain` says of the line, of connections and of pauses: no number that cannot be known."""

from __future__ import annotations

from relay.mail.instant import DAY, HOUR, from_iso
from relay.mail.urgency import Urgency
from relay.service.explaining import Explainer
from relay.service.indonesian import in_indonesian
from relay.shaping.base import SHORT
from tests.service.house import GMAIL, SITE, Destinations, House


def explainer(house: House) -> Explainer:
    return Explainer(house.store, house.shaper, Destinations(), house.clock, house.steady)


async def test_a_vendors_own_letter_is_not_before_itself_and_its_class_is_taken() -> None:
    house = House()
    await house.put(*(f"v{n}@gmail.com" for n in range(60)), urgency=Urgency.MASSAL)
    await house.put("Vendor@gmail.com", urgency=Urgency.MENDESAK)
    made = explainer(house)
    told = await made.explain({"recipient": "vendor@gmail.com"}, "siti")
    assert (told["class"], told["ahead"], told["own"], told["position"]) == ("mendesak", 1, 1, 2)
    told = await made.explain({"recipient": "vendor@gmail.com", "class": "massal"}, "siti")
    assert (told["class"], told["ahead"], told["own"], told["position"]) == ("massal", 61, 1, 62)
    told = await made.explain({"recipient": "baru@gmail.com"}, "siti")
    assert (told["class"], told["ahead"], told["own"], told["position"]) == ("massal", 61, 0, 62)


async def test_where_all_connections_are_open_it_waits_for_one() -> None:
    house = House()
    await house.put("a@dinas.example.go.id")
    made = explainer(house)
    commands = house.commands
    commands._why_now = made.why_now
    for n in range(SITE.profile.connections or 0):
        assert made.why_now("dinas.example.go.id", Urgency.MASSAL) == ""
        assert house.shaper.connect(SITE, house.steady()) is None, n
    why = f"2 connections to {SITE.key} are open, as many as may be"
    told = await made.explain({"recipient": "a@dinas.example.go.id"}, "siti")
    assert (told["why"], told["an_hour"]) == (why, None)
    (row,) = (await commands.queue_ls({}, "siti"))["deliveries"]
    assert row["why"] == why
    assert in_indonesian(why).startswith(f"2 sambungan ke {SITE.key} sedang terbuka")


async def test_where_everything_is_paused_none_leaves_and_nobody_knows_until_when() -> None:
    house = House()
    await house.put("a@gmail.com")
    house.shaper.pause("*", None, "siti", house.clock.at)
    told = await explainer(house).explain({"recipient": "a@gmail.com"}, "siti")
    assert (told["state"], told["why"]) == ("paused", "everything is paused: siti")
    assert (told["an_hour"], told["next_at"], told["through_at"]) == (0, None, None)
    house.shaper.resume("*", "siti", house.clock.at)
    house.shaper.pause("*", house.clock.at + HOUR // 2, "siti", house.clock.at)
    told = await explainer(house).explain({"recipient": "a@gmail.com"}, "siti")
    assert (told["state"], told["an_hour"]) == ("paused", 18 * 60)
    assert from_iso(told["next_at"]) == house.clock.at + HOUR // 2
    assert told["through_at"] is not None


async def test_a_full_day_is_no_pause_that_waits_for_resume() -> None:
    house = House()
    to = tuple(f"v{n}@gmail.com" for n in range(30))
    await house.put(*to)
    now = house.steady()
    for n in range(1500):
        at = now - DAY + HOUR // 2 + n * 3100
        while house.shaper.admit(GMAIL, "gmail.com", 1, at) is SHORT:
            house.shaper.set_aside(house.shaper.setting_aside(at), at)
    told = await explainer(house).explain({"recipient": "a@gmail.com"}, "siti")
    assert told["why"] == "the limit of gmail: 1500/day"
    assert from_iso(told["next_at"]) - house.clock.at == HOUR // 2 + 1
    assert told["through_at"] is not None
