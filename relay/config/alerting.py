"""Alerting: what is wrong with `alerts:` — a way that would lead nowhere is found before it counts.

A way that is broken is noticed only when it is needed: so all that can be seen beforehand is a
fault here, with its line.
"""

from __future__ import annotations

import os
import shutil
import ssl
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relay.config import source
from relay.config.keys import faults as faults_of_file
from relay.config.keys import secret
from relay.config.settings import RelaySettings
from relay.config.written import Read
from relay.mail import address
from relay.observe.desk import wants
from relay.observe.meanings import words
from relay.observe.settings import AlertSettings
from relay.shaping.destination import belongs
from relay.shaping.profiles import Profiles
from relay.strict_yaml import Fields, Problem, nearest
from relay.transports.hop import PORTS, Hop, parse_hop

Path_ = tuple[str | int, ...]
Found = Iterator[tuple[Path_, str, str]]  # key, message, suggestion

SMTP_PORT: Final = PORTS["smtp"]
SHORTEST: Final = 16  # characters of a secret that signs


def faults(read: Read) -> Found:
    """Every fault of `alerts:`, each with its key and what to write instead."""
    folder = read.main.file.parent
    for n, way in enumerate(read.settings.alerts):
        at: Path_ = ("alerts", n)
        yield from _only(at, way)
        if fault := way.fault():
            if not _is_misspelt(read, at):
                yield at, fault, ""
            continue
        if way.webhook is not None:
            yield from _webhook(at, way.webhook)
            yield from _secret(at, folder, way)
        if way.command is not None:
            yield from _command(at, folder, way.command)
        if way.mail is not None:
            yield from _mail(at, folder, way, read.settings)
        if way.ca_file is not None:
            yield from _roots((*at, "ca_file"), folder / way.ca_file)


def _is_misspelt(read: Read, at: Path_) -> bool:
    """Does it hold a key that there is not? That is said already, and may be all that is wrong."""
    node = source.at(read.main.root, at)
    known = {field.alias or name for name, field in AlertSettings.model_fields.items()}
    return isinstance(node, Fields) and not known.issuperset(node.values)


def _only(at: Path_, way: AlertSettings) -> Found:
    """A pattern that no alert matches would silence the way, or leave out nothing."""
    for n, pattern in enumerate(way.only):
        glob = pattern.removeprefix("!")
        word = glob.partition(":")[0]
        if not any(wants((word,), known) for known in words()):
            hint = nearest(word, words()) or f"one of {', '.join(words())}"
            yield (*at, "only", n), f"{pattern!r}: no alert has that name", hint


def _webhook(at: Path_, url: str) -> Found:
    at = (*at, "webhook")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        yield at, f"no URL: {error}", "write https://host/path"
        return
    if parts.scheme not in ("https", "http") or not host or port == 0 or not url.isprintable():
        yield at, "no web address", "write https://host/path"
    elif parts.fragment:
        yield at, "what stands behind # is never sent", ""
    elif parts.scheme == "http" and not is_loopback(host):
        message = f"http:// to {host}: anybody on the way could read and forge it"
        yield at, message, f"https://{host}/…; http:// is for loopback only"


