"""Parts: what only shows when a part is built from its settings — routes, filters, classes, TLS.

Each part is built here as the relay builds it, and thrown away: what would end a start is a fault
with a line already in `check`.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection, Iterator
from importlib import resources
from ipaddress import ip_address
from pathlib import Path

from relay.config import checks, source
from relay.config.keys import secret
from relay.config.settings import RelaySettings
from relay.config.written import Written
from relay.filters import loading, rules
from relay.filters.loading import Supplies
from relay.filters.rules import Rule
from relay.ingress.policy import certificate
from relay.observe.serving import split_address
from relay.strict_yaml import Problem, SourceError
from relay.transports.hops import Hops, RouteError
from relay.transports.lookup import server
from relay.web import guard


class _Unheard:
    """Alerts of filters that are built only to be looked at."""

    def alert(self, name: str, detail: str) -> None:
        """Nobody is told."""


def faults(
    main: Written, settings: RelaySettings, signed_domains: Collection[str]
) -> Iterator[Problem]:
    """Every fault that building would meet, with its line in `relay.yaml`. What is built from a
    key with a faulty value is left out: see :func:`relay.config.checks.across`."""
    if not main.is_spoilt("routes"):
        yield from _routes(main, settings)
    if not main.is_spoilt("fallback_route"):
        yield from _fallback(main, settings)
    yield from _addresses(main, settings)
    if not main.is_spoilt("log"):
        yield from _log(main, settings)
    if not main.is_spoilt("certificate"):
        yield from _certificate(main, settings)
    if not main.is_spoilt("web.listen", "web.base_url"):
        yield from _web(main, settings)
    site, problems = _classes(main, settings)
    yield from problems
    if not main.is_spoilt("filters", "dkim"):
        yield from _filters(main, settings, site, signed_domains)


def _web(main: Written, settings: RelaySettings) -> Iterator[Problem]:
    for key, message in guard.problems(settings.web):
        port = checks.port_fault(settings.web.listen) if key == "listen" else None
        yield main.problem(("web", key), port or message)


def _log(main: Written, settings: RelaySettings) -> Iterator[Problem]:
    """The log's file can be opened, or made, by who asks; nothing is made here."""
    if settings.log.to == "stdout":
        return
    file = main.file.parent / settings.log.to
    try:
        if file.is_dir():
            fault = "is a folder, no file"
        elif file.exists():
            fault = "" if os.access(file, os.W_OK) else "may not be written by this user"
        elif not file.parent.is_dir():
            fault = f"there is no folder {file.parent}"
        else:
            may_make = os.access(file.parent, os.W_OK | os.X_OK)
            fault = "" if may_make else "may not be made by this user"
    except OSError as error:
        fault = str(error.strerror).lower()
    if fault:
        hint = "stdout, or a file where the service may write"
        yield main.problem(("log", "to"), f"{file}: {fault}", hint)


def _routes(main: Written, settings: RelaySettings) -> Iterator[Problem]:
    """Each route by itself, so that all faults are found; then all together."""
    passwords: dict[str, str] = {}
    is_sound = True
    for domain, route in settings.routes.items():
        if route.password_file is not None:
            try:
                passwords[domain] = secret(main.file.parent / route.password_file)
            except ValueError:
                is_sound = False  # said by checks, with what to do
                continue
            if not passwords[domain]:
                at = ("routes", domain, "password_file")
                yield main.problem(at, f"{route.password_file}: its first line is empty")
        try:
            Hops({domain: route}, passwords)
        except RouteError as error:
            is_sound = False
            yield _route(main, error)
    if is_sound:
        try:
            Hops(settings.routes, passwords)
        except RouteError as error:
            yield _route(main, error)


def _fallback(main: Written, settings: RelaySettings) -> Iterator[Problem]:
    given = settings.fallback_route
    if given is None or given.password_file is None:
        return
    try:
        is_empty = not secret(main.file.parent / given.password_file)
    except ValueError:
        return  # said by checks, with what to do
    if is_empty:
        at = ("fallback_route", "password_file")
        yield main.problem(at, f"{given.password_file}: its first line is empty")


def _route(main: Written, error: RouteError) -> Problem:
    message = str(error).removeprefix(f"routes: {error.key}: ")
    return main.problem(("routes", error.key), message)


def _addresses(main: Written, settings: RelaySettings) -> Iterator[Problem]:
    for n, text in enumerate(settings.dns.servers):
        try:
            server(text)
        except ValueError as error:
            yield main.problem(("dns", "servers", n), str(error))
    if settings.delivery.ca_file is not None:
        yield from _roots(main, main.file.parent / settings.delivery.ca_file)
    if settings.delivery.source_address is not None:
        try:
            ip_address(settings.delivery.source_address)
        except ValueError:
            text = f"{settings.delivery.source_address!r} is no IP address"
            yield main.problem(("delivery", "source_address"), text)
    try:
        split_address(settings.metrics.listen)
    except ValueError as error:
        message = checks.port_fault(settings.metrics.listen) or str(error)
        yield main.problem(("metrics", "listen"), message)


def _roots(main: Written, file: Path) -> Iterator[Problem]:
    try:
        ssl.create_default_context().load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        yield main.problem(("delivery", "ca_file"), f"{file} holds no certificates: {reason}")


def _certificate(main: Written, settings: RelaySettings) -> Iterator[Problem]:
    given, folder = settings.certificate, main.file.parent
    if given.certificate_file is None:
        if given.key_file is not None:
            yield main.problem(("certificate",), "a key_file, but no certificate_file")
        return
    file, key = folder / given.certificate_file, folder / (given.key_file or given.certificate_file)
    if not (file.is_file() and key.is_file()):
        return  # said by checks
    try:
        certificate(file, key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        yield main.problem(("certificate",), f"{file} and {key} cannot be used: {reason}")


def _classes(main: Written, settings: RelaySettings) -> tuple[tuple[Rule, ...], list[Problem]]:
    try:
        return rules.of_site(settings.classes), []
    except SourceError as error:
        return (), [_placed(main, problem) for problem in error.problems]


def _filters(
    main: Written,
    settings: RelaySettings,
    site: tuple[Rule, ...],
    signed_domains: Collection[str],
) -> Iterator[Problem]:
    text = resources.files("relay.filters").joinpath("classes.yaml").read_text(encoding="utf-8")
    name = settings.hostname
    supplies = Supplies(
        name if name and checks.hostname_fault(name) is None else "relay.lab.invalid",
        [entry for entry in settings.allowed_senders if checks.sender_fault(entry) is None],
        (*site, *rules.shipped(text)),
        frozenset(signed_domains),
        _Unheard(),
        settings.inbox.zone,
    )
    try:
        loading.pipeline(settings.filters, supplies)
    except SourceError as error:
        yield from (_placed(main, problem) for problem in error.problems)


def _placed(main: Written, problem: Problem) -> Problem:
    return main.problem(source.path_of(problem.key), problem.message, problem.suggestion)
