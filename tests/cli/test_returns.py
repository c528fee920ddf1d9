"""`returns`: letters that nobody could read are listed, shown escaped, removed with a reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from relay.mail import ids
from relay.mail.late import Kind, Late
from relay.service.returning import ReturnCommands
from tests.cli.house import Running, Site
from tests.store.contract_returns import letter
from tests.store.letters import START
from tests.store.opening import opened

OCTETS = b"From: b@x.example\r\nSubject: [bold]Tanya\x1b[2J\r\n\r\nHalo \xe2\x80\xae\r\n"


def kept(site: Site, id: int = 5) -> str:
    async def put() -> None:
        async with opened(site.state) as store:
            await store.keep_return(replace(letter(id), subject="[bold]Tanya\x1b"), OCTETS)

    asyncio.run(put())
    return ids.show(id)


def test_an_empty_list(site: Site) -> None:
    site.put("vendor@gmail.com")
    assert site.run("returns", "ls").out == "nothing waits\n"
    assert site.run("returns", "ls", "--json").json == []


def test_what_waits(site: Site) -> None:
    id = kept(site)
    (row,) = site.run("returns", "ls", "--json").json
    assert list(row) == ["id", "at", "client", "from", "to", "subject", "octets", "why"]
    assert (row["id"], row["to"]) == (id, "postmaster@x.example")
    people = site.run("returns", "ls").out
    assert "[bold]Tanya\\x1b" in people and "\x1b" not in people
    shown = site.run("returns", "show", id).out
    assert "Halo \\u202e" in shown and "\x1b" not in shown


def test_what_is_not_there(site: Site) -> None:
    kept(site)
    answer = site.run("returns", "show", ids.show(77))
    assert answer.code == 1 and "no letter" in answer.err
    assert site.run("returns", "show", "xyz").code == 2
    assert site.run("returns", "show", ids.show(5, 1)).code == 2


def test_without_a_store(site: Site) -> None:
    assert site.run("returns", "ls").code == 3


def test_rm_is_a_preview_first_and_wants_a_reason(relay: Running) -> None:
    site, house = relay.site, relay.house
    relay._server._commands |= ReturnCommands(house.store, house.clock).table()  # type: ignore[operator]
    relay.do(house.store.keep_return(letter(5), b"x"))
    id = ids.show(5)
    assert site.run("returns", "rm", id).code == 1
    assert site.run("returns", "rm", id, "--yes").code == 2
    assert len(relay.do(house.store.kept_returns())) == 1
    gone = site.run("returns", "rm", id, ids.show(6), "--yes", "--reason", "read", "--json")
    assert (gone.code, gone.json) == (1, {"removed": 1})
    assert relay.do(house.store.kept_returns()) == []


def test_queue_show_and_inbox_ls_say_delivered_later_returned(site: Site) -> None:
    message_id = site.put("vendor@gmail.com")

    async def late() -> None:
        async with opened(site.state) as store:
            await store.note_late(
                Late(message_id, 1, Kind.FAILED, START, None, "x", "550 \x1b[31mno", "b@x", "mx.x")
            )

    asyncio.run(late())
    shown = site.run("queue", "show", ids.show(message_id)).out
    assert "delivered, later returned, says mx.x" in shown
    assert "of b@x" in shown and "550 \\x1b[31mno" in shown
    read = site.run("inbox", "show", ids.show(message_id)).out
    assert "State    delivered, later returned (" in read and "550 \\x1b[31mno" in read
    (said,) = site.run("inbox", "show", ids.show(message_id, 1), "--json").json["late"]
    assert (said["kind"], said["named"]) == ("failed", "b@x")
    (row,) = site.run("inbox", "ls", "vendor@gmail.com", "--json").json
    assert row["returned_at"].endswith("Z")
    assert "delivered, later returned" in site.run("inbox", "ls", "vendor@gmail.com").out
