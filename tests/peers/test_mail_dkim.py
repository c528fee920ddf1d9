"""Mail::DKIM passes what dkimpy signed, and only that, from given keys or from a name server."""

from __future__ import annotations

import asyncio
import functools
from typing import cast

import dkim
import dns.message
import dns.rrset
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.peers.mail_dkim import Judged, verify

pytestmark = pytest.mark.peer("clients")

NAME = "s1._domainkey.lpse.example.go.id"
LETTER = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@example.co.id\r\n"
    b"Subject: LPSE Pengumuman Pembatalan Lelang\r\n\r\nKepada Yth.\r\n\r\n\r\n"
)


@functools.cache
def signed() -> tuple[bytes, str]:
    """A letter signed by dkimpy, and the record to publish."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = "v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1]).decode()
    canonical = (b"relaxed", b"relaxed")
    field: bytes = dkim.sign(LETTER, b"s1", b"lpse.example.go.id", pem, canonicalize=canonical)
    return field + LETTER, record


def test_passes_what_was_signed() -> None:
    content, record = signed()
    assert verify(content, keys={NAME: record}) == [
        Judged("lpse.example.go.id", "s1", "pass", "pass")
    ]


def test_fails_what_was_changed() -> None:
    content, record = signed()
    (body,) = verify(content.replace(b"Yth.", b"Yth!"), keys={NAME: record})
    assert (body.result, body.detail) == ("fail", "fail (body has been altered)")
    (header,) = verify(content.replace(b"Pembatalan", b"Penetapan"), keys={NAME: record})
    assert not header.has_passed


def test_knows_no_other_key() -> None:
    content, record = signed()
    (judged,) = verify(content, keys={"s2._domainkey.lpse.example.go.id": record})
    assert (judged.result, judged.detail) == ("invalid", "invalid (public key: not available)")
    assert verify(LETTER, keys={NAME: record}) == []


class Zone(asyncio.DatagramProtocol):
    """A name server with one TXT record."""

    def __init__(self, record: str) -> None:
        self._record = record

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        pieces = [self._record[at : at + 255] for at in range(0, len(self._record), 255)]
        text = " ".join(f'"{piece}"' for piece in pieces)
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", text))
        self._transport.sendto(answer.to_wire(), address)


async def test_asks_a_name_server() -> None:
    content, record = signed()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Zone(record), local_addr=("127.0.0.1", 0)
    )
    try:
        port = transport.get_extra_info("sockname")[1]
        server = ("127.0.0.1", port)
        (judged,) = await asyncio.to_thread(verify, content, name_server=server)
        assert judged.has_passed
    finally:
        transport.close()
