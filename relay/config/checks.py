"""Checks across keys: what no single value shows, found before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from relay.config import alerting
from relay.config.keys import faults
from relay.config.places import places
from relay.config.settings import RelaySettings
from relay.config.written import Read
from relay.ingress.settings import MOST_HANDED_OVER, ListenSettings
from relay.mail import address
from relay.shaping.settings import LifeSettings
from relay.strict_yaml import Problem

LAB_ONLY: Final = "short time constants are for a laboratory: set lab: true, or write at least 1m"
SHORTEST: Final = timedelta(minutes=1)
MAX_PATH: Final = 107  # a unix socket's name holds 108 octets (unix(7))

Path_ = tuple[str | int, ...]
Found = Iterator[tuple[Path_, str, str]]  # key, message, suggestion


def across(read: Read, state: Path | None) -> list[Problem]:
    """Every fault that lies between keys. A check is left out where a key that it goes by holds a
    faulty value: that is said already, and what would follow from a default may not be true."""
    checks: tuple[tuple[Callable[[RelaySettings], Found], tuple[str, ...]], ...] = (
        (_hostname, ("hostname", "lab")),
        (_senders, ("allowed_senders",)),
        (_listeners, ("listen", "certificate", "auth")),
        (_wide_networks, ("listen", "trusted_networks")),
        (_auth, ("listen", "auth")),
        (_workers, ("workers", "ingress")),
        (_return_path, ("return_path", "listen", "lab")),
        (_store, ("store",)),
        (_laboratory, ("lab",)),
        (_pauses, ("pause",)),
        (_schedule, ("retry",)),
        (_filters, ("filters", "dkim")),
        (lambda _: _certificate_files(read), ("certificate",)),
        (lambda _: _password_files(read), ("routes", "fallback_route")),
        (lambda _: _places(read, state), ("control", "state_dir")),
        (lambda _: alerting.faults(read), ("alerts", "listen")),
    )
    sound = [check for check, goes_by in checks if not read.main.is_spoilt(*goes_by)]
    return [read.main.problem(*fault) for check in sound for fault in check(read.settings)]


def _hostname(settings: RelaySettings) -> Found:
    name = settings.hostname
    if name is None:
        if not settings.lab:
            yield (), "hostname is missing", "the PTR name of the address that you send from"
        return
    fault = hostname_fault(name)
    if fault is not None:
        yield ("hostname",), f"{name!r} is no host name: {fault}", ""
        return
    domain = address.parse(f"postmaster@{name}").domain
    if not settings.lab and (domain.is_single_label or domain.is_literal):
        yield ("hostname",), f"{name!r} is no full name", "write relay.lpse.example.go.id"


def hostname_fault(name: str) -> str | None:
    """What keeps a text from being a host's name; None where nothing does."""
    try:
        address.parse(f"postmaster@{name}")
    except address.AddressError as error:
        return str(error)
    return None


def _senders(settings: RelaySettings) -> Found:
    for n, entry in enumerate(settings.allowed_senders):
        fault = sender_fault(entry)
        if fault is not None:
            is_domain = "@" not in entry and any(map(str.isalpha, entry))
            hint = f'write "@{entry}"' if is_domain else ""
            yield ("allowed_senders", n), fault, hint


def sender_fault(entry: str) -> str | None:
    """What is wrong with an entry of `allowed_senders`; None where nothing is."""
    if "@" not in entry:
        return f"{entry!r} has no @"
    try:
        address.allowed_entry(entry)
    except address.AddressError as error:
        return f"neither @domain nor an address: {error}"
    return None


