"""The fake internet over real sockets: its DNS by dnspython, its servers by smtplib."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from typing import Any
from unittest import mock

import dns.asyncresolver
import dns.resolver
import pytest

from relay.clock import SystemClock
from relay.lab import models
from relay.lab.internet import GMAIL, YAHOO, House, Internet

LETTER = b"From: lpse@lpse.example.go.id\r\nSubject: x\r\n\r\nisi\r\n"


def resolver(server: str) -> dns.asyncresolver.Resolver:
    """A real resolver that asks the lab's name server."""
    made = dns.asyncresolver.Resolver(configure=False)
    host, _, port = server.rpartition(":")
    made.nameservers, made.port, made.lifetime = [host], int(port), 5
    return made


async def test_dns_answers_mx_a_txt_nxdomain_and_a_failure() -> None:
    internet = Internet(
        SystemClock(), [House(GMAIL, "127.0.1.1", models.Gmail(), ("gmail.com", "a.example.co.id"))]
    )
    server, _ = await internet.start()
    internet.zone.txt["s1._domainkey.lpse.example.go.id"] = "v=DKIM1; p=" + "A" * 400
    internet.zone.broken.add("broken.example.id")
    internet.zone.domain("null.example.id", ".")
    ask = resolver(server)
    mx = await ask.resolve("gmail.com", "MX")
    assert [str(r.exchange) for r in mx] == [f"{GMAIL}."]
    assert [str(r) for r in await ask.resolve(GMAIL, "A")] == ["127.0.1.1"]
    assert [str(r.exchange) for r in await ask.resolve("null.example.id", "MX")] == ["."]
    txt = await ask.resolve("s1._domainkey.lpse.example.go.id", "TXT")
    assert len(b"".join(txt[0].strings)) == 411
    with pytest.raises(dns.resolver.NXDOMAIN):
        await ask.resolve("gmial.com", "MX")
    with pytest.raises(dns.resolver.NoAnswer):
        await ask.resolve("gmail.com", "A")
    with pytest.raises(dns.resolver.NoNameservers):
        await ask.resolve("broken.example.id", "MX")
    await internet.stop()


async def test_a_provider_takes_letters_over_tls_and_keeps_its_own_books() -> None:
    dead = frozenset({"gone@yahoo.com"})
    internet = Internet(
        SystemClock(), [House(YAHOO, "127.0.1.3", models.Yahoo(dead), ("yahoo.com",))]
    )
    _, port = await internet.start()

    def send(to: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.1.3", port, timeout=10) as client:
            client.starttls(context=context)
            client.sendmail("lpse@lpse.example.go.id", [to], LETTER)

    await asyncio.to_thread(send, "vendor@yahoo.com")
    with pytest.raises(smtplib.SMTPDataError, match="delivery error"):
        await asyncio.to_thread(send, "gone@yahoo.com")
    arrival = internet.ledger.accepted("vendor@yahoo.com")[0]
    assert (arrival.dkim, arrival.is_encrypted, arrival.content) == ("none", True, LETTER)
    assert internet.ledger.accepted("gone@yahoo.com") == []
    assert [refused[1] for refused in internet.ledger.refusals] == ["gone@yahoo.com"]
    await internet.stop()


async def test_a_forged_signature_is_seen_by_the_receiving_side() -> None:
    internet = Internet(SystemClock(), [House(YAHOO, "127.0.1.3", models.Yahoo(), ("yahoo.com",))])
    _, port = await internet.start()
    forged = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.id; s=s1; h=from; bh=AA==; b=AA==\r\n"

    def send() -> None:
        with smtplib.SMTP("127.0.1.3", port, timeout=10) as client:
            client.sendmail("lpse@lpse.example.go.id", ["vendor@yahoo.com"], forged + LETTER)

    await asyncio.to_thread(send)
    assert internet.ledger.arrivals[0].dkim == "fail"
    await internet.stop()


async def test_a_port_that_one_address_has_taken_is_left_for_another() -> None:
    """The first host's port is already taken at the second host's address: another is found."""
    hosts = [
        House(GMAIL, "127.0.1.1", models.Gmail(), ()),
        House(YAHOO, "127.0.1.3", models.Yahoo(), ()),
    ]
    internet = Internet(SystemClock(), hosts)
    taken: list[socket.socket] = []
    listen = asyncio.get_running_loop().create_server

    async def in_the_way(factory: Any, ip: str, port: int, **options: Any) -> asyncio.Server:
        if ip == "127.0.1.3" and not taken:
            taken.append(socket.create_server((ip, port)))
        return await listen(factory, ip, port, **options)

    with mock.patch.object(asyncio.get_running_loop(), "create_server", in_the_way):
        _, port = await internet.start()
    try:
        assert port != taken[0].getsockname()[1]
        for host in hosts:
            with socket.create_connection((host.ip, port), timeout=5):
                pass
    finally:
        taken[0].close()
        await internet.stop()
