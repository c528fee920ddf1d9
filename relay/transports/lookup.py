"""Lookup: MX and addresses from DNS, cached by their time to live, each asked once at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Generic, TypeVar

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver

from relay.clock import Clock
from relay.mail.delivery import Failure, FailureKind
from relay.transports.settings import DnsSettings, name_server
from relay.transports.turn import LoopTurn

SHORTEST: Final = 30.0  # seconds an answer is kept at least, so that a TTL of 0 is no storm
LONGEST: Final = 3600.0
CAPACITY: Final = 100_000
MAX_ALIASES: Final = 8
MAX_QUERIES: Final = 64  # under way at once: each holds a socket
# New ones to a turn of the loop: a query and its answer are half a millisecond's work. It spreads
# the answers, too: of a thousand look-ups the longest turn was 17 ms, and 27 with all 64 at once.
ASKED_AT_ONCE: Final = 8
T = TypeVar("T")


class LookupFailed(Exception):
    """DNS did not give it; ``failure`` says why, ``ttl`` for how many seconds that holds."""

    def __init__(self, failure: Failure, ttl: float = SHORTEST) -> None:
        super().__init__(failure.text)
        self.failure = failure
        self.ttl = ttl


def resolver_of(settings: DnsSettings) -> dns.resolver.Resolver:
    """A blocking resolver, for commands. Raises ValueError for a bad server, or for none."""
    return _configured(dns.resolver.Resolver, settings)


def async_resolver_of(settings: DnsSettings) -> dns.asyncresolver.Resolver:
    """The resolver of the running relay. Raises ValueError for a bad server, or for none."""
    return _configured(dns.asyncresolver.Resolver, settings)


R = TypeVar("R", bound=dns.resolver.BaseResolver)


def _configured(kind: type[R], settings: DnsSettings) -> R:
    try:
        resolver = kind(configure=not settings.servers)
    except dns.resolver.NoResolverConfiguration:
        raise ValueError("the system names no name server; write dns: {servers: [...]}") from None
    if settings.servers:
        resolver.nameservers = [server(text) for text in settings.servers]
    resolver.lifetime = settings.timeout.total_seconds()
    resolver.timeout = resolver.lifetime / 3  # of one server, so that others get their turn
    resolver.use_edns(0, 0, 1232)  # no fragments
    return resolver


def server(text: str) -> dns.nameserver.Nameserver:
    """A name server as settings write it. Raises ValueError."""
    return dns.nameserver.Do53Nameserver(*name_server(text))


class TtlCache(Generic[T]):
    """Values or failures by name, for a while; bounded: over it the oldest goes."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._kept: dict[str, tuple[float, T | Failure]] = {}
        self._asked: dict[str, asyncio.Task[T | Failure]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str) -> T | Failure | None:
        """What is kept and fresh; else None."""
        kept = self._kept.get(name)
        if kept is None or kept[0] <= self._clock.monotonic():
            return None
        return kept[1]

    def last(self, name: str) -> T | Failure | None:
        """What was found last, fresh or not."""
        kept = self._kept.get(name)
        return None if kept is None else kept[1]

    def all_last(self) -> Iterator[tuple[str, T | Failure]]:
        """All of it, with its names."""
        return ((name, found) for name, (_, found) in self._kept.items())

    async def fetch(self, name: str, ask: Callable[[], Awaitable[tuple[T, float]]]) -> T | Failure:
        """What is kept, or what ``ask`` gives with its TTL; asked once, however many wait."""
        found = self.get(name)
        if found is not None:
            return found
        task = self._asked.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(name, ask))
            self._asked[name] = task
        # A waiter that is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, name: str, ask: Callable[[], Awaitable[tuple[T, float]]]) -> T | Failure:
        found: T | Failure
        try:
            found, ttl = await ask()
        except LookupFailed as error:
            found, ttl = error.failure, error.ttl
        finally:
            self._asked.pop(name, None)
        self._kept.pop(name, None)
        if len(self._kept) >= self._capacity:
            del self._kept[next(iter(self._kept))]
        until = self._clock.monotonic() + min(max(ttl, SHORTEST), LONGEST)
        self._kept[name] = (until, found)
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """Records as text in DNS order; empty where the name has none of that type."""

    records: tuple[str, ...]
    ttl: float


