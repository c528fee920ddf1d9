"""`lpse-relay suppression`: as an administrator types it."""

from __future__ import annotations

import asyncio
import csv
import io
import json

from relay.clock import SystemClock
from relay.mail.strike import Strike
from tests.cli.house import Running, Site
from tests.store.contract_suppressing import struck
from tests.store.opening import opened

V = "vendor@example.co.id"


def listed(relay: Running, *strikes: Strike) -> None:
    now = relay.house.clock.now()
    found = strikes or (struck(now, is_documented=True),)
    relay.do(relay.house.store.strike(*found))


def test_the_list_and_an_address(site: Site, relay: Running) -> None:
    listed(relay)
    answer = site.run("suppression", "ls")
    assert answer.code == 0, answer.err
    assert V in answer.out
    assert "unknown_user" in answer.out
    assert [one["address"] for one in site.run("suppression", "ls", "--json").json] == [V]
    shown = site.run("suppression", "show", V)
    assert "kritis     sent: kritis is tried once" in shown.out
    assert "gmail-5.1.1" in shown.out
    assert site.run("suppression", "show", V, "--json").json["state"] == "in_force"
    assert site.run("suppression", "show", "vendor").code == 2


def test_an_empty_list_says_so(site: Site, relay: Running) -> None:
    assert site.run("suppression", "ls").out == "no address is on the list\n"
    assert site.run("suppression", "ls", "--json").json == []
    assert site.run("suppression", "ls", "--reason", "x").code == 2


def test_added_and_taken_off(site: Site, relay: Running) -> None:
    assert site.run("suppression", "add", V).code == 2
    added = site.run("suppression", "add", V, "--why", "surat", "--for", "30d")
    assert (added.code, added.out) == (0, "1 on the list\n")
    assert "put on the list by" in site.run("suppression", "show", V).out
    gone = site.run("suppression", "rm", V, "b@x.id", "--why", "diperbaiki")
    assert (gone.code, gone.out) == (1, "1 taken off the list\n")
    assert gone.err == "nothing is known against b@x.id\n"
    assert site.run("suppression", "rm", V).code == 2
    told = site.run("suppression", "show", V).out.splitlines()
    (at,) = [n for n, line in enumerate(told) if line == "by hand, the latest first:"]
    assert told[at + 1].split() == ["at", "who", "what", "why", "detail"]
    assert "suppression.rm   diperbaiki" in told[at + 2]
    assert "suppression.add  surat" in told[at + 3]
    rows = site.run("suppression", "show", V, "--json").json["audit"]
    assert [(one["action"], one["why"]) for one in rows] == [
        ("suppression.rm", "diperbaiki"),
        ("suppression.add", "surat"),
    ]
    for words in (("x",), (V, "--for", "30x"), (V, "--for", "99999d"), (V, "--reason", "x")):
        wrong = site.run("suppression", "add", *words, "--why", "surat")
        assert (wrong.code, words[-1] in wrong.err) == (2, True), wrong.err
    assert site.run("suppression", "ls", "--all", "--json").json == []


def test_what_is_exported_is_taken_again(site: Site, relay: Running) -> None:
    now = relay.house.clock.now()
    listed(
        relay,
        struck(now, is_documented=True),
        struck(now, address="=cmd|x@example.co.id", is_documented=True, rule="=1+1"),
    )
    before = site.run("suppression", "ls", "--json").json
    for options, name in (((), "list.csv"), (("--json",), "list.json")):
        out = site.run("suppression", "export", *options).out
        if not options:
            cells = list(csv.DictReader(io.StringIO(out)))
            assert cells[0]["address"].startswith("'=")
            assert cells[0]["rule"] == "'=1+1"
        (site.folder / name).write_text(out)
        assert (
            site.run("suppression", "rm", *(r["address"] for r in before), "--why", "w").code == 0
        )
        assert site.run("suppression", "ls", "--json").json == []
        taken = site.run("suppression", "import", str(site.folder / name), "--why", "kembali")
        assert (taken.code, taken.out) == (0, "2 on the list\n"), taken.err
        after = site.run("suppression", "ls", "--json").json
        keys = ("address", "reason", "until_at", "state", "first_at")
        assert [[r[k] for k in keys] for r in after] == [[r[k] for k in keys] for r in before]


