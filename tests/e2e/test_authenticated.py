"""AUTH over STARTTLS, as a smart host's clients do it: real clients, users by the command line."""

from __future__ import annotations

import asyncio
import smtplib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.site import FAST, SENDER, Site, site
from tests.peers import clients
from tests.peers.certificates import self_signed
from tests.peers.clients import Letter, Sent, Server

pytestmark = pytest.mark.peer("clients")

USER, PASSWORD = "spse", "rahasia-sekali"
VENDOR = "vendor@yahoo.com"
LETTER = Letter(
    SENDER,
    (VENDOR,),
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@yahoo.com\r\n"
    b"Subject: LPSE Unggah (upload) Dokumen Penawaran\r\n\r\nDokumen telah kami terima.\r\n",
)
EXTRA = (
    FAST
    + """
trusted_networks: [192.0.2.1/32]
certificate: {certificate_file: certificate.pem, key_file: certificate.key}
auth: {enabled: true}
"""
)


def users(folder: Path, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """`lpse-relay users …` with the password on standard input."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "relay", "users", *words),
            *("--config", str(folder / "relay.yaml"), "--state", str(folder / "state")),
        ],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
    )


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[Site]:
    """A site that trusts nobody by address, with one user."""
    self_signed(folder, "127.0.0.1", "relay.lpse.example.go.id")
    async with site(folder, EXTRA, replacing={"tls: off": "tls: starttls"}) as world:
        added = await asyncio.to_thread(users, folder, "add", USER, typed=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
        yield world


def known(world: Site, password: str = PASSWORD, starttls: bool = True) -> Server:
    """The door as the user sees it."""
    return Server(world.door[1], user=USER, password=password, starttls=starttls)


@pytest.mark.parametrize(
    "client",
    [clients.swaks, clients.javamail, clients.curl_smtp, clients.msmtp, clients.phpmailer],
    ids=lambda client: client.__name__,
)
async def test_a_client_authenticates_and_delivers(
    tmp_path: Path, client: Callable[[Server, Letter], Sent]
) -> None:
    async with guarded(tmp_path) as world:
        sent = await asyncio.to_thread(client, known(world), LETTER)
        assert sent.exit_code == 0, sent.output
        await world.settled()
        (arrival,) = world.internet.ledger.accepted(VENDOR)
        assert arrival.dkim == "pass"
        (received,) = await world.logged("received")
        assert (received["user"], received["tls"][:3]) == (USER, "TLS")
        assert PASSWORD not in (tmp_path / "relay.log").read_text()


async def test_without_a_password_nothing_is_relayed(tmp_path: Path) -> None:
    async with guarded(tmp_path) as world:
        server = Server(world.door[1], starttls=True)
        sent = await asyncio.to_thread(clients.swaks, server, LETTER)
        assert sent.exit_code != 0
        assert "554 5.7.1" in sent.output
        assert (await world.queue())["total"] == 0


async def test_a_wrong_password_is_refused_and_javamail_says_so(tmp_path: Path) -> None:
    async with guarded(tmp_path) as world:
        sent = await asyncio.to_thread(clients.javamail, known(world, "tebakan"), LETTER)
        assert sent.exit_code != 0
        assert "535 5.7.8" in sent.output
        assert "tebakan" not in (tmp_path / "relay.log").read_text()


async def test_auth_is_not_offered_before_tls(tmp_path: Path) -> None:
    async with guarded(tmp_path) as world:
        plain = known(world, starttls=False)
        sent = await asyncio.to_thread(clients.swaks, plain, LETTER)
        assert sent.exit_code != 0
        before_tls = sent.output.split("Subject:")[0]
        assert "AUTH PLAIN" not in before_tls
        assert "STARTTLS" in before_tls


async def test_a_user_who_was_removed_gets_in_no_more(tmp_path: Path) -> None:
    async with guarded(tmp_path) as world:
        listed = await asyncio.to_thread(users, tmp_path, "ls")
        assert USER in listed.stdout
        removed = await asyncio.to_thread(users, tmp_path, "rm", USER)
        assert removed.returncode == 0

        def log_in() -> None:
            with smtplib.SMTP(*world.door, timeout=30) as client:
                client.starttls()
                client.login(USER, PASSWORD)

        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"535, b'5\.7\.8"):
            await asyncio.to_thread(log_in)
