"""What failed is brought back, and what was refused is kept, by the installed relay."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest

from relay.store.reader import open_readonly
from tests.e2e.site import SENDER, inbox, site

LETTER = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: gone@yahoo.com\r\n"
    b"Subject: Surat biasa\r\n\r\nKepada Yth.\r\n"
)


async def test_what_failed_is_requeued_by_its_cause(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("gone@yahoo.com", "vendor@yahoo.com", content=LETTER)
        await world.settled()
        wanted = {"reason": "unknown_user", "provider": "yahoo", "sender": SENDER, "since": "1h"}
        preview = await world.relay.call("queue.unsent", selector=wanted)
        assert (preview["count"], preview["over"]) == (1, 0)
        assert preview["by"][0]["domain"] == "yahoo.com"
        done = await world.relay.call("queue.requeue", selector=wanted, why="coba lagi")
        assert done == {"moved": 1, "over": 0}
        await world.logged("released")
        await world.settled()
        (row,) = await inbox(tmp_path, "gone@yahoo.com")
        assert row.state.word == "bounced"
        store = await open_readonly(tmp_path / "state")
        try:
            assert len(await store.attempts(row.message_id, row.n)) == 2
        finally:
            await store.close()


async def test_what_is_refused_after_data_is_kept(tmp_path: Path) -> None:
    octets = LETTER + b"nol \0\r\n"
    async with site(tmp_path) as world:

        def hand_in() -> None:
            with (
                smtplib.SMTP(*world.door, timeout=30) as client,
                pytest.raises(smtplib.SMTPDataError),
            ):
                client.sendmail(SENDER, ["vendor@yahoo.com"], octets)

        await asyncio.to_thread(hand_in)
        (alert,) = [e for e in await world.logged("alert") if e["name"] == "letter_refused"]
        assert "is kept as" in alert["detail"]
        store = await open_readonly(tmp_path / "state")
        try:
            (one,) = await store.refused()
            assert await store.refused_octets(one.id) == octets
            assert (one.sender, one.subject, one.reason) == (SENDER, "Surat biasa", "nul")
        finally:
            await store.close()
