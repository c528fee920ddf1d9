"""Explaining: why a letter to an address goes when it goes, and until when the queue is through.

The sentences are shaping's own; `in_indonesian` says them in the language of those who run LPSE.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Final, Protocol

from relay.clock import Clock
from relay.control import ControlError, Unknown
from relay.mail import misspelt
from relay.mail.address import AddressError, parse
from relay.mail.delivery import Failure
from relay.mail.envelope import sending_domain
from relay.mail.instant import HOUR, Instant, iso
from relay.mail.urgency import Urgency
from relay.scheduler.deadlines import by_the_wall, through_at
from relay.service.shapes import moment
from relay.shaping.base import Bound, Explained, Identity, Shaping
from relay.shaping.destination import Destination
from relay.store.base import Backlog, Depth
from relay.suppression import BY_HAND
from relay.transports.base import Route

InsteadOf = Callable[[Destination], Route | None]
NotTried = Callable[[str, Urgency], Awaitable[str]]  # empty: it is tried

# Shaping's sentences and theirs; what is foreign in them (a reply) stays as it is.
_INDONESIAN: Final = tuple(
    (re.compile(pattern, re.DOTALL), said)
    for pattern, said in (
        (r"everything is paused: (.*)", r"semua pengiriman dihentikan sementara: \1"),
        (
            r"everything waits for one letter that asks: (.*)",
            r"semua menunggu satu surat percobaan: \1",
        ),
        (r"(\S+) is paused: (.*)", r"pengiriman ke \1 dihentikan sementara: \2"),
        (r"(\S+) is asked with one letter", r"\1 sedang dicoba dengan satu surat"),
        (r"(\S+) is sent to only at (.*)", r"\1 hanya dikirimi pada jam \2"),
        (
            r"the warm-up of (\S+): (\d+) on sending day (\d+)",
            r"pemanasan alamat untuk \1: \2 surat pada hari kirim ke-\3",
        ),
        (
            r"what (\S+) bore before it refused: (.*)",
            r"batas yang diterima \1 sebelum menolak: \2",
        ),
        (
            r"(\S+) is new to us: (\S+) a minute, rising as it bears them",
            r"\1 baru pertama kali dikirimi: \2 per menit, naik bertahap",
        ),
        (
            r"(\S+) is slow after a refusal: (\S+) a minute",
            r"\1 diperlambat setelah penolakan: \2 per menit",
        ),
        (
            r"(\S+) is paused, and kritis letters go by the fallback route (\S+)",
            r"pengiriman ke \1 dihentikan sementara; surat kritis lewat jalur cadangan \2",
        ),
        (r"the limit of connections to (\S+): (.*)", r"batas sambungan ke \1: \2"),
        (r"the limit of (\S+): (.*)", r"batas pengiriman \1: \2"),
        (
            r"(\d+) connections to (\S+) are open, as many as may be",
            r"\1 sambungan ke \2 sedang terbuka, sebanyak yang dibolehkan",
        ),
        (
            r"(\S+) is paused by the reaction (.*)",
            r"pengiriman ke \1 dihentikan sementara oleh aturan \2",
        ),
        (
            r"(\S+) is held to (\S+) by the reaction (.*)",
            r"pengiriman ke \1 dibatasi \2 oleh aturan \3",
        ),
        (r"a route of relay\.yaml leads there", r"sebuah rute di relay.yaml menuju ke sana"),
        (r"all its MX hosts belong to (\S+): (.*)", r"semua server MX-nya milik \1: \2"),
        (
            r"its MX hosts belong to no one provider: (.*)",
            r"server MX-nya bukan milik satu penyedia: \1",
        ),
    )
)
_NOT_TRIED: Final = re.compile(
    r"not tried: (.+?) since (\S+) \((.*)\)(; another letter asks at the moment)?", re.DOTALL
)
_CAUSES: Final = {
    "unknown_user": "alamat tidak terdaftar",
    "inactive_user": "alamat tidak aktif",
    "mailbox_full": "penyimpanan email penuh",
    "complaint": "dilaporkan sebagai spam",
    "on the list": "ada di daftar",
}
_BY_FALLBACK: Final = re.compile(r"by the fallback route (\S+): (.*)", re.DOTALL)


def in_indonesian(sentence: str) -> str:
    """The sentence in Bahasa Indonesia; one that is not shaping's own stays as it is."""
    by_fallback = _BY_FALLBACK.fullmatch(sentence)
    if by_fallback:
        return f"lewat jalur cadangan {by_fallback[1]}: {in_indonesian(by_fallback[2])}"
    not_tried = _NOT_TRIED.fullmatch(sentence)
    if not_tried:
        return _not_tried(*not_tried.groups())
    for pattern, said in _INDONESIAN:
        match = pattern.fullmatch(sentence)
        if match:
            return match.expand(said)
    return sentence


