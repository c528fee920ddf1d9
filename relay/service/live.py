"""Live: what the world sees of this relay — its name, PTR, SPF, DKIM and DMARC, and port 25."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

import dns.exception
import dns.resolver
import dns.reversename

from relay.clock import SystemClock
from relay.config import Config, Problem
from relay.mail.dkim import Key, SigningError, dns_record, public_matches, referee
from relay.service import live_returns
from relay.transports.lookup import async_resolver_of

PROBED: Final = "gmail.com"  # a domain whose MX takes connections from everywhere
SMTP_PORT: Final = 25
PATIENCE: Final = 10.0  # seconds for the connection

Ask = Callable[[str, str], Awaitable[list[str] | None]]


async def examine(config: Config) -> list[Problem]:
    """Every fault that DNS shows, each with the record to publish. Empty: nothing to mend."""
    resolver = async_resolver_of(config.settings.dns)

    async def ask(name: str, kind: str) -> list[str] | None:
        """The records; [] where there is none, None where DNS does not answer."""
        try:
            answer = await resolver.resolve(name, kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):
            return None
        if kind == "TXT":
            return [b"".join(r.strings).decode("utf-8", "replace") for r in answer]
        return [r.to_text().rstrip(".") for r in answer]

    found = await _host(config, ask)
    for key in config.keys.values():
        found += await _key(config, key, ask)
    domains = {entry.rpartition("@")[2].lstrip(".") for entry in config.settings.allowed_senders}
    for domain in sorted(domains):
        found += await _domain(config, domain, ask)
    found += await live_returns.examine(config, ask)
    if not config.settings.lab:
        found += await _port(config, ask)
    return found


async def _host(config: Config, ask: Ask) -> list[Problem]:
    """The name of HELO has an address, and the address' PTR leads back to it."""
    name = config.hostname
    addresses = await ask(name, "A")
    at = ("hostname",)
    if addresses is None:
        return [config.problem(at, f"DNS does not tell the address of {name}", "try again")]
    if not addresses:
        return [config.problem(at, f"{name} has no A record", "publish the relay's address")]
    found = []
    for address in addresses:
        pointer = str(dns.reversename.from_address(str(ip_address(address)))).rstrip(".")
        names = await ask(pointer, "PTR")
        if names is None:
            found.append(config.problem(at, f"DNS does not tell the PTR of {address}", "try again"))
        elif name not in names:
            said = ", ".join(names) or "missing"
            hint = f"ask the provider of {address} to set it to {name}"
            found.append(config.problem(at, f"the PTR of {address} is {said}", hint))
    return found


async def _key(config: Config, key: Key, ask: Ask) -> list[Problem]:
    """The published record lets the key sign."""
    records = await ask(key.record_name, "TXT")
    at = ("dkim",)
    if records is None:
        return [config.problem(at, f"DNS does not tell {key.record_name}", "try again")]
    if not records:
        return [config.problem(at, f"{key.record_name} is not published", dns_record(key))]
    if len(records) > 1:
        message = f"{key.record_name} has {len(records)} records: receivers may take any of them"
        return [config.problem(at, message, "leave the one that `keys check` prints")]
    differs = public_matches(records[0], key)
    if differs is None:
        try:
            referee(key, records[0].encode("ascii", "replace").decode(), SystemClock().now())
        except SigningError as error:
            differs = str(error)
    return [config.problem(at, f"{key.record_name}: {differs}", dns_record(key))] if differs else []


async def _domain(config: Config, domain: str, ask: Ask) -> list[Problem]:
    """A sender's domain publishes SPF and DMARC."""
    found = []
    for name, begins, hint in (
        (domain, "v=spf1", "v=spf1 ip4:THE-RELAY'S-ADDRESS -all"),
        (f"_dmarc.{domain}", "v=DMARC1", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"),
    ):
        records = await ask(name, "TXT")
        if records is None:
            message = f"DNS does not tell the TXT of {name}"
        elif sum(record.startswith(begins) for record in records) == 1:
            continue
        else:
            count = sum(record.startswith(begins) for record in records)
            message = f"{name} has {count or 'no'} {begins} record{'s' if count else ''}"
        found.append(config.problem(("allowed_senders",), message, hint))
    return found


async def _port(config: Config, ask: Ask) -> list[Problem]:
    """Port 25 is open outwards; many lines close it."""
    exchanges = await ask(PROBED, "MX")
    if not exchanges:
        return [config.problem(("dns",), f"DNS does not tell the MX of {PROBED}", "try again")]
    host = min(exchanges, key=lambda text: int(text.split()[0])).split()[1]
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, SMTP_PORT)
    except (OSError, TimeoutError):
        hint = f"ask the line's provider to open port {SMTP_PORT}, or use a smarthost in routes"
        return [config.problem((), f"port {SMTP_PORT} of {host} cannot be reached", hint)]
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return []