def is_loopback(host: str) -> bool:
    """This machine, by address or as localhost."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _secret(at: Path_, folder: Path, way: AlertSettings) -> Found:
    if way.secret_file is None:
        return
    at, file = (*at, "secret_file"), folder / way.secret_file
    found = list(faults_of_file(file))
    yield from ((at, fault, hint) for fault, hint in found)
    if not found and (fault := _first_line(file, SHORTEST)):
        yield at, fault, f"openssl rand -hex 32 > {file}"


def _first_line(file: Path, shortest: int) -> str:
    """What is wrong with a secret that can be read; empty where nothing is."""
    try:
        line = secret(file).strip()
    except ValueError as error:
        return str(error)
    if not line:
        return f"{file}: its first line is empty"
    if len(line) < shortest:
        return f"{file}: {len(line)} characters are too few for a secret: {shortest} at least"
    return ""


def _command(at: Path_, folder: Path, words_: tuple[str, ...]) -> Found:
    at = (*at, "command")
    if not words_ or not words_[0]:
        yield at, "no program is named", "write [/usr/local/bin/notify, …]"
        return
    for n, word in enumerate(words_):
        if "\0" in word:
            yield (*at, n), "a NUL in an argument", ""
    name = words_[0]
    file = folder / name
    if "/" not in name:
        found = shutil.which(name) or f"/usr/local/bin/{name.split()[0] if name.split() else name}"
        yield (*at, 0), f"{name!r} is no path: nothing is looked up in PATH", f"write {found}"
        return
    try:
        mode = file.stat().st_mode
    except OSError as error:
        hint = "each argument by itself: [program, argument]" if " " in name else ""
        yield (*at, 0), f"{file}: {error.strerror}", hint
        return
    if not stat.S_ISREG(mode):
        yield (*at, 0), f"{file}: not a file", ""
    elif not os.access(file, os.X_OK):
        yield (*at, 0), f"{file}: not executable", f"chmod 755 {file}"


def _mail(at: Path_, folder: Path, way: AlertSettings, settings: RelaySettings) -> Found:
    for key, text in (("mail", way.mail), ("from", way.sender)):
        if text is not None and (fault := _address_fault(text)):
            yield (*at, key), f"{text!r} is no address: {fault}", "write ops@example.go.id"
    password: str | None = None
    if way.password_file is not None:
        file, password = folder / way.password_file, ""
        found = list(faults_of_file(file))
        yield from (((*at, "password_file"), fault, hint) for fault, hint in found)
        if not found and (fault := _first_line(file, 1)):
            yield (*at, "password_file"), fault, ""
    try:
        hop = parse_hop(way.via or "", password)
    except ValueError as error:
        yield (*at, "via"), str(error), ""
        return
    if hop is None:
        hint = "write smtp://host:port or smtps://user@host"
        yield (*at, "via"), "alerts do not go by MX: a provider may be what pauses", hint
    elif _is_our_door(hop, settings):
        message = "that is this relay's own door: the alert would wait in the queue it tells of"
        yield (*at, "via"), message, "name another host"


def by_providers(read: Read, profiles: Profiles) -> Iterator[Problem]:
    """Ways that lead to a provider's MX: what pauses it would silence what tells of it. A login at
    its submission host is another door."""
    if read.main.is_spoilt("alerts"):
        return
    for n, way in enumerate(read.settings.alerts):
        try:
            hop = None if way.via is None else parse_hop(way.via, "" if "@" in way.via else None)
        except ValueError:
            continue  # it is said already
        if hop is None or (hop.user is not None and hop.port != SMTP_PORT):
            continue
        for profile in profiles.items().values():
            if belongs(hop.host, profile.match):
                message = (
                    f"{hop.host} is an MX of {profile.name}: its pause is what an alert tells of"
                )
                hint = "name a host of your own, or one where you log in: smtps://user@host"
                yield read.main.problem(("alerts", n, "via"), message, hint)


def _address_fault(text: str) -> str:
    try:
        domain = address.parse(text).domain
    except address.AddressError as error:
        return str(error)
    if not text.isascii():
        return "only ASCII here"
    return "" if domain else "it has no domain"


def _is_our_door(hop: Hop, settings: RelaySettings) -> bool:
    """By port on loopback or at the listener's own address; a socket unit's port is not known."""
    for listener in settings.listen:
        host, _, port = listener.address.rpartition(":")
        host = host.strip("[]")
        if port == str(hop.port) and (is_loopback(hop.host) or hop.host == host):
            return True
        if hop.host == settings.hostname and port == str(hop.port):
            return True
    return False


def _roots(at: Path_, file: Path) -> Found:
    try:
        ssl.create_default_context(cafile=str(file))
    except FileNotFoundError:
        yield at, f"{file}: no such file", ""
    except ssl.SSLError as error:
        yield at, f"{file}: no certificates in PEM: {error.reason or error}", ""
    except OSError as error:
        yield at, f"{file}: {error.strerror}", ""
