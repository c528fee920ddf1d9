"""Real mail clients hand their letters in as LPSE's application and its neighbours do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.site import SENDER, inbox, site
from tests.peers import clients
from tests.peers.clients import Letter, Sent, Server

pytestmark = pytest.mark.peer("clients")

VENDOR = "vendor@yahoo.com"
CONTENT = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\n"
    b"To: vendor@yahoo.com\r\n"
    b"Subject: LPSE Unggah (upload) Dokumen Penawaran\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Dokumen telah kami terima.\r\n.\r\n..dua titik\r\nSelesai.\r\n"
)
LETTER = Letter(SENDER, (VENDOR,), CONTENT)


@pytest.mark.parametrize(
    "client",
    [
        clients.swaks,
        clients.curl_smtp,
        clients.msmtp,
        clients.nullmailer,
        clients.javamail,
        clients.commons_email,
        clients.phpmailer,
    ],
    ids=lambda client: client.__name__,
)
async def test_a_client_delivers(tmp_path: Path, client: Callable[[Server, Letter], Sent]) -> None:
    async with site(tmp_path) as world:
        sent = await asyncio.to_thread(client, Server(world.door[1]), LETTER)
        assert sent.exit_code == 0, sent.output
        await world.settled()
        (arrival,) = world.internet.ledger.accepted(VENDOR)
        assert arrival.dkim == "pass"
        assert b"Dokumen telah kami terima." in arrival.content
        (row,) = await inbox(tmp_path, VENDOR)
        assert row.state.word == "delivered"


@pytest.mark.peer("node")
async def test_nodemailer_closes_without_quit_and_delivers(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        sent = await asyncio.to_thread(clients.nodemailer, Server(world.door[1]), LETTER)
        assert sent.exit_code == 0, sent.output
        await world.settled()
        assert len(world.internet.ledger.accepted(VENDOR)) == 1


async def test_dot_lines_arrive_as_they_were_written(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await asyncio.to_thread(clients.curl_smtp, Server(world.door[1]), LETTER)
        await world.settled()
        (arrival,) = world.internet.ledger.accepted(VENDOR)
        assert arrival.content.endswith(b"\r\n.\r\n..dua titik\r\nSelesai.\r\n")


async def test_javamail_is_never_refused_one_recipient(tmp_path: Path) -> None:
    """sendpartial=false: one refused RCPT, and nobody would get the letter."""
    several = Letter(SENDER, (VENDOR, "gone@yahoo.com", "vendor@gmail.com"), CONTENT)
    async with site(tmp_path) as world:
        sent = await asyncio.to_thread(clients.javamail, Server(world.door[1]), several)
        assert sent.exit_code == 0, sent.output
        await world.settled()
        assert len(world.internet.ledger.accepted(VENDOR)) == 1
        assert len(world.internet.ledger.accepted("vendor@gmail.com")) == 1


async def test_two_hundred_threads_at_once_as_play_does_it(tmp_path: Path) -> None:
    def many() -> Sent:
        return clients.commons_email(Server(world.door[1]), LETTER, copies=200, separately=True)

    async with site(tmp_path) as world:
        sent = await asyncio.to_thread(many)
        assert sent.exit_code == 0, sent.output
        await world.settled()
        assert len(await inbox(tmp_path, VENDOR)) == 200
        assert len(world.internet.ledger.accepted(VENDOR)) == 200


async def test_a_thousand_recipients_in_one_message(tmp_path: Path) -> None:
    many = tuple(f"vendor{n}@yahoo.com" for n in range(1000))
    async with site(tmp_path) as world:
        sent = await asyncio.to_thread(
            clients.javamail, Server(world.door[1]), Letter(SENDER, many, CONTENT)
        )
        assert sent.exit_code == 0, sent.output
        await world.settled()
        arrived = [to for a in world.internet.ledger.arrivals for to in a.recipients]
        assert sorted(arrived) == sorted(many)
        ids = {
            line
            for a in world.internet.ledger.arrivals
            for line in a.content.split(b"\r\n\r\n")[0].split(b"\r\n")
            if line.lower().startswith(b"message-id:")
        }
        assert len(ids) == 1000  # the same id on many copies is itself a cause for a block