def _not_tried(cause: str, since: str, rule: str, asked: str | None) -> str:
    """See suppression.words; a rule's id stays as it is, for it is looked up by it."""
    said = _CAUSES.get(cause, cause)
    by = rule.replace(BY_HAND, "secara manual", 1) if rule.startswith(f"{BY_HAND}: ") else rule
    other = "; alamatnya sedang dicoba dengan surat lain" if asked else ""
    return f"tidak dicoba: {said} sejak {since} ({by}){other}"


def explained(
    recipient: str,
    route: Route,
    found: Explained,
    backlog: Iterable[Backlog],
    urgency: Urgency,
    now: Instant,
    fallback: str | None = None,
) -> dict[str, Any]:
    """The answer of `explain`; the line there is: as urgent letters and more urgent ones.
    `fallback`: the host that kritis letters go by now, its own way being closed."""
    ahead = sum(row.count for row in backlog if row.urgency <= urgency)
    hosts = [f"{host.name}:{host.port}" for host in route.hosts]
    return {
        "recipient": recipient,
        "class": urgency.word,
        "destination": found.key,
        "provider": found.provider,
        "hosts": hosts,
        "tls": route.tls,
        "because": _because(route, found),
        "state": found.state,
        "why": found.why,
        "fallback_route": fallback,
        "limits": [_bound(bound) for bound in found.bounds],
        "learned_a_minute": found.learned,
        "borne_a_minute": found.ceiling,
        "connections": found.connections,
        "next_at": None if _is_closed(found, now) else moment(found.next_at),
        "an_hour": found.an_hour,
        "names": [
            {"name": one.name, "until": moment(one.until), "why": one.why} for one in found.shut
        ],
        "position": ahead + 1,
        "ahead": ahead,
        "through_at": _through(found, ahead, now),
    }


def _through(found: Explained, ahead: int, now: Instant) -> str | None:
    """When the line will have left; None where nobody knows: it is paused by hand, or has no
    limit."""
    if found.an_hour is None or found.next_at is None:
        return None
    if _is_closed(found, now):
        return None
    return iso(through_at(found, ahead, now))


def _is_closed(found: Explained, now: Instant) -> bool:
    """True where it goes on when somebody says so: no letter an hour, and no time that is named."""
    is_closed = found.state == "paused" and found.an_hour == 0
    return is_closed and found.next_at is not None and found.next_at <= now + HOUR


def _because(route: Route, found: Explained) -> str:
    if "://" in found.key:
        return "a route of relay.yaml leads there"
    hosts = ", ".join(host.name for host in route.hosts)
    if found.provider is not None:
        return f"all its MX hosts belong to {found.provider}: {hosts}"
    return f"its MX hosts belong to no one provider: {hosts}"


def _bound(bound: Bound) -> dict[str, Any]:
    return {
        "name": bound.name,
        "limit": str(bound.rate),
        "used": bound.used,
        "free_at": moment(bound.free_at),
        "where": bound.where,
    }


class Backlogs(Protocol):
    """What is asked of the store."""

    async def depths(self) -> list[Depth]:
        """See Queue.depths."""
        ...

    async def backlog(self, domains: Collection[str]) -> list[Backlog]:
        """See Queue.backlog."""
        ...


