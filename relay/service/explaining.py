"""Explaining: why a letter to an address goes when it goes, and until when the queue is through.

The sentences are shaping's own; `indonesian` says them in the language of those who run LPSE.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Final, Protocol

from relay.clock import Clock
from relay.control import ControlError, Unknown
from relay.mail import misspelt
from relay.mail.address import AddressError, parse
from relay.mail.delivery import Delivery, Failure, State
from relay.mail.envelope import sending_domain
from relay.mail.instant import HOUR, Instant, iso
from relay.mail.urgency import Urgency
from relay.scheduler.deadlines import by_the_wall, is_closed, through_at
from relay.service.selecting import mailbox_key
from relay.service.shapes import moment
from relay.shaping.base import Bound, Explained, Identity, Inside, Shaping
from relay.shaping.destination import Destination, Profile
from relay.shaping.warmup import Ahead
from relay.store.base import Backlog, Depth, QueueRow, Selector
from relay.transports.base import Route

EVERYTHING: Final = "*"
OWN: Final = 1_000  # of one address' letters are looked at
UNFINISHED: Final = frozenset(state for state in State if not state.is_final)

InsteadOf = Callable[[Destination], Route | None]
NotTried = Callable[[str, Urgency], Awaitable[str]]  # empty: it is tried


def explained(
    recipient: str,
    route: Route,
    found: Explained,
    backlog: Iterable[Backlog],
    urgency: Urgency,
    now: Instant,
    fallback: str | None = None,
    own: int = 0,
    same: Collection[str] = (),
) -> dict[str, Any]:
    """The answer of `explain`; the line there is: as urgent letters and more urgent ones, `own` of
    them to this very address. `same`: the domains that what is written for its own, or for its
    site, holds like it. Which of them goes before which is not known: flows share fairly,
    and a class that waits gets its turn; so the place is a new letter's. `fallback`: the host that
    kritis letters go by now, its own way being closed."""
    line = [row for row in backlog if row.urgency <= urgency]
    ahead = sum(row.count for row in line)
    like_it = sum(row.count for row in line if row.domain in same)
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
        "besides": _besides(route.destination.profile, found),
        "idle": list(found.idle),
        "learned_a_minute": found.learned,
        "borne_a_minute": found.ceiling,
        "connections": found.connections,
        "next_at": None if is_closed(found, now) else moment(found.next_at),
        "an_hour": found.an_hour,
        "names": [
            {"name": one.name, "until": moment(one.until), "why": one.why} for one in found.shut
        ],
        "position": ahead + 1,
        "ahead": ahead,
        "own": own,
        "through_at": _through(found, ahead, like_it, now),
    }


def _through(found: Explained, ahead: int, like_it: int, now: Instant) -> str | None:
    """When the line will have left; None where nobody knows: it is paused by hand, or has no
    limit."""
    if found.an_hour is None or found.next_at is None:
        return None
    if is_closed(found, now):
        return None
    return iso(through_at(found, ahead, now, like_it))


def _because(route: Route, found: Explained) -> str:
    if "://" in found.key:
        return "a route of relay.yaml leads there"
    hosts = ", ".join(host.name for host in route.hosts)
    if found.provider is not None:
        return f"all its MX hosts belong to {found.provider}: {hosts}"
    return f"its MX hosts belong to no one provider: {hosts}"


def _besides(profile: Profile, found: Explained) -> dict[str, Any]:
    """What binds there and is no rate; None or empty: no such limit, or not of that class. `where`
    has the file and the line of each, `inside` what is written for the domain itself or its
    site."""
    inner = found.inside
    hours = found.hours if inner is None else inner.hours
    return {
        "hours": None if hours is None else str(hours),
        "warmup": None if found.warmup is None else _warmup(found.warmup),
        "inside": []
        if inner is None
        else [
            {"name": whose.removeprefix("@"), "where": inner.places[whose]} | _warmup(ahead)
            for whose, ahead in inner.warmups
        ],
        "where": _places(profile, inner),
        "connections": profile.connections,
        "connection_rate": [str(rate) for rate in profile.connection_rates],
        "messages_per_connection": profile.messages_per_connection,
    }


def _places(profile: Profile, inner: Inside | None) -> dict[str, str]:
    """The file and the line of each."""
    named = {word: word for word in ("hours", "warmup", "connections", "messages_per_connection")}
    named["connection_rate"] = "connection_rates"
    found = {word: profile.place(of) for word, of in named.items() if getattr(profile, of)}
    if inner is not None and inner.where:
        found["hours"] = ", ".join(filter(None, (found.get("hours", ""), inner.where)))
    return found


def _warmup(ahead: Ahead) -> dict[str, Any]:
    return {
        "day": ahead.day + 1,
        "a_day": ahead.plan.of_day(ahead.day),
        "sent": ahead.sent,
        "ends_at": moment(ahead.ends_at),
        "is_frozen": ahead.is_frozen,
    }


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

    async def rows(
        self, selector: Selector, limit: int = 100, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.rows."""
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
        own = await self._own(recipient)
        if urgency is None:
            urgency = min((one.urgency for one in own), default=Urgency.MASSAL)
        route = await self._routes.route(recipient.rpartition("@")[2])
        if isinstance(route, Failure):
            told = f"{recipient}: where its mail goes cannot be told: {route.text}"
            raise ControlError(told + _perhaps(recipient))
        now, steady, destination = self._clock.now(), self._steady(), route.destination
        domain = recipient.rpartition("@")[2]
        found = by_the_wall(
            self._shaper.explain(destination, domain, steady, urgency), now - steady
        )
        found = replace(found, why=found.why or self._full(destination))
        if self._shaper.is_paused(EVERYTHING, steady):
            found = self._stopped(found, steady)
        other = self._instead_of(destination) if urgency is Urgency.KRITIS else None
        if other is not None:
            found = replace(found, why=self._by_fallback(destination, other, domain))
        there = {depth.domain for depth in await self._store.depths()}
        await self._routes.look_up(there)
        domains = [name for name in there if self._routes.key_of(name) == destination.key]
        backlog = await self._store.backlog(domains)
        by = None if other is None else other.destination.key
        is_own = [one.state is State.READY and one.urgency <= urgency for one in own]
        same = self._held_alike(domain, route, found, domains)
        shape = explained(recipient, route, found, backlog, urgency, now, by, sum(is_own), same)
        return shape | {"not_tried": await self._not_tried(recipient, urgency) or None}

    def _held_alike(
        self, domain: str, route: Route, found: Explained, domains: Iterable[str]
    ) -> set[str]:
        """The domains whose letters share what is written for the domain; or for its site, which
        all are of that have the same MX hosts."""
        if found.inside is None or not found.inside.is_of_site:
            return {domain}
        last = self._routes.last
        return {d for d in domains if (one := last(d)) is not None and one.hosts == route.hosts}

    async def _own(self, recipient: str) -> list[Delivery]:
        """What is unfinished of this very address."""
        wanted = Selector(recipient=mailbox_key(recipient), states=UNFINISHED)
        return [row.delivery for row in await self._store.rows(wanted, OWN)]

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
        return wait.why if wait else self._full(route.destination)

    def _stopped(self, found: Explained, steady: Instant) -> Explained:
        """Where everything is paused, it is."""
        until = self._shaper.shown(EVERYTHING, steady).paused_until
        is_short = until is not None and until < steady + HOUR
        return replace(found, state="paused", an_hour=found.an_hour if is_short else 0)

    def _full(self, to: Destination) -> str:
        """What it waits for where all connections are open; empty: for none."""
        now = self._steady()
        if not self._shaper.is_full(to, now):
            return ""
        n = self._shaper.connections(to, now)
        return f"{n} connections to {to.key} are open, as many as may be"

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


def _asked(params: dict[str, Any]) -> tuple[str, Urgency | None]:
    """The address, and the class where one is named. Raises Unknown that says what to write."""
    given = str(params.get("recipient", "")).strip()
    try:
        address = parse(given if "@" in given else f"postmaster@{given}")
        urgency = Urgency.of(str(params["class"])) if params.get("class") else None
    except (AddressError, ValueError) as error:
        raise Unknown(
            f"{given!r}: {error}" if isinstance(error, AddressError) else str(error)
        ) from None
    return str(address), urgency
