"""What the control socket answers: letters, links, users, the state of the relay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.control import ControlError
from relay.mail import ids
from relay.mail.delivery import Bounced
from relay.mail.instant import iso
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.service import shapes
from tests.service.house import DELIVERY_KEYS, SITE, House, settled
from tests.store.letters import NO_USER, UNKNOWN


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


@pytest.mark.parametrize("limit", [0, -1, "5", True, 2.5])
async def test_a_limit_is_a_whole_number(house: House, limit: Any) -> None:
    with pytest.raises(ControlError, match="limit must be a whole number"):
        await house.ask("queue.ls", limit=limit)


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
