"""What `explain` says of the line, of connections and of pauses: no number that cannot be known."""

from __future__ import annotations

from datetime import timedelta

from relay.cli.explain import _besides, _way
from relay.cli.explain_words import ENGLISH, SPOKEN
from relay.mail.instant import DAY, HOUR, from_iso
from relay.mail.urgency import Urgency
from relay.scheduler.recipients import LIMITED
from relay.service.explaining import Explainer, explained
from relay.service.indonesian import in_indonesian
from relay.shaping import hours
from relay.shaping.base import SHORT, Explained
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.warmup import Warmup
from relay.transports.base import Host, Route
from tests.service.house import GMAIL, SITE, Destinations, House
from tests.shaping.house import BLOCK


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


async def test_what_binds_and_is_no_rate_is_told_too() -> None:
    house = House()
    plan, night = Warmup(50, 1.4, 90), hours.parse("06:00-22:00 WIB")
    limit = Profile(
        "dinas",
        hours=night,
        warmup=plan,
        connections=3,
        messages_per_connection=7,
        connection_rates=(Rate(30, timedelta(minutes=1)),),
        where="site.d/a.yaml:2",
        places={"hours": "relay.yaml:3", "warmup": "relay.yaml:4"},
    )
    to = Destination("dinas", limit)
    route = Route(to, (Host("mx.dinas.go.id", 25),))
    at = from_iso("2026-01-05T03:00:00Z")
    assert house.shaper.admit(to, "dinas.go.id", 1, at) is None
    house.shaper.feedback(to, BLOCK, "550 5.7.1 blocked", at)
    found = house.shaper.explain(to, "dinas.go.id", at, Urgency.MASSAL)
    told = explained("a@dinas.go.id", route, found, [], Urgency.MASSAL, at)["besides"]
    assert told == {
        "hours": "06:00-22:00 WIB",
        "warmup": {
            "day": 1,
            "a_day": 50,
            "sent": 1,
            "ends_at": "2026-01-06T03:00:00.000Z",
            "is_frozen": True,
        },
        "connections": 3,
        "connection_rate": ["30/min"],
        "messages_per_connection": 7,
        "inside": [],
        "where": {
            "hours": "relay.yaml:3",
            "warmup": "relay.yaml:4",
            "connections": "site.d/a.yaml:2",
            "messages_per_connection": "site.d/a.yaml:2",
            "connection_rate": "site.d/a.yaml:2",
        },
    }
    assert _besides(told, ENGLISH) == [
        "it is sent to only at 06:00-22:00 WIB (relay.yaml:3)",
        "warm-up: on sending day 1 1 of 50 are used, and it was refused: the next day is no larger"
        " (relay.yaml:4)",
        "at most 3 connections at once (site.d/a.yaml:2)",
        "at most 7 letters to a connection (site.d/a.yaml:2)",
        "at most 30/min new connections (site.d/a.yaml:2)",
    ]
    urgent = house.shaper.explain(to, "dinas.go.id", at, Urgency.KRITIS)
    told = explained("a@dinas.go.id", route, urgent, [], Urgency.KRITIS, at)["besides"]
    assert (told["hours"], told["warmup"]) == (None, None)
    told |= {"messages_per_connection": None, "connection_rate": [], "connections": None}
    assert _besides(told, ENGLISH) == []


def test_what_is_not_in_force_has_a_line_in_both_languages() -> None:
    idle = (
        "not in force: connections of a.go.id (relay.yaml:2), for its mail goes to gmail:"
        " write it for gmail"
    )
    found = Explained("gmail", "gmail", "ok", "", (), None, None, None, None, 2, idle=(idle,))
    route = Route(GMAIL, (Host("mx", 25),))
    answer = explained("v@a.go.id", route, found, [], Urgency.MASSAL, 0) | {"not_tried": ""}
    assert answer["idle"] == [idle]
    assert _way(answer, ENGLISH)[-1] == idle
    assert _way(answer, SPOKEN["id"])[-1] == (
        "tidak berlaku: connections untuk a.go.id (relay.yaml:2), karena suratnya dikirim ke gmail:"
        " tuliskan untuk gmail"
    )


def test_a_letter_that_waits_for_its_address_says_so_in_indonesian() -> None:
    assert in_indonesian(f"{LIMITED}; 450 4.2.1 too quickly") == (
        "surat lain ke alamat ini diminta menunggu; 450 4.2.1 too quickly"
    )
