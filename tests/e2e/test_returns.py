"""Late bounces, end to end: a real Postfix takes a letter, fails, and its report comes back."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from relay.lab import models
from relay.lab.internet import GOVERNMENT, House
from relay.mail import return_path
from relay.mail.instant import SECOND
from relay.mail.late import Kind, Late
from relay.store.reader import open_readonly
from tests.e2e.site import FAST, SENDER, Site, inbox, site
from tests.mail import reports
from tests.mail.reports import wire
from tests.peers.ports import free_port
from tests.peers.postfix import Postfix, PostfixRelay

DOMAIN = "bounce.lpse.example.go.id"
GONE = "gone@ptmaju.example.co.id"
RETURNS = "return_path: {{domain: {domain}, listen: '127.0.0.1:{port}'}}\n"


@dataclass
class Returns:
    """A site with a return path, and what its store holds."""

    site: Site
    port: int

    async def late(self, message_id: int, n: int = 0) -> list[Late]:
        store = await open_readonly(self.site.folder / "state")
        try:
            return await store.late_reports([(message_id, n)])
        finally:
            await store.close()

    async def strikes(self, address: str) -> list[tuple[str, str]]:
        store = await open_readonly(self.site.folder / "state")
        try:
            history = await store.history(address)
            return [(strike.cause.value, strike.source) for strike in history.strikes]
        finally:
            await store.close()

    async def metrics(self) -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{self.site.about['metrics']}/metrics")).text

    async def hand_in(self, to: str, letter: bytes, sender: str = "") -> None:
        """A letter to the return path's door."""

        def deliver() -> None:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
                client.sendmail(sender, [to], letter)

        await asyncio.to_thread(deliver)


@asynccontextmanager
async def returning(
    folder: Path, extra: str = FAST, around: list[House] | None = None
) -> AsyncIterator[Returns]:
    port = free_port("127.0.0.1")
    extra += RETURNS.format(domain=DOMAIN, port=port)
    async with site(folder, extra, around) as world:
        yield Returns(world, port)


@asynccontextmanager
async def through_postfix(
    folder: Path, replies: dict[str, str], **settings: str
) -> AsyncIterator[tuple[Returns, Postfix]]:
    """A Postfix takes every letter; what the one behind it refuses comes back to the door."""
    port = free_port("127.0.0.1")
    settings["transport_maps"] = f"inline:{{ {{ {DOMAIN} = smtp:[127.0.0.1]:{port} }} }}"
    with (
        Postfix(replies=replies) as inner,
        PostfixRelay(inner.port, settings=settings) as front,
    ):
        extra = FAST + RETURNS.format(domain=DOMAIN, port=port)
        extra += f'routes: {{"*": "smtp://127.0.0.1:{front.port}"}}\n'
        async with site(folder, extra) as world:
            yield Returns(world, port), inner


@pytest.mark.peer("postfix")
async def test_postfix_takes_a_letter_and_returns_it(tmp_path: Path) -> None:
    replies = {GONE: "550 5.1.1 no such user"}
    async with through_postfix(tmp_path, replies, notify_classes="") as (door, inner):
        world = door.site
        await world.send(GONE, "fine@ptmaju.example.co.id")
        (returned,) = await world.logged("returned")
        arrived = await asyncio.to_thread(inner.await_arrived, 2)
        await world.settled()
        assert (returned["outcome"], returned["recipient"]) == ("failed", GONE)
        assert returned["category"] == "unknown_user"
        assert "no such user" in returned["why"]
        # One transaction a recipient, each with a sender of its own.
        fine, report = sorted(arrived, key=lambda letter: letter.recipient == SENDER)
        assert return_path.is_of_our_form(fine.sender.partition("@")[0])
        assert f"X-LPSE-Return-Path: {fine.sender}".encode() in fine.content
        # A cancelled tender is urgent: its sender is told, by the empty sender.
        assert (report.sender, report.recipient) == ("", SENDER)
        assert f"Final-Recipient: rfc822; {GONE}".encode() in report.content
        assert await door.strikes(GONE) == [("unknown_user", "late")]
        assert 'lpse_returns_total{outcome="failed"} 1.0' in await door.metrics()
        # The delivery was delivered, and that stays so; nobody's pause follows from it.
        (row,) = await inbox(tmp_path, GONE)
        assert row.state.word == "delivered"
        assert world.events("paused") == []
        (late,) = await door.late(row.message_id, row.n)
        assert (late.kind, late.reporter) == (Kind.FAILED, "127.0.0.1")
        shown = await world.relay.call("queue.show", id=returned["id"])
        (one,) = [d for d in shown["deliveries"] if d["recipient"] == GONE]
        assert (one["state"], one["late"][0]["kind"]) == ("delivered", "failed")


@pytest.mark.peer("postfix")
async def test_postfix_says_that_it_waits_and_then_gives_up(tmp_path: Path) -> None:
    """Delayed, then failed: both are told, and neither speaks against the address."""
    busy = "busy@ptmaju.example.co.id"
    replies = {busy: "450 4.2.1 mailbox is busy"}
    async with through_postfix(
        tmp_path,
        replies,
        delay_warning_time="1s",
        queue_run_delay="1s",
        minimal_backoff_time="1s",
        maximal_backoff_time="2s",
        maximal_queue_lifetime="5s",
    ) as (door, _):
        await door.site.send(busy)
        told = await door.site.logged("returned", 2)
        assert [event["outcome"] for event in told] == ["delayed", "failed"]
        (row,) = await inbox(tmp_path, busy)
        assert row.state.word == "delivered"
        kinds = [one.kind for one in await door.late(row.message_id, row.n)]
        assert kinds == [Kind.DELAYED, Kind.FAILED]
        assert await door.strikes(busy) == []


