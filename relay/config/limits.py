"""Limits: the shipped profiles under what `relay.yaml` and the files of `site.d` say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from relay.config import source
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.shipped import profile_texts
from relay.config.written import Read, Written
from relay.shaping.limit_keys import SOURCE, is_route
from relay.shaping.profiles import Layer, Profiles, parse
from relay.strict_yaml import Fields, Problem, SourceError, nearest
from relay.transports.hop import parse_hop


def profiles_of(read: Read) -> Profiles:
    """Shipped profiles under the limits of all files. Raises SourceError with every fault."""
    shipped = [parse(text, where) for where, text in profile_texts().items()]
    layers = []
    for written in (read.main, *read.site):
        settings = written.settings
        assert isinstance(settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
        lines = _lines(written)
        layers.append(Layer(settings.limits, settings.providers, str(written.file), lines))
    problems = [
        fault
        for written in (read.main, *read.site)
        for check in (_no_routes, _no_sources)
        for fault in check(read, written)
    ]
    profiles = None
    try:
        profiles = Profiles(shipped, layers)
    except SourceError as error:
        files = {str(written.file): written for written in (read.main, *read.site)}
        problems += (
            placed(problem, files)
            for problem in error.problems
            if not files[problem.file].is_spoilt(problem.key)  # it is said already
        )
    if problems or profiles is None:
        raise SourceError(problems)
    return profiles


def _no_routes(read: Read, written: Written) -> Iterator[Problem]:
    """Limits for a next hop that no route leads to."""
    if read.main.is_spoilt("routes", "fallback_route"):
        return
    assert isinstance(written.settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
    ways = [route.to for route in read.settings.routes.values()]
    if read.settings.fallback_route is not None:
        ways.append(read.settings.fallback_route.to)
    known = {url for way in ways if (url := _url(way))}
    for key, limit in written.settings.limits.items():
        if is_route(key) and limit is not None and key not in known:
            url = _url(key)
            hint = f"write {url}" if url in known else nearest(key, sorted(known))
            if not known:
                hint = "add it to routes"
            yield written.problem(("limits", key), f"no route leads to {key}", hint)


def _no_sources(read: Read, written: Written) -> Iterator[Problem]:
    """Limits for an address that we do not dial from: nothing would ever be counted there."""
    if read.main.is_spoilt("delivery"):
        return
    assert isinstance(written.settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
    ours = read.settings.delivery.source_address
    for key, limit in written.settings.limits.items():
        name = key.strip().lower()
        named = _address(name.removeprefix(SOURCE)) if name.startswith(SOURCE) else None
        if limit is None or named is None or named == _address(ours or ""):
            continue
        if ours is None:
            message = (
                f"{named} is not known to be the address that we dial from: the system chooses"
            )
            hint = f"delivery: {{source_address: {named}}}"
        else:
            message = f"we dial from {ours}, never from {named}: this would limit nothing"
            hint = f"write {SOURCE}{ours}, or total"
        yield written.problem(("limits", key), message, hint)


def _address(text: str) -> str | None:
    """An address as one text, however it is written; None for what is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _url(way: str) -> str | None:
    """A route's value as a limit names it; None for `mx`, and for what is none."""
    try:
        hop = parse_hop(way, "" if "@" in way else None)
    except ValueError:
        return None
    return None if hop is None else hop.url


def _lines(written: Written) -> dict[str, int]:
    """Where each limit and provider stands, and each word of it: `limits.gmail.com.hours`."""
    found = {}
    for section in ("limits", "providers"):
        node = source.at(written.root, (section,))
        if isinstance(node, Fields) and node is not written.root:
            for name, at in node.values.items():
                found[f"{section}.{name}"] = at.line
                words = at.values.items() if isinstance(at, Fields) else ()
                found |= {f"{section}.{name}.{word}": said.line for word, said in words}
    return found


def placed(problem: Problem, files: Mapping[str, Written]) -> Problem:
    """The problem of a pure package with the line of its key: a name may hold dots."""
    written = files[problem.file]
    section, _, key = problem.key.partition(".")
    name, dot, inner = key.rpartition(".")
    is_inner = dot and not _stands(written, section, key) and _stands(written, section, name)
    path = (section, name, inner) if is_inner else (section, key)
    return written.problem(path, problem.message, problem.suggestion)


def _stands(written: Written, section: str, key: str) -> bool:
    node = source.at(written.root, (section,))
    return isinstance(node, Fields) and key in node.values