class Routes(Protocol):
    """What is asked about where mail goes."""

    async def route(self, domain: str) -> Route | Failure:
        """See Router.route."""
        ...

    def last(self, domain: str) -> Route | None:
        """See Router.last."""
        ...

    async def look_up(self, domains: Iterable[str]) -> None:
        """See Directory.look_up."""
        ...

    def key_of(self, domain: str) -> str | None:
        """A domain's destination, None where it is not known yet."""
        ...


class Explainer:
    """Answers `explain`, and what a ready letter waits for."""

    def __init__(
        self,
        store: Backlogs,
        shaper: Shaping,
        routes: Routes,
        clock: Clock,
        steady: Callable[[], Instant],
        instead_of: InsteadOf = lambda destination: None,
        not_tried: NotTried | None = None,
        return_domain: Callable[[], str] = str,
    ) -> None:
        """The running relay's own; `steady`: the moment that shaping goes by; `instead_of`: see
        Fallback.instead_of; `not_tried`: why the suppression list keeps letters of a class from an
        address; `return_domain`: what stands in MAIL FROM now in place of a letter's own."""
        self._store = store
        self._shaper = shaper
        self._routes = routes
        self._clock = clock
        self._steady = steady
        self._instead_of = instead_of
        self._not_tried = not_tried or _tried
        self._return_domain = return_domain

    async def explain(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Route, limits, what binds now, and the line before a letter to that address."""
        recipient, urgency = _asked(params)
        route = await self._routes.route(recipient.rpartition("@")[2])
        if isinstance(route, Failure):
            told = f"{recipient}: where its mail goes cannot be told: {route.text}"
            raise ControlError(told + _perhaps(recipient))
        now, steady, destination = self._clock.now(), self._steady(), route.destination
        domain = recipient.rpartition("@")[2]
        found = by_the_wall(
            self._shaper.explain(destination, domain, steady, urgency), now - steady
        )
        other = self._instead_of(destination) if urgency is Urgency.KRITIS else None
        if other is not None:
            found = replace(found, why=self._by_fallback(destination, other, domain))
        there = {depth.domain for depth in await self._store.depths()}
        await self._routes.look_up(there)
        domains = [name for name in there if self._routes.key_of(name) == destination.key]
        backlog = await self._store.backlog(domains)
        by = None if other is None else other.destination.key
        shape = explained(recipient, route, found, backlog, urgency, now, by)
        return shape | {"not_tried": await self._not_tried(recipient, urgency) or None}

    def why_now(
        self, domain: str, urgency: Urgency, sender: str = "", from_domain: str = ""
    ) -> str:
        """What a ready letter waits for; empty where nothing is known to hold it."""
        route = self._routes.last(domain)
        if route is None:
            return ""
        other = self._instead_of(route.destination) if urgency is Urgency.KRITIS else None
        if other is not None:
            return self._by_fallback(route.destination, other, domain)
        us = Identity("", from_domain, sending_domain(sender, self._return_domain()))
        wait = self._shaper.peek(route.destination, domain, 1, self._steady(), 0, urgency, us)
        return wait.why if wait else ""

    def _by_fallback(self, own: Destination, other: Route, domain: str) -> str:
        """Which way it goes, or what it waits for there."""
        by = other.destination
        wait = self._shaper.peek(by, domain, 1, self._steady(), 0, Urgency.KRITIS)
        if wait is not None:
            return f"by the fallback route {by.key}: {wait.why}"
        return f"{own.key} is paused, and kritis letters go by the fallback route {by.key}"


def _perhaps(recipient: str) -> str:
    """A hint where the domain looks like a typing error."""
    found = misspelt.meant(recipient)
    return f"; perhaps {' or '.join(found)} was meant" if found else ""


async def _tried(recipient: str, urgency: Urgency) -> str:
    """Where nobody keeps a list."""
    return ""


def _asked(params: dict[str, Any]) -> tuple[str, Urgency]:
    """Raises Unknown that says what to write."""
    given = str(params.get("recipient", "")).strip()
    try:
        address = parse(given if "@" in given else f"postmaster@{given}")
        urgency = Urgency.of(str(params.get("class") or "transaksi"))
    except (AddressError, ValueError) as error:
        raise Unknown(
            f"{given!r}: {error}" if isinstance(error, AddressError) else str(error)
        ) from None
    return str(address), urgency
