"""Published: each key's DNS record held against the key, with dkimpy as the referee."""

from __future__ import annotations

from collections.abc import Mapping

import dns.asyncresolver
import dns.exception
import dns.resolver

from relay.clock import Clock
from relay.filters.base import Alerts
from relay.mail.dkim import Key, SigningError, dns_record, public_matches, referee
from relay.transports.lookup import unanswered


class Unanswered(Exception):
    """DNS does not tell."""


async def fault_of(key: Key, resolver: dns.asyncresolver.Resolver, clock: Clock) -> str | None:
    """None where the published record lets the key sign, and dkimpy agrees; else what is wrong.

    Raises Unanswered where DNS gives no answer at all.
    """
    try:
        answer = await resolver.resolve(key.record_name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return f'{key.record_name} is not published; add: "{dns_record(key)}"'
    except (dns.exception.DNSException, OSError) as error:
        raise Unanswered(unanswered(key.record_name, "TXT", error)) from error
    records = [b"".join(record.strings).decode("ascii", "replace") for record in answer]
    if len(records) != 1:
        return f"{key.record_name} has {len(records)} records; exactly one must stand there"
    differs = public_matches(records[0], key)
    if differs is not None:
        return f"{key.record_name}: {differs}"
    try:
        referee(key, records[0], clock.now())
    except SigningError as error:
        return f"{key.record_name}: {error}"
    return None


async def compare(
    keys: Mapping[str, Key], resolver: dns.asyncresolver.Resolver, alerts: Alerts, clock: Clock
) -> list[str]:
    """An alert for each key whose record would make the world refuse our signature; returns what
    is wrong with them."""
    faults: list[str] = []
    for domain, key in keys.items():
        try:
            fault = await fault_of(key, resolver, clock)
        except Unanswered:
            continue  # DNS has its own alerts; a record that is not seen is not a wrong one
        if fault is not None:
            alerts.alert(f"dkim_record:{domain}", fault)
            faults.append(fault)
    return faults