def _listeners(settings: RelaySettings) -> Found:
    if not settings.listen:
        yield ("listen",), "nothing would listen", 'write {address: "127.0.0.1:2525"}'
    seen = set()
    for n, listener in enumerate(settings.listen):
        at: Path_ = ("listen", n)
        fault = endpoint_fault(listener.address)
        if fault:
            yield (*at, "address"), fault, 'write "127.0.0.1:2525", "[::1]:2525" or systemd:NAME'
        elif listener.address in seen and not listener.address.endswith(":0"):
            yield (*at, "address"), f"{listener.address} stands twice", ""
        seen.add(listener.address)
        if listener.tls != "off" and settings.certificate.certificate_file is None:
            yield (*at, "tls"), f"tls: {listener.tls} needs certificate.certificate_file", ""
        if not fault and _is_open(listener, settings) and not listener.i_know:
            yield (
                at,
                f"{listener.address} is reachable from outside, and nobody must authenticate",
                "auth: {enabled: true}, or i_know: true",
            )


def _wide_networks(settings: RelaySettings) -> Found:
    known = all(listener.i_know for listener in settings.listen)
    for n, network in enumerate(settings.trusted_networks):
        narrowest = 24 if network.version == 4 else 64
        if network.prefixlen < narrowest and not network.is_loopback and not known:
            yield (
                ("trusted_networks", n),
                f"{network} is wider than /{narrowest}: all of it may relay",
                "name the application's own address, or i_know: true on each listener",
            )


def _is_open(listener: ListenSettings, settings: RelaySettings) -> bool:
    host = listener.address.rpartition(":")[0].strip("[]")
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost" or listener.address.startswith("systemd:")
    return not is_loopback and not settings.auth.enabled


def endpoint_fault(text: str) -> str | None:
    """What is wrong with `host:port`, `[v6]:port` or `systemd:NAME`; None where nothing is."""
    host, colon, port = text.rpartition(":")
    if host == "systemd":
        return None if port else "systemd: needs the socket's name"
    if not colon or not (port.isascii() and port.isdigit()):
        return f"{text!r} has no port"
    if fault := port_fault(text):
        return fault
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        if host != "localhost":
            return f"{host!r} is no IP address"
    return None


def port_fault(text: str) -> str | None:
    """What is wrong with the port of `host:port`, where one stands; None where nothing is."""
    port = text.rpartition(":")[2]
    if port.isascii() and port.isdigit() and (len(port) > 5 or int(port) > 65_535):
        return f"{text!r}: port must be 1–65535"
    return None


def _return_path(settings: RelaySettings) -> Found:
    wanted = settings.return_path
    at: Path_ = ("return_path",)
    if wanted.domain is None:
        if wanted.listen:
            hint = "domain: bounce.lpse.example.go.id"
            yield (*at, "listen"), "nothing comes back without return_path.domain", hint
        return
    fault = hostname_fault(wanted.domain)
    if fault is not None:
        yield (*at, "domain"), f"{wanted.domain!r} is no domain: {fault}", ""
    elif not settings.lab and address.parse_domain(wanted.domain).is_single_label:
        yield (*at, "domain"), f"{wanted.domain!r} is no full name", ""
    seen = {listener.address for listener in settings.listen}
    for n, endpoint in enumerate(wanted.listen):
        if fault := endpoint_fault(endpoint):
            yield (*at, "listen", n), fault, 'write "0.0.0.0:25", "[::]:25" or systemd:NAME'
        elif endpoint in seen and not endpoint.endswith(":0"):
            yield (*at, "listen", n), f"{endpoint} is a listener already", ""
        seen.add(endpoint)


def _auth(settings: RelaySettings) -> Found:
    wants_tls = all(listener.tls == "off" for listener in settings.listen)
    if settings.auth.enabled and wants_tls and not settings.auth.plaintext_on_trusted:
        yield ("auth",), "AUTH needs a listener with TLS", "tls: starttls, or plaintext_on_trusted"


