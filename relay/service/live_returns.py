"""Live, of the return path: its MX leads here, its SPF names us, and DMARC goes with it.

SPF is judged by the envelope sender's domain; where that is the return domain, DMARC (RFC 7489
3.1.2) takes SPF's pass only if both domains are aligned. The organizational domain is not looked up
in any list: the same domain, or one below the other, is aligned for sure; anything else is told,
with what it rests on then.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from relay.config import Config, Problem
from relay.mail.address import parse_domain

Ask = Callable[[str, str], Awaitable[list[str] | None]]

AT: Final = ("return_path", "domain")
_STRICT: Final = re.compile(r"(?:^|;)\s*aspf\s*=\s*s\s*(?:;|$)", re.IGNORECASE)


async def examine(config: Config, ask: Ask) -> list[Problem]:
    """Every fault of the return domain that DNS shows; none where no domain is set."""
    written = config.settings.return_path.domain
    if written is None:
        return []
    domain = parse_domain(written).name
    found = [*await _mx(config, domain, ask), *await _spf(config, domain, ask)]
    senders = {entry.rpartition("@")[2].lstrip(".") for entry in config.settings.allowed_senders}
    for sender in sorted(senders):
        found += await _alignment(config, domain, sender.lower(), ask)
    return found


async def _mx(config: Config, domain: str, ask: Ask) -> list[Problem]:
    """Its mail comes to this host: by name, or by the address that the name has."""
    exchanges = await ask(domain, "MX")
    hint = f"{domain}. MX 10 {config.hostname}."
    if exchanges is None:
        return [config.problem(AT, f"DNS does not tell the MX of {domain}", "try again")]
    if not exchanges:
        return [config.problem(AT, f"{domain} has no MX: nothing comes back", hint)]
    hosts = [text.split()[-1].rstrip(".").lower() for text in exchanges]
    if config.hostname.lower() in hosts:
        return []
    ours = set(await ask(config.hostname, "A") or ())
    for host in hosts:
        if ours & set(await ask(host, "A") or ()):
            return []
    message = f"the MX of {domain} is {', '.join(hosts)}: what comes back does not come here"
    return [config.problem(AT, message, hint)]


async def _spf(config: Config, domain: str, ask: Ask) -> list[Problem]:
    """One SPF record, and where it says addresses, ours is among them."""
    hint = "v=spf1 ip4:THE-RELAY'S-ADDRESS -all"
    records = await ask(domain, "TXT")
    if records is None:
        return [config.problem(AT, f"DNS does not tell the TXT of {domain}", "try again")]
    spf = [record for record in records if re.match(r"v=spf1(?: |$)", record, re.IGNORECASE)]
    if len(spf) != 1:
        count = f"{len(spf)} v=spf1 records" if spf else "no v=spf1 record"
        return [config.problem(AT, f"{domain} has {count}: every letter leaves under it", hint)]
    ours = await ask(config.hostname, "A") or []
    if ours and _names_nobody_else(spf[0]) and not any(f"ip4:{one}" in spf[0] for one in ours):
        message = f"the SPF record of {domain} does not name {', '.join(ours)}"
        return [config.problem(AT, message, f"v=spf1 ip4:{ours[0]} -all")]
    return []


def _names_nobody_else(record: str) -> bool:
    """True where only single addresses are named: a network, `a`, `mx` or `include` may hold us."""
    terms = [term.lstrip("+-~?").lower() for term in record.split()[1:]]
    return all(term == "all" or re.fullmatch(r"ip[46]:[^/]+", term) for term in terms)


async def _alignment(config: Config, domain: str, sender: str, ask: Ask) -> list[Problem]:
    """The From domain's DMARC takes the return domain's SPF."""
    if domain == sender:
        return []
    is_below = domain.endswith(f".{sender}") or sender.endswith(f".{domain}")
    policy = "".join(await ask(f"_dmarc.{sender}", "TXT") or ())
    if is_below and not _STRICT.search(policy):
        return []
    why = "its DMARC record says aspf=s" if is_below else "it is no sub-domain of the other"
    rest = (
        "DMARC rests on DKIM alone then"
        if sender in config.keys
        else "no DKIM key signs for it: its letters fail DMARC"
    )
    message = f"SPF of {domain} is not aligned with From @{sender} ({why}); {rest}"
    hint = "aspf=r" if is_below else f"domain: bounce.{sender}"
    return [config.problem(AT, message, hint)]
