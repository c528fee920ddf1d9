"""`lpse-relay refused`: listed, shown, exported; foreign words escaped, what is missing named."""

from __future__ import annotations

import asyncio
from pathlib import Path

from relay.mail import ids
from relay.store.turned_away import RefusedLetter
from tests.cli.house import Site, run
from tests.store.contract_refused import MOST, SINCE, letter
from tests.store.opening import opened

OCTETS = b"Subject: x\r\n\r\nisi \x00\r\n"
ID = ids.show(1 << 45)


def keep(site: Site, one: RefusedLetter, octets: bytes = OCTETS) -> None:
    async def put() -> None:
        async with opened(site.state) as store:
            await store.keep_refused(one, octets, SINCE, MOST)

    asyncio.run(put())


def test_listed_shown_and_exported(site: Site, tmp_path: Path) -> None:
    keep(site, letter(1 << 45, OCTETS, subject="Undangan \x1b[31m\u202e [/foo]"))
    listed = site.run("refused", "ls")
    assert listed.code == 0
    assert "[/foo]" in listed.out and ID in listed.out
    assert "\x1b" not in listed.out and "\u202e" not in listed.out
    [row] = site.run("refused", "ls", "--json").json
    assert (row["id"], row["reason"], row["recipient_count"]) == (ID, "policy", 12)
    shown = site.run("refused", "show", ID)
    assert "reply     5.7.1 no" in shown.out
    assert "and 10 more" in shown.out
    assert site.run("refused", "show", ID, "--json").json["id"] == ID
    file = tmp_path / "surat.eml"
    assert site.run("refused", "export", ID, "--out", str(file)).code == 0
    assert file.read_bytes() == OCTETS
    again = site.run("refused", "export", ID, "--out", str(file))
    assert (again.code, file.read_bytes()) == (1, OCTETS)
    assert "surat.eml" in again.err


def test_what_is_not_there(site: Site) -> None:
    assert site.run("refused", "ls").code == 3
    keep(site, letter(1 << 45, OCTETS, is_whole=False))
    assert "only its beginning" in site.run("refused", "export", ID).err
    assert site.run("refused", "show", ids.show(7 << 45)).code == 1
    assert site.run("refused", "show", "x").code == 2
    assert run("refused").code == 2
