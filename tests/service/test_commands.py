"""What the control socket answers: listings, changes with their audit row, pauses, users."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from relay.control import ControlError
from relay.mail import ids
from relay.mail.delivery import Bounced, State
from relay.mail.events import Held, Paused, Released, Removed, Resumed
from relay.mail.instant import iso
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.service import shapes
from relay.store.base import Selector, StoreError
from tests.service.house import GMAIL, SITE, House, settled
from tests.store.letters import NO_USER, UNKNOWN


@pytest.fixture
def house() -> House:
    return House()


DELIVERY_KEYS = [
    "id",
    "recipient",
    "sender",
    "subject",
    "class",
    "provider",
    "state",
    "tries",
    "due_at",
    "expires_at",
    "why",
    "category",
    "rule",
]


async def test_ls_has_the_fixed_shape(house: House) -> None:
    entry = await house.put("Vendor@gmail.com", subject="Undangan", urgency=Urgency.MENDESAK)
    answer = await house.ask("queue.ls")
    assert list(answer) == ["total", "by_state", "by_provider", "deliveries"]
    assert (answer["total"], answer["by_state"], answer["by_provider"]) == (
        1,
        {"ready": 1},
        {"gmail": 1},
    )
    (row,) = answer["deliveries"]
    delivery = entry.placements[0].delivery
    assert list(row) == DELIVERY_KEYS
    assert row == {
        "id": ids.show(entry.message.id, 1),
        "recipient": "Vendor@gmail.com",
        "sender": "no-reply@lpse.example.go.id",
        "subject": "Undangan",
        "class": "mendesak",
        "provider": "gmail",
        "state": "ready",
        "tries": 0,
        "due_at": iso(delivery.due_at),
        "expires_at": iso(delivery.expires_at),
        "why": "",
        "category": None,
        "rule": None,
    }
    assert json.loads(json.dumps(answer)) == answer


async def test_ls_totals_speak_of_what_is_meant_and_not_of_the_whole_queue(house: House) -> None:
    await house.put("a@gmail.com", "b@kampus.example.ac.id", "c@x.id", subject="Pengumuman A")
    await house.put("d@gmail.com", subject="Undangan")
    everything = await house.ask("queue.ls", limit=1)
    assert everything["total"] == 4
    assert everything["by_provider"] == {"gmail": 3, "other": 1}
    assert len(everything["deliveries"]) == 1
    part = await house.ask("queue.ls", selector={"subject": "pengumuman"}, limit=1)
    assert (part["total"], part["by_provider"]) == (3, {"gmail": 2, "other": 1})
    held = await house.ask("queue.ls", selector={"state": "held"}, limit=1)
    assert held == {"total": 0, "by_state": {}, "by_provider": {}, "deliveries": []}
    domain = await house.ask("queue.ls", selector={"domain": "GMAIL.com."}, limit=1)
    assert (domain["total"], domain["by_provider"]) == (2, {"gmail": 2})


async def test_a_provider_means_its_domains_a_key_a_domain_and_the_rest(house: House) -> None:
    await house.put("a@gmail.com", "b@kampus.example.ac.id", "c@x.id", "d@dinas.example.go.id")

    async def meant(name: str) -> set[str]:
        answer = await house.ask("queue.ls", selector={"provider": name}, limit=100)
        return {row["recipient"][0] for row in answer["deliveries"]}

    assert await meant("GMail") == {"a", "b"}
    assert await meant(SITE.key) == {"d"}
    assert await meant("kampus.example.ac.id") == {"a", "b"}  # the destination that it shares
    assert await meant("other") == {"c", "d"}
    with pytest.raises(ControlError, match="unknown provider 'gmial'"):
        await meant("gmial")


async def test_show_adds_attempts_and_knows_the_finished(house: House) -> None:
    entry = await house.put("a@gmail.com", "b@gmail.com")
    leased = (await house.store.claim(["gmail.com"], 1, house.clock.at, house.clock.at + 1))[0]
    refused = settled(
        leased,
        Bounced("no such user", UNKNOWN.category),
        reply=NO_USER,
        classification=UNKNOWN,
        stage=Stage.RCPT,
        took_us=81_250,
    )
    await house.store.settle([refused], house.clock.at)
    answer = await house.ask("queue.show", id=ids.show(entry.message.id).lower())
    assert list(answer) == ["total", "by_state", "by_provider", "deliveries"]
    assert (answer["total"], answer["by_provider"]) == (2, {"gmail": 2})
    assert answer["by_state"] == {"bounced": 1, "ready": 1}
    bounced = next(row for row in answer["deliveries"] if row["state"] == "bounced")
    assert list(bounced) == [*DELIVERY_KEYS, "attempts"]
    assert bounced["due_at"] is None
    assert bounced["expires_at"] is None
    assert bounced["category"] == "unknown_user"
    made = bounced["attempts"][0]
    assert made == {
        "mx": "gmail-smtp-in.l.google.com",
        "ip": "198.51.100.9",
        "tls": "TLSv1.3",
        "stage": "rcpt",
        "code": 550,
        "enhanced": "5.1.1",
        "text": "No such user here",
        "category": "unknown_user",
        "rule": "gmail-5.1.1",
        "started_at": iso(refused.attempt.started_at if refused.attempt else 0),
        "took_ms": 81.25,
    }
    one = await house.ask("queue.show", id=ids.show(entry.message.id, leased.n))
    assert [row["id"] for row in one["deliveries"]] == [ids.show(entry.message.id, leased.n)]
    assert (await house.ask("queue.show", id="0000000000000"))["deliveries"] == []


async def test_an_attempt_without_a_reply_has_no_code(house: House) -> None:
    entry = await house.put("a@gmail.com")
    await house.defer(entry)
    answer = await house.ask("queue.show", id=ids.show(entry.message.id))
    made = answer["deliveries"][0]["attempts"][0]
    assert (made["code"], made["enhanced"], made["stage"]) == (None, None, "connect")
    assert made["text"] == "no banner in 5 min"


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


@pytest.mark.parametrize("limit", [0, -1, "5", True, 2.5])
async def test_a_limit_is_a_whole_number(house: House, limit: Any) -> None:
    with pytest.raises(ControlError, match="limit must be a whole number"):
        await house.ask("queue.ls", limit=limit)


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


async def test_a_link_for_whoever_ever_got_a_letter(house: House) -> None:
    await house.put("Vendor@gmail.com")
    answer = await house.ask("inbox.link", address="VENDOR@gmail.com")
    assert list(answer) == ["url", "until"]
    assert answer["url"].startswith("http://127.0.0.1:8025/masuk?t=")
    assert answer["until"] == iso(house.clock.at + 900_000)
    with pytest.raises(ControlError, match=r"no letter ever came for other@gmail\.com"):
        await house.ask("inbox.link", address="other@gmail.com")
    with pytest.raises(ControlError, match="no letter ever came for foo"):
        await house.ask("inbox.link", address="foo")


async def test_users_come_and_go_and_their_secrets_stay(house: House) -> None:
    assert await house.ask("users.add", name="spse", password="rahasia") == {"changed": False}
    account = await house.store.account("spse")
    assert account is not None
    assert account.secret.startswith("$argon2id$")
    assert "rahasia" not in account.secret
    assert await house.ask("users.add", name="spse", password="baru") == {"changed": True}
    (row,) = (await house.ask("users.ls"))["users"]
    assert row == {"name": "spse", "role": "smtp", "changed_at": iso(house.clock.at)}
    assert await house.ask("users.rm", name="spse") == {}
    with pytest.raises(ControlError, match="no user 'spse'"):
        await house.ask("users.rm", name="spse")
    assert [row[2] for row in house.store.audits] == ["users.add", "users.add", "users.rm"]


@pytest.mark.parametrize(
    ("name", "password"), [("", "x"), ("a", ""), ("a\x1b", "x"), ("a" * 256, "x")]
)
async def test_a_user_that_cannot_be(house: House, name: str, password: str) -> None:
    with pytest.raises(ControlError, match="printable name and a password"):
        await house.ask("users.add", name=name, password=password)
    assert await house.store.accounts() == []


async def test_status_and_reload(house: House) -> None:
    assert await house.ask("status") == {"version": "1.2.3"}
    assert (await house.ask("reload"))["notes"][0].startswith("web changed")


async def test_an_inbox_row_has_the_fixed_shape(house: House) -> None:
    entry = await house.put("vendor@gmail.com", subject="Undangan", urgency=Urgency.KRITIS)
    mailbox = await house.store.mailbox("vendor@gmail.com")
    assert mailbox is not None
    (row,) = await house.store.page(mailbox.id)
    assert shapes.inbox_row(row) == {
        "id": ids.show(entry.message.id, 1),
        "received_at": iso(entry.message.received_at),
        "subject": "Undangan",
        "class": "kritis",
        "state": "ready",
        "category": None,
        "read_at": None,
    }