def _workers(settings: RelaySettings) -> Found:
    """Each has its part of the sessions, strangers half of that; a letter goes in one frame."""
    count, ingress = settings.workers, settings.ingress
    if ingress.max_sessions < 2 * count:
        message = f"{count} workers share {ingress.max_sessions} sessions: each needs two"
        yield ("workers",), message, f"ingress: {{max_sessions: {2 * count}}}, or fewer workers"
    if count and ingress.size_limit > MOST_HANDED_OVER:
        message = f"workers hand over letters of at most {MOST_HANDED_OVER >> 20} MiB"
        yield ("ingress", "size_limit"), message, "a smaller size_limit, or workers: 0"


def _store(settings: RelaySettings) -> Found:
    if settings.store.startswith(("postgresql://", "postgres://")):
        yield ("store",), "PostgreSQL is not served by this version", "store: sqlite"
    elif settings.store != "sqlite":
        yield ("store",), f"unknown store {settings.store!r}", "store: sqlite"


def _laboratory(settings: RelaySettings) -> Found:
    if settings.lab:
        return
    if settings.testing_smtp_port != 25:
        yield ("testing_smtp_port",), "is for tests only", "25, or lab: true"
    for name in ("throttle", "block", "administrative", "longest"):
        if getattr(settings.pause, name) < SHORTEST:
            yield ("pause", name), LAB_ONLY, ""
    for n, step in enumerate(settings.retry.schedule):
        if step < SHORTEST:
            yield ("retry", "schedule", n), LAB_ONLY, ""
    if settings.fallback_route is not None and settings.fallback_route.after < SHORTEST:
        yield ("fallback_route", "after"), LAB_ONLY, ""
    if settings.retry.ambiguous < SHORTEST:
        yield ("retry", "ambiguous"), LAB_ONLY, ""
    if settings.nxdomain.hold < SHORTEST:
        yield ("nxdomain", "hold"), LAB_ONLY, ""
    for name in LifeSettings.model_fields:
        if getattr(settings.life, name) < SHORTEST:
            yield ("life", name), LAB_ONLY, ""


def _pauses(settings: RelaySettings) -> Found:
    pause = settings.pause
    for name in ("throttle", "block"):
        if pause.longest < getattr(pause, name):
            at = "longest" if "longest" in pause.model_fields_set else name
            message = f"no pause is shorter than its first: {name} is more than longest"
            yield ("pause", at), message, "longest: at least as long as throttle and block"
            return


def _schedule(settings: RelaySettings) -> Found:
    if not settings.retry.schedule:
        yield ("retry", "schedule"), "a schedule needs at least one step", "[5m, 15m, 30m]"


def _filters(settings: RelaySettings) -> Found:
    names = [entry.use for entry in settings.filters]
    if settings.dkim and "dkim" not in names:
        yield ("filters",), "dkim keys are configured, but no filter signs", "add dkim at the end"
    if "access" not in names:
        yield ("filters",), "without the filter access anybody's mail is relayed", "put it first"


def _certificate_files(read: Read) -> Found:
    certificate, folder = read.settings.certificate, read.main.file.parent
    if certificate.certificate_file is None:
        return
    if not (folder / certificate.certificate_file).is_file():
        at = ("certificate", "certificate_file")
        yield at, f"{certificate.certificate_file}: no file", ""
    key = certificate.key_file or certificate.certificate_file
    for fault, hint in faults(folder / key):
        yield ("certificate",), fault, hint


def _password_files(read: Read) -> Found:
    named = [(("routes", domain), route) for domain, route in read.settings.routes.items()]
    found: list[tuple[Path_, Path | None]] = [(at, route.password_file) for at, route in named]
    if read.settings.fallback_route is not None:
        found.append((("fallback_route",), read.settings.fallback_route.password_file))
    for at, file in found:
        if file is not None:
            for fault, hint in faults(read.main.file.parent / file):
                yield (*at, "password_file"), fault, hint


def _places(read: Read, state: Path | None) -> Found:
    _, control = places(read.main.file, read.settings.state_dir, read.settings.control, state)
    if len(str(control).encode()) > MAX_PATH:
        yield ("control",), f"{control} is longer than {MAX_PATH} octets", "a shorter state_dir"