def test_a_broken_row_is_named_and_the_rest_is_done(site: Site, relay: Running) -> None:
    file = site.folder / "x.csv"
    rows = "".join(f"v{n}@x.id,unknown_user\n" for n in range(450))
    file.write_text(f'address,reason\na@x.id,\n"b@x.id\nbukan,\n\x1b[31m@x.id,\n{rows}')
    answer = site.run("suppression", "import", str(file), "--why", "w")
    assert (answer.code, answer.out) == (1, "451 on the list\n")
    assert f"{file}: row 3: no CSV: unexpected end of data\n" in answer.err
    assert f"{file}: row 4: address 'bukan': " in answer.err
    assert f"{file}: row 5: address" in answer.err
    assert "\x1b" not in answer.err
    found = site.run("suppression", "import", str(file), "--why", "w", "--json").json
    assert (found["added"], [one["row"] for one in found["refused"]]) == (451, [3, 4, 5])


def test_the_longest_rows_go_in_pieces_that_the_relay_takes(site: Site, relay: Running) -> None:
    file = site.folder / "long.csv"
    names = ("address", "reason", "rule", "note")
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(names)
        rows.writerows(
            [f"a{n}@x.id", "by_hand", "\u4e2d" * 1000, "\u4e2d" * 1000] for n in range(90)
        )
    answer = site.run("suppression", "import", str(file), "--why", "w")
    assert (answer.code, answer.out, answer.err) == (0, "90 on the list\n", "")


def test_a_file_that_is_none(site: Site, relay: Running) -> None:
    file = site.folder / "x.csv"
    answer = site.run("suppression", "import", str(file), "--why", "w")
    assert (answer.code, "No such file" in answer.err) == (2, True)
    file.write_text("alamat\na@x.id\n")
    answer = site.run("suppression", "import", str(file), "--why", "w")
    assert answer.code == 2
    assert "line 1 names no column `address`" in answer.err
    assert site.run("suppression", "import", str(file)).code == 2


def test_a_column_that_is_not_known_is_named_and_a_slip_takes_nothing(
    site: Site, relay: Running
) -> None:
    file = site.folder / "x.csv"
    file.write_text("address,until,telepon\na@x.id,2099-01-01,0812\n")
    answer = site.run("suppression", "import", str(file), "--why", "w")
    assert answer.code == 2
    assert f"{file}: column 'until' is unknown: did you mean until_at?" in answer.err
    assert site.run("suppression", "ls", "--json").json == []
    file.write_text("address,until_at,telepon\na@x.id,2099-01-01,0812\n")
    answer = site.run("suppression", "import", str(file), "--why", "w")
    assert (answer.code, answer.out) == (0, "1 on the list\n")
    assert answer.err.startswith(f"{file}: column 'telepon' is not read: columns are address, ")
    found = site.run("suppression", "import", str(file), "--why", "w", "--json").json
    assert found == {"added": 1, "refused": [], "unread": ["telepon"]}


def test_what_a_mail_log_gave_is_taken(site: Site, relay: Running) -> None:
    file = site.folder / "log.csv"
    file.write_text(
        "address,reason,rule,first_at,last_at,until_at\n"
        "a@x.id,mailbox_full,text.mailbox-full,2025-11-01T00:00:00.000Z,"
        "2025-11-20T00:00:00.000Z,2099-01-01T00:00:00.000Z\n"
    )
    assert site.run("suppression", "import", str(file), "--why", "w").code == 0
    (one,) = site.run("suppression", "ls", "--json").json
    assert (one["reason"], one["note"]) == ("mailbox_full", "text.mailbox-full")


def test_without_a_relay_it_is_read_from_the_store(site: Site) -> None:
    strike = struck(SystemClock().now(), is_documented=True)

    async def keep() -> None:
        async with opened(site.state) as store:
            await store.strike(strike)

    asyncio.run(keep())
    assert [one["address"] for one in site.run("suppression", "ls", "--json").json] == [V]
    assert site.run("suppression", "show", V, "--json").json["address"] == V
    assert V in site.run("suppression", "export").out
    assert site.run("suppression", "ls", "--reason", "x").code == 2
    assert site.run("suppression", "rm", V, "--why", "w").code == 3


def test_without_a_store_nothing_can_be_told(site: Site) -> None:
    answer = site.run("suppression", "ls", "--json")
    assert answer.code == 3
    assert "no store" in json.loads(answer.out)["error"]
