"""The day's digest by the installed relay: a letter handed in by a real client, the report read as
a mail program reads it, one for all, and across a restart."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import cast

from relay.lab import models
from relay.lab.internet import YAHOO, House
from relay.store.connections import NAME
from tests.e2e.site import SENDER, houses, inbox, site

GONE = tuple(f"gone{n}@yahoo.com" for n in range(3))
LETTER = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@yahoo.com\r\n"
    b"Subject: =?utf-8?q?Surat_=E2=80=94_biasa?=\r\n\r\nKepada Yth.\r\n"
)
DAY = 86_400_000


def failed_yesterday(folder: Path) -> int:
    """What waits for a digest has waited for a day longer; how many do."""
    with closing(sqlite3.connect(folder / "state" / NAME)) as connection:
        moved = connection.execute(f"UPDATE owed SET at = at - {DAY}").rowcount
        connection.commit()
        return moved


async def test_many_dead_addresses_are_one_report_after_a_restart(tmp_path: Path) -> None:
    yahoo = House(YAHOO, "127.0.1.3", models.Yahoo(frozenset(GONE)), ("yahoo.com",))
    around = [yahoo if one.host == YAHOO else one for one in houses()]
    async with site(tmp_path, around=around) as world:
        for to in GONE:  # each its own letter, as LPSE's application sends them
            await world.send(to, content=LETTER)
        await world.send("vendor@yahoo.com", "foo", content=LETTER)
        await world.settled()
        for to in GONE:
            (row,) = await inbox(tmp_path, to)
            assert row.state.word == "bounced"
        assert world.internet.ledger.accepted(SENDER) == []
        await world.relay.stop()
        assert failed_yesterday(tmp_path) == 4
        await world.restart()
        await world.until(lambda: world.internet.ledger.accepted(SENDER), "the digest arrives")
        await world.settled()
        (report,) = world.internet.ledger.accepted(SENDER)
        assert report.sender == ""
        message = BytesParser(policy=default).parsebytes(report.content)
        assert isinstance(message, EmailMessage)
        assert message["Subject"] == "Email tidak terkirim (Undelivered mail): 4"
        words, status, _ = message.iter_parts()
        text = words.get_content()
        assert "Email tidak terdaftar (3):" in text
        assert "No such mailbox: 3" in text
        assert "Surat \\u2014 biasa" in text
        _, *groups = cast("list[EmailMessage]", status.get_payload())
        named = [str(group["Final-Recipient"]) for group in groups]
        assert named == [f"rfc822; {to}" for to in (*GONE, "foo")]
        await world.relay.stop()
        await world.restart()
        await world.settled()
        assert len(world.internet.ledger.accepted(SENDER)) == 1
