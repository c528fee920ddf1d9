"""Warnings: what may be meant so, but seldom is; nothing here keeps a relay from starting."""

from __future__ import annotations

import difflib
import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from relay.config import limits
from relay.config.config import Config
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.written import Written
from relay.strict_yaml import Problem

EXAMPLE_HOST: Final = "relay.lpse.example.go.id"
EXAMPLE_DOMAIN: Final = "lpse.example.go.id"
SMTP_PORT: Final = 25
CLOSE: Final = 0.85  # gmial.com is as near to gmail.com as this; yahoo.co.id is not

Warned = Iterator[tuple[tuple[str | int, ...], str, str]]


def warnings_of(config: Config) -> list[Problem]:
    """Each with its line, and a message that begins with `warning: `.

    A laboratory is told that it is one, and not that its names are an example's.
    """
    checks: list[Callable[[RelaySettings], Warned]] = [
        _source_address,
        _senders,
        _unsigned,
        _returns,
    ]
    checks.append(_laboratory if config.settings.lab else _examples)
    found = [
        config.problem(path, f"warning: {message}", hint)
        for check in checks
        for path, message, hint in check(config.settings)
    ]
    found += [*_limits(config), *_idle(config)]
    return sorted(found, key=lambda p: (p.file != str(config.file), p.line))


def _laboratory(settings: RelaySettings) -> Warned:
    yield ("lab",), "true: for trying only: much is let through that harms real mail", "lab: false"
    port = settings.testing_smtp_port
    if port != SMTP_PORT:
        message = f"letters go to port {port} of every server, and real ones listen on {SMTP_PORT}"
        yield ("testing_smtp_port",), message, f"write {SMTP_PORT}"


def _examples(settings: RelaySettings) -> Warned:
    if (settings.hostname or "").lower() == EXAMPLE_HOST:
        yield ("hostname",), f"{EXAMPLE_HOST} is the example's name", "write the relay's own"
    for n, entry in enumerate(settings.allowed_senders):
        if entry.rpartition("@")[2].lower() == EXAMPLE_DOMAIN:
            yield ("allowed_senders", n), f"{entry} is the example's domain", "write your own"


def _senders(settings: RelaySettings) -> Warned:
    if not settings.allowed_senders:
        yield ("allowed_senders",), "empty: no letter is relayed", 'write ["@your.domain"]'


def _returns(settings: RelaySettings) -> Warned:
    if settings.return_path.domain is not None and not settings.return_path.listen:
        message = "nobody listens for what comes back: it is lost to us"
        yield ("return_path", "listen"), message, 'write listen: "0.0.0.0:25", and let MX lead here'


def _unsigned(settings: RelaySettings) -> Warned:
    if not settings.dkim:
        hint = "`lpse-relay keys new DOMAIN` makes a key, and prints what to write here"
        yield ("dkim",), "empty: letters leave unsigned, and large providers refuse such", hint


def _source_address(settings: RelaySettings) -> Warned:
    address = settings.delivery.source_address
    if address is None:
        return
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            message = f"this host does not have the address {address}: nothing could be sent"
            yield ("delivery", "source_address"), message, "see `ip address`, or write null"


def _idle(config: Config) -> Iterator[Problem]:
    """What stands there and does nothing."""
    files = {str(written.file): written for written in (config.main, *config.site)}
    for idle in config.profiles.idle:
        yield limits.placed(replace(idle, message=f"warning: {idle.message}"), files)


def _limits(config: Config) -> Iterator[Problem]:
    """A limit for a domain that no profile names, but that is nearly one that is named."""
    known = sorted(
        {name for profile in config.profiles.items().values() for name in profile.domains}
    )
    for written in (config.main, *config.site):
        settings = written.settings
        assert isinstance(settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
        for key in settings.limits:
            name = key.strip().lower().rstrip(".")
            close = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE)
            if close and name not in known:
                message = f"warning: {key} is no domain of a provider; the limit is for it alone"
                yield written.problem(("limits", key), message, f"did you mean {close[0]}?")
        yield from _twice(config, written)


def _twice(config: Config, written: Written) -> Iterator[Problem]:
    """Two names of one provider in one file: the later one's words count."""
    assert isinstance(written.settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
    meant: dict[str, str] = {}
    for key, limit in written.settings.limits.items():
        name = config.profiles.named(key.strip().lower().rstrip(".")) if limit else None
        if name is None:
            continue
        if name in meant:
            message = f"warning: {meant[name]} and {key} both mean {name}: what this says counts"
            yield written.problem(("limits", key), message, "write one of them")
        meant[name] = key