class Lookup:
    """MX sets and addresses. Names are A-labels in lower case, without a trailing dot."""

    def __init__(
        self, resolver: dns.asyncresolver.Resolver, clock: Clock, is_ipv6: bool = False
    ) -> None:
        """``is_ipv6``: AAAA answers are given too, after the A ones."""
        self._resolver = resolver
        self._is_ipv6 = is_ipv6
        self._addresses: TtlCache[tuple[str, ...]] = TtlCache(clock)
        self._slots = asyncio.Semaphore(MAX_QUERIES)
        self._asking = LoopTurn(ASKED_AT_ONCE)

    async def mx(self, domain: str) -> tuple[list[tuple[int, str]], float]:
        """A domain's MX records, sorted, and their TTL; not cached here. Raises LookupFailed.

        Empty: the domain is there, without an MX. A null MX (RFC 7505) is ``(0, "")``.
        """
        answer = await self._ask(domain, "MX")
        pairs = (record.split(" ", 1) for record in answer.records)
        return sorted((int(p), host.rstrip(".").lower()) for p, host in pairs), answer.ttl

    async def addresses(self, host: str, is_route: bool = False) -> tuple[str, ...] | Failure:
        """A host's addresses, never none, or why there are none.

        ``is_route``: the host stands in `routes:`; an address is its own answer then, and names
        that the system alone knows (/etc/hosts) are found too.
        """
        literal = _literal(host)
        if literal is not None:
            if is_route:
                return (literal,)
            return Failure(FailureKind.FORBIDDEN_ADDRESS, f"the MX {host} is an address, no name")
        key = f"{host}/route" if is_route else host
        return await self._addresses.fetch(key, lambda: self._both(host, is_route))

    async def _both(self, host: str, is_route: bool) -> tuple[tuple[str, ...], float]:
        try:
            return await self._dns_addresses(host)
        except LookupFailed:
            if not is_route:
                raise
            try:
                return await _system_addresses(host, self._is_ipv6), SHORTEST
            except OSError:
                pass
            raise

    async def _dns_addresses(self, host: str) -> tuple[tuple[str, ...], float]:
        try:
            four = await self._ask(host, "A")
        except LookupFailed as error:
            if error.failure.kind is FailureKind.NXDOMAIN:
                error.failure = Failure(FailureKind.NO_ADDRESS, error.failure.text)
            raise
        if four.records and not self._is_ipv6:
            return four.records, four.ttl
        try:
            six = await self._ask(host, "AAAA")
        except LookupFailed:
            if not four.records:
                raise
            return four.records, SHORTEST  # a server that errs at AAAA (RFC 4074) has its A still
        ttl = min(four.ttl, six.ttl)
        if not four.records and not six.records:
            raise LookupFailed(Failure(FailureKind.NO_ADDRESS, f"{host} has no address"), ttl)
        if not self._is_ipv6:
            text = f"{host} has IPv6 addresses only (delivery.ipv6 is false)"
            raise LookupFailed(Failure(FailureKind.UNREACHABLE, text), ttl)
        return four.records + six.records, ttl

    async def _ask(self, name: str, kind: str) -> Answer:
        """Records of one type, aliases followed. Raises LookupFailed."""
        try:
            wanted = dns.name.from_text(name)
            for _ in range(MAX_ALIASES):
                async with self._slots:
                    await self._asking.take()
                    answer = await self._resolver.resolve(
                        wanted, kind, raise_on_no_answer=False, search=False
                    )
                ttl = float(answer.chaining_result.minimum_ttl)
                if answer.rrset is not None:
                    return Answer(tuple(item.to_text() for item in answer.rrset), ttl)
                if answer.canonical_name == wanted:
                    return Answer((), ttl)
                wanted = answer.canonical_name  # a server that did not follow its own alias
        except dns.resolver.NXDOMAIN as error:
            text = f"{name} does not exist (NXDOMAIN)"
            raise LookupFailed(Failure(FailureKind.NXDOMAIN, text), _negative_ttl(error)) from None
        except (dns.name.EmptyLabel, dns.name.LabelTooLong, dns.name.NameTooLong):
            text = f"{name} is no domain name"
            raise LookupFailed(Failure(FailureKind.NXDOMAIN, text), LONGEST) from None
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailed(Failure(FailureKind.DNS, unanswered(name, kind, error))) from None
        text = f"{name}: more than {MAX_ALIASES} aliases (CNAME)"
        raise LookupFailed(Failure(FailureKind.DNS, text))


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """How long the name stays missing (RFC 2308), the shortest where the answer does not say."""
    response = next(iter(error.kwargs.get("responses", {}).values()), None)
    if response is None:
        return SHORTEST
    try:
        return float(response.resolve_chaining().minimum_ttl)
    except dns.exception.DNSException:
        return SHORTEST


def unanswered(name: str, kind: str, error: Exception) -> str:
    """Why a look-up failed, in words: which name servers were asked, and what each of them did."""
    said = f"{kind} of {name}: "
    if isinstance(error, dns.resolver.LifetimeTimeout | dns.resolver.NoNameservers):
        tried = {one[0]: one for one in error.kwargs.get("errors", ())}  # the last word of each
        told = [_told(*one) for one in tried.values()]
        if told:
            return f"{said}{'; '.join(told)}"[:500]
        if isinstance(error, dns.resolver.LifetimeTimeout):
            return f"{said}no name server answered in time"
        return f"{said}the name servers failed (SERVFAIL or refused)"
    return f"{said}{type(error).__name__}: {error}"[:500]


def _server(shown: object, port: int) -> tuple[str, str]:
    """`Do53:192.0.2.1@53` of dnspython as the address, and as `192.0.2.1:53`."""
    host = str(shown).removeprefix("Do53:").rpartition("@")[0] or str(shown)
    return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _told(
    shown: object, is_tcp: bool, port: int, error: object, response: dns.message.Message | None
) -> str:
    """A name server, and what it did instead of answering."""
    host, name = _server(shown, port)
    if isinstance(error, ConnectionRefusedError):
        did = "refuses connections: nothing listens there"
    elif isinstance(error, dns.exception.Timeout):
        is_deaf = _is_nobody_there(host, port)
        did = "refuses connections: nothing listens there" if is_deaf else "did not answer in time"
    elif isinstance(error, OSError):
        did = f"cannot be reached: {error.strerror or error}"
    elif response is not None:
        did = f"answered {dns.rcode.to_text(response.rcode())}"
    else:
        did = f"failed: {error}"
    return f"{name} {did}"


def _is_nobody_there(host: str, port: int) -> bool:
    """Is nobody listening at a port of this host? A resolver's sockets are not told, and wait; an
    empty datagram of a connected one is, at once. Another host is not bothered: False."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if not address.is_loopback:
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.setblocking(False)
            probe.connect((host, port))
            probe.send(b"")
            probe.recv(1)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


async def _system_addresses(host: str, is_ipv6: bool) -> tuple[str, ...]:
    family = socket.AF_UNSPEC if is_ipv6 else socket.AF_INET
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