async def test_a_greylisting_server_meets_the_same_sender_again(tmp_path: Path) -> None:
    grey = models.Greylisting(delay=2 * SECOND)
    around = [House(GOVERNMENT, "127.0.1.5", grey, ("dinas.example.go.id",))]
    async with returning(tmp_path, around=around) as door:
        await door.site.send("kepala@dinas.example.go.id", "staf@dinas.example.go.id")
        await door.site.settled()
        arrivals = door.site.internet.ledger.arrivals
        assert len(door.site.internet.ledger.refusals) >= 2
        # One first sight of each recipient: the second try had the sender of the first.
        assert sorted(recipient for _, _, recipient in grey.seen) == [
            "kepala@dinas.example.go.id", "staf@dinas.example.go.id",
        ]  # fmt: skip
        senders = {arrival.sender for arrival in arrivals}
        assert len(senders) == 2 and all(sender.endswith(f"@{DOMAIN}") for sender in senders)
        # The signature covers the field that says so too.
        assert [arrival.dkim for arrival in arrivals] == ["pass", "pass"]
        signed = arrivals[0].content.partition(b"b=")[0].replace(b"\r\n\t", b"").lower()
        assert b"x-lpse-return-path" in signed


async def test_what_is_refused_and_what_is_kept(tmp_path: Path) -> None:
    async with returning(tmp_path) as door:
        await door.site.send("a@gmail.com")
        await door.site.settled()
        (arrival,) = door.site.internet.ledger.arrivals
        ours = arrival.sender
        forged = ours.replace(ours[20:24], "aaaa" if ours[20:24] != "aaaa" else "bbbb")
        for wrong in (forged, "vendor@gmail.com"):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                await door.hand_in(wrong, b"Subject: x\r\n\r\nx\r\n")
        complaint = wire(reports.ARF.replace(reports.OURS, ours))
        await door.hand_in(f"fbl@{DOMAIN}", complaint, "fbl@provider.example")
        await door.hand_in(ours, complaint)
        await door.hand_in(f"postmaster@{DOMAIN}", b"Subject: Tanya\r\n\r\nHalo\r\n", "b@x.example")
        told = await door.site.logged("returned", 5)
        assert [event["outcome"] for event in told] == [
            "forged", "foreign", "complaint", "repeated", "kept",
        ]  # fmt: skip
        assert await door.strikes("a@gmail.com") == [("complaint", "complaint")]
        metrics = await door.metrics()
        for outcome in ("forged", "foreign", "complaint", "repeated", "kept"):
            assert f'lpse_returns_total{{outcome="{outcome}"}} 1.0' in metrics
        # A restart keeps the key: what left before it still comes home.
        await door.site.relay.stop()
        assert ((tmp_path / "state/keys/return.key").stat().st_mode & 0o777) == 0o600
        await door.site.restart()
        await door.hand_in(ours, wire(reports.POSTFIX.replace(reports.VENDOR, "a@gmail.com")))
        told = await door.site.logged("returned", 6)
        assert told[-1]["outcome"] == "failed"


async def test_a_complaint_keeps_mass_mail_away_and_nothing_else(tmp_path: Path) -> None:
    tender = (
        b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: a@gmail.com\r\n"
        b"Subject: LPSE Pengumuman Pelelangan\r\nPrecedence: bulk\r\n\r\nKepada Yth.\r\n"
    )
    extra = FAST + "classes: [{class: massal, subject: Pelelangan}]\n"
    async with returning(tmp_path, extra) as door:
        await door.site.send("a@gmail.com", content=tender)
        await door.site.arrived(1)
        await door.site.settled()
        ours = door.site.internet.ledger.arrivals[0].sender
        await door.hand_in(f"fbl@{DOMAIN}", wire(reports.ARF.replace(reports.OURS, ours)), "x@y.id")
        await door.site.logged("returned")
        await door.site.send("a@gmail.com", "b@gmail.com", content=tender)
        (skipped,) = await door.site.logged("suppressed")
        assert skipped["recipient"] == "a@gmail.com"
        await door.site.send("a@gmail.com")  # another class
        await door.site.settled()
        to = [arrival.recipients for arrival in door.site.internet.ledger.arrivals]
        assert sorted(to[1:]) == [("a@gmail.com",), ("b@gmail.com",)]
        # Nobody's pause follows from it.
        assert door.site.events("paused") == []


async def test_a_report_of_ours_keeps_the_empty_sender(tmp_path: Path) -> None:
    async with returning(tmp_path) as door:
        await door.site.send("gone@yahoo.com")
        ledger = door.site.internet.ledger
        await door.site.until(lambda: ledger.accepted(SENDER), "the report arrives")
        (report,) = ledger.accepted(SENDER)
        assert report.sender == ""
        assert b"X-LPSE-Return-Path" not in report.content.partition(b"\r\n\r\n")[0]
