"""Postfix receives, refuses, encrypts and relays with OpenDKIM as its driver promises."""

from __future__ import annotations

import smtplib
import ssl
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.peers.certificates import self_signed
from tests.peers.postfix import Postfix, PostfixRelay

pytestmark = pytest.mark.peer("postfix")

LETTER = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@example.co.id\r\n"
    b"Subject: LPSE Pengumuman Pembatalan Lelang\r\nDate: Tue, 4 Oct 2011 14:11:00 +0700\r\n"
    b"Message-ID: <1@lpse.example.go.id>\r\n\r\nKepada Yth.\r\n.dot\r\n"
)


def test_receives_refuses_and_limits(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")
    replies = {
        "dead@example.co.id": "550 5.1.1 User unknown",
        "slow@example.co.id": "451 4.7.1 Greylisted",
    }
    with (
        Postfix(certificate=certificate, replies=replies, size_limit=20_000) as server,
        smtplib.SMTP(server.address, server.port, timeout=20) as client,
    ):
        context = ssl.create_default_context(cafile=str(certificate.certificate_file))
        client.starttls(context=context)
        client.ehlo("relay.lpse.example.go.id")
        assert client.has_extn("pipelining")
        assert client.esmtp_features["size"] == "20000"
        refused = client.sendmail(
            "lpse@lpse.example.go.id", ["vendor@example.co.id", *replies], LETTER
        )
        assert {who: code for who, (code, _) in refused.items()} == {
            "dead@example.co.id": 550,
            "slow@example.co.id": 451,
        }
        assert refused["dead@example.co.id"][1].startswith(b"5.1.1 <dead@example.co.id>")
        with pytest.raises(smtplib.SMTPSenderRefused, match="552"):
            client.sendmail("lpse@lpse.example.go.id", ["vendor@example.co.id"], b"x" * 20_001)
        (letter,) = server.await_arrived(1)
        assert (letter.sender, letter.recipient) == (
            "lpse@lpse.example.go.id",
            "vendor@example.co.id",
        )
        assert letter.content == LETTER
        assert b"TLSv1.3" in letter.received


def test_can_be_without_pipelining_and_discard() -> None:
    with (
        Postfix(pipelining=False, discard=True, address="127.0.1.9") as server,
        smtplib.SMTP(server.address, server.port, timeout=20) as client,
    ):
        client.ehlo()
        assert not client.has_extn("pipelining")
        assert not client.has_extn("starttls")
        client.sendmail("<>", ["vendor@example.co.id"], LETTER)
        assert server.arrived() == []


def test_two_run_at_once_and_nothing_stays() -> None:
    with Postfix() as one, Postfix() as other:
        assert one.port != other.port
        assert one.home != other.home
        for server in (one, other):
            with smtplib.SMTP(server.address, server.port, timeout=20) as client:
                client.sendmail("a@example.net", ["vendor@example.co.id"], LETTER)
            server.await_arrived(1)
        homes = [one.home, other.home]
    assert not any(home.exists() for home in homes)


def test_relays_and_signs_with_opendkim() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1])
    with Postfix() as server, PostfixRelay(server.port, key_pem=pem) as relay:
        with smtplib.SMTP(relay.address, relay.port, timeout=20) as client:
            client.sendmail("lpse@lpse.example.go.id", ["vendor@example.co.id"], LETTER)
        (letter,) = server.await_arrived(1)
        assert letter.content.count(b"DKIM-Signature:") == 1
        names: list[bytes] = []

        def record_of(name: bytes, timeout: int = 5) -> bytes:
            names.append(name)
            return record

        assert dkim.verify(letter.content, dnsfunc=record_of)
        assert names == [b"s1._domainkey.lpse.example.go.id."]
        assert relay.queued() == 0


def test_starts_again_on_its_queue() -> None:
    with Postfix() as server, PostfixRelay(1) as relay:
        with smtplib.SMTP(relay.address, relay.port, timeout=20) as client:
            client.sendmail("lpse@lpse.example.go.id", ["vendor@example.co.id"], LETTER)
        assert relay.queued() == 1
        relay.stop()
        relay.configure(relayhost=f"[127.0.0.1]:{server.port}")
        relay.start()
        (letter,) = server.await_arrived(1)
        assert letter.recipient == "vendor@example.co.id"
