"""What the world sees of the relay, asked of a real name server on loopback."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.rdatatype
import pytest

from relay.config import Config, keys, load
from relay.lab.dns import NameServer, Zone
from relay.mail.dkim import dns_record
from relay.service import live

NAME = "relay.lpse.example.go.id"
DOMAIN = "lpse.example.go.id"
REVERSE = "7.2.0.192.in-addr.arpa"


@dataclass(slots=True)
class Reversed(Zone):
    """A zone with PTR records too."""

    ptr: dict[str, str] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        return name in self.ptr or Zone.knows(self, name)

    def texts(self, name: str, kind: dns.rdatatype.RdataType) -> list[str]:
        if kind == dns.rdatatype.PTR:
            return [f"{self.ptr[name]}."] if name in self.ptr else []
        return Zone.texts(self, name, kind)


def zone_of(config: Config) -> Reversed:
    """Everything published as it should be."""
    zone = Reversed()
    zone.host(NAME, "192.0.2.7")
    zone.ptr[REVERSE] = NAME
    zone.txt[DOMAIN] = "v=spf1 ip4:192.0.2.7 -all"
    zone.txt[f"_dmarc.{DOMAIN}"] = f"v=DMARC1; p=none; rua=mailto:postmaster@{DOMAIN}"
    for key in config.keys.values():
        zone.txt[key.record_name] = dns_record(key)
    return zone


@dataclass
class Site:
    config: Config
    zone: Reversed

    async def found(self) -> list[str]:
        """The problems as they are printed, without file and line."""
        found = await live.examine(self.config)
        assert {p.file for p in found} <= {str(self.config.file)}
        return [
            f"{p.key}: {p.message}" + (f" | {p.suggestion}" * bool(p.suggestion)) for p in found
        ]


@asynccontextmanager
async def published(folder: Path) -> AsyncIterator[Site]:
    zone = Reversed()
    server = NameServer(zone)
    address = await server.start()
    keys.make(folder / "s1.pem", 1024)
    (folder / "relay.yaml").write_text(
        f"hostname: {NAME}\nlab: true\nallowed_senders: ['@{DOMAIN}']\n"
        f"dkim: [{{domain: {DOMAIN}, selector: s1, key_file: s1.pem}}]\n"
        f"dns: {{servers: ['{address}'], timeout: 2s}}\n"
    )
    config = load(folder / "relay.yaml")
    full = zone_of(config)
    zone.a, zone.txt, zone.ptr = full.a, full.txt, full.ptr
    try:
        yield Site(config, zone)
    finally:
        await server.stop()


async def test_a_relay_that_is_published_right_has_no_problem(tmp_path: Path) -> None:
    async with published(tmp_path) as site:
        assert await site.found() == []


async def test_what_is_missing_is_named_with_what_to_publish(tmp_path: Path) -> None:
    async with published(tmp_path) as site:
        record = site.zone.txt[f"s1._domainkey.{DOMAIN}"]
        site.zone.txt.clear()
        site.zone.ptr.clear()
        assert await site.found() == [
            "hostname: the PTR of 192.0.2.7 is missing"
            f" | ask the provider of 192.0.2.7 to set it to {NAME}",
            f"dkim: s1._domainkey.{DOMAIN} is not published | {record}",
            f"allowed_senders: {DOMAIN} has no v=spf1 record | v=spf1 ip4:THE-RELAY'S-ADDRESS -all",
            f"allowed_senders: _dmarc.{DOMAIN} has no v=DMARC1 record"
            f" | v=DMARC1; p=none; rua=mailto:postmaster@{DOMAIN}",
        ]


async def test_no_address_a_foreign_ptr_and_another_key(tmp_path: Path) -> None:
    async with published(tmp_path) as site:
        site.zone.ptr[REVERSE] = "host-7.provider.example"
        site.zone.txt[f"s1._domainkey.{DOMAIN}"] = "v=DKIM1; k=rsa; p="
        found = await site.found()
        assert found[0].startswith("hostname: the PTR of 192.0.2.7 is host-7.provider.example")
        assert found[1].startswith(f"dkim: s1._domainkey.{DOMAIN}: ")
        assert len(found) == 2
        site.zone.a.clear()
        assert (await site.found())[0].startswith(f"hostname: {NAME} has no A record")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (NAME, f"hostname: DNS does not tell the address of {NAME}"),
        (REVERSE, "hostname: DNS does not tell the PTR of 192.0.2.7"),
        (f"s1._domainkey.{DOMAIN}", f"dkim: DNS does not tell s1._domainkey.{DOMAIN}"),
        (DOMAIN, f"allowed_senders: DNS does not tell the TXT of {DOMAIN}"),
    ],
)
async def test_a_name_server_that_fails_is_not_a_missing_record(
    tmp_path: Path, broken: str, says: str
) -> None:
    async with published(tmp_path) as site:
        site.zone.broken.add(broken)
        found = await site.found()
        assert len(found) == 1
        assert found[0].startswith(says)


async def test_port_25_is_tried_only_by_a_real_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with published(tmp_path) as site:
        text = site.config.file.read_text().replace("lab: true\n", "lab: false\n")
        site.config.file.write_text(text)
        site.config = load(site.config.file)
        assert "dns: DNS does not tell the MX of gmail.com" in (await site.found())[-1]
        site.zone.domain("gmail.com", "localhost")
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))  # nobody listens there
            port = deaf.getsockname()[1]
            monkeypatch.setattr(live, "SMTP_PORT", port)
            assert f"port {port} of localhost cannot be reached" in (await site.found())[-1]
