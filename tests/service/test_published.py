"""A key whose record is wrong or missing is told of; a DNS that is silent is not blamed."""

from __future__ import annotations

import dns.asyncresolver
import pytest

from relay.clock import SystemClock
from relay.config import keys
from relay.lab.dns import NameServer, Zone
from relay.mail.dkim import Key, dns_record, load_key
from relay.service.published import Unanswered, compare, fault_of

DOMAIN = "lpse.example.go.id"
NAME = f"s1._domainkey.{DOMAIN}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """One key for all."""
    file = tmp_path_factory.mktemp("keys") / "s1.pem"
    keys.make(file, 1024)
    return load_key(file.read_bytes(), DOMAIN, "s1")


class Heard:
    """Alerts as they came."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def alert(self, name: str, detail: str) -> None:
        """See Alerts.alert."""
        self.names.append(name)


async def asked(zone: Zone) -> tuple[NameServer, dns.asyncresolver.Resolver]:
    """A name server with the zone, and a resolver for it."""
    server = NameServer(zone)
    host, _, port = (await server.start()).rpartition(":")
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [host], int(port), 2
    return server, resolver


async def test_what_is_published_is_held_against_the_key(key: Key) -> None:
    zone, clock = Zone(), SystemClock()
    server, resolver = await asked(zone)
    assert "is not published" in str(await fault_of(key, resolver, clock))
    zone.txt[NAME] = dns_record(key)
    assert await fault_of(key, resolver, clock) is None
    zone.txt[NAME] = dns_record(key).replace("p=", "p=AAAA")
    assert NAME in str(await fault_of(key, resolver, clock))
    zone.broken.add(NAME)
    with pytest.raises(Unanswered):
        await fault_of(key, resolver, clock)
    await server.stop()


async def test_only_a_wrong_record_is_an_alert(key: Key) -> None:
    zone, clock, heard = Zone(), SystemClock(), Heard()
    server, resolver = await asked(zone)
    (fault,) = await compare({DOMAIN: key}, resolver, heard, clock)
    assert f"{NAME} is not published" in fault
    assert heard.names == [f"dkim_record:{DOMAIN}"]
    zone.broken.add(NAME)
    assert await compare({DOMAIN: key}, resolver, heard, clock) == []
    assert len(heard.names) == 1
    await server.stop()
