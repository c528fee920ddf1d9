"""What did not arrive, brought back through the control socket: which, how many, what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relay.control import ControlError, Unknown
from relay.mail import ids
from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Delivery, Held, Outcome, State
from relay.mail.events import Released
from relay.mail.instant import DAY, HOUR
from relay.mail.urgency import Urgency
from relay.service import requeueing
from relay.service.requeueing import since_of
from tests.service.house import SITE, WIB, House, settled
from tests.store.letters import NO_USER, START, UNKNOWN

BLOCKED = replace(UNKNOWN, category=Category.SENDER_BLOCKED, rule="ms-s3150")
BLOCK = Bounced("blocked", Category.SENDER_BLOCKED)
BOUNCE = Bounced("no such user", Category.UNKNOWN_USER)


def route_of(domain: str) -> str:
    return SITE.key if domain.startswith("dinas.") else "gmail"


async def ended(house: House, outcome: Outcome, *to: str, **message: Any) -> Delivery:
    """Put, tried once and ended so; the first delivery."""
    entry = await house.put(*to, **message)
    domains = [placement.delivery.domain for placement in entry.placements]
    ones = await house.store.claim(domains, 100, house.clock.at, house.clock.at + 60_000)
    read = BLOCKED if getattr(outcome, "category", None) is BLOCKED.category else UNKNOWN
    said = {"reply": NO_USER, "classification": read}
    written = [settled(one, outcome, route_key=route_of(one.domain), **said) for one in ones]
    await house.store.settle(written, house.clock.at)
    return ones[0]


async def states(house: House, *ones: Delivery) -> list[State]:
    return [(await house.store.find(o.message_id, o.n))[0].delivery.state for o in ones]


async def test_a_preview_counts_by_kind_shows_some_and_changes_nothing(house: House) -> None:
    one = await ended(house, BLOCK, "a@gmail.com", "b@gmail.com")
    other = await ended(house, Held("why", Category.SENDER_BLOCKED), "c@dinas.example.go.id")
    await ended(house, BOUNCE, "d@gmail.com")
    answer = await house.ask("queue.unsent", selector={"reason": "sender_blocked"})
    assert (answer["count"], answer["over"]) == (3, 0)
    names = ("domain", "provider", "state", "category", "over", "count")
    assert answer["by"] == [
        dict(zip(names, row, strict=True))
        for row in (
            ("gmail.com", "gmail", "bounced", "sender_blocked", False, 2),
            ("dinas.example.go.id", "other", "held", "sender_blocked", False, 1),
        )
    ]
    assert [row["recipient"] for row in answer["sample"]] == [
        "a@gmail.com",
        "b@gmail.com",
        "c@dinas.example.go.id",
    ]
    assert await states(house, one, other) == [State.BOUNCED, State.HELD]
    assert house.store.audits == []
    assert house.events == []


async def test_requeue_moves_in_pieces_each_with_its_audit_row(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requeueing, "PIECE", 2)
    ones = [await ended(house, BLOCK) for _ in range(5)]
    other = await ended(house, BOUNCE)
    selector = {"reason": "sender_blocked", "provider": "gmail"}
    answer = await house.ask("queue.requeue", selector=selector, why="Microsoft mencabut blokir")
    assert answer == {"moved": 5, "over": 0}
    assert await states(house, *ones, other) == [*[State.READY] * 5, State.BOUNCED]
    told = "provider=gmail reason=sender_blocked"
    assert [row[1:] for row in house.store.audits] == [
        ("siti", "requeue", told, "Microsoft mencabut blokir", f"moved {count}")
        for count in (2, 2, 1)
    ]
    (event,) = house.events
    assert isinstance(event, Released)
    assert (event.count, event.reason) == (5, f"{told}: Microsoft mencabut blokir")


async def test_without_words_the_audit_says_what_was_selected(house: House) -> None:
    await ended(house, BLOCK)
    await house.ask("queue.requeue", selector={"reason": "rule:ms-s3150"})
    (row,) = house.store.audits
    assert row[2:] == ("requeue", "reason=rule:ms-s3150", "reason=rule:ms-s3150", "moved 1")


async def test_kritis_stays_dead_when_its_day_is_over(house: House) -> None:
    kritis = await ended(house, BLOCK, urgency=Urgency.KRITIS, life=DAY, is_fixed=True)
    usual = await ended(house, BLOCK)
    house.clock.at = kritis.expires_at
    wanted = {"reason": "sender_blocked"}
    preview = await house.ask("queue.unsent", selector=wanted)
    assert (preview["count"], preview["over"]) == (1, 1)
    assert await house.ask("queue.requeue", selector=wanted) == {"moved": 1, "over": 1}
    assert await states(house, kritis, usual) == [State.BOUNCED, State.READY]
    (row,) = await house.store.find(usual.message_id)
    assert row.delivery.expires_at >= house.clock.at + DAY


async def test_what_failed_longer_ago_than_kept_is_meant_by_name_or_date_only(
    house: House,
) -> None:
    old = await ended(house, BLOCK)
    house.clock.at += 31 * DAY
    new = await ended(house, BLOCK)

    async def count(**selector: str) -> int:
        answer = await house.ask("queue.unsent", selector=selector)
        return int(answer["count"])

    assert await count(reason="sender_blocked") == 1
    assert await count(reason="sender_blocked", since="40d") == 2
    assert await count(message=ids.show(old.message_id)) == 1
    assert await count(message=new.ref, since="1h") == 1
    assert await count(message=old.ref, since="1h") == 0


async def test_all_that_share_the_body_of_a_letter(house: House) -> None:
    ones = [await ended(house, BLOCK, body=b"sama\r\n") for _ in range(2)]
    await ended(house, BLOCK, body=b"lain\r\n")
    letter = await house.store.letter(ones[0].message_id)
    for named in (ids.show(letter.id), letter.body_hash.hex(), letter.body_hash.hex()[:8].upper()):
        answer = await house.ask("queue.unsent", selector={"fingerprint": named})
        assert answer["count"] == 2, named


async def test_a_provider_is_the_one_of_today_or_the_one_that_was_asked_last(
    house: House,
) -> None:
    await ended(house, BLOCK, "a@baru.example.id")  # its last attempt went to gmail
    await ended(house, BLOCK, "a@kampus.example.ac.id")
    await ended(house, BLOCK, "a@dinas.example.go.id")
    for provider, count in (("gmail", 2), ("other", 1), ("dinas.example.go.id", 1), (SITE.key, 1)):
        answer = await house.ask("queue.unsent", selector={"provider": provider})
        assert answer["count"] == count, provider


@pytest.mark.parametrize(
    ("selector", "error"),
    [
        ({}, "name what is meant"),
        (None, "name what is meant"),
        ({"warna": "merah"}, "unknown selector warna"),
        ({"reason": "bosan"}, "reason 'bosan': rule:ID, or one of unknown_user"),
        ({"reason": "rule:"}, "reason 'rule:'"),
        ({"since": "kemarin"}, "since 'kemarin': write 7d"),
        ({"domain": "-.-"}, "domain '-.-'"),
        ({"sender": " "}, "sender: a text is needed"),
        ({"fingerprint": "abc"}, "fingerprint 'abc': neither"),
        ({"fingerprint": "0G4P2K7M1V0A0"}, "fingerprint '0G4P2K7M1V0A0': neither"),
        ({"class": "x"}, "x"),
        ({"message": "x"}, "not a letter's id"),
        ({"provider": "gmial"}, "unknown provider 'gmial'.*gmail"),
    ],
)
async def test_what_cannot_be_meant_is_named(house: House, selector: Any, error: str) -> None:
    for command in ("queue.unsent", "queue.requeue"):
        with pytest.raises((ValueError, ControlError, Unknown), match=error):
            await house.ask(command, selector=selector)


def test_dates_are_those_of_the_site() -> None:
    assert since_of("2h", START, WIB) == START - 2 * HOUR
    utc = since_of("2026-11-01T00:00:00Z", START, WIB)
    assert since_of("2026-11-01", START, WIB) == utc - 7 * HOUR
    assert since_of("2026-11-01 07:00", START, WIB) == utc
