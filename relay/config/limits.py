"""Limits: the shipped profiles under what `relay.yaml` and the files of `site.d` say of them."""

from __future__ import annotations

from collections.abc import Mapping

from relay.config import source
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.shipped import profile_texts
from relay.config.written import Read, Written
from relay.shaping.profiles import Layer, Profiles, parse
from relay.strict_yaml import Fields, Problem, SourceError


def profiles_of(read: Read) -> Profiles:
    """Shipped profiles under the limits of all files. Raises SourceError with every fault."""
    shipped = [parse(text, where) for where, text in profile_texts().items()]
    layers = []
    for written in (read.main, *read.site):
        settings = written.settings
        assert isinstance(settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
        lines = _lines(written)
        layers.append(Layer(settings.limits, settings.providers, str(written.file), lines))
    try:
        return Profiles(shipped, layers)
    except SourceError as error:
        files = {str(written.file): written for written in (read.main, *read.site)}
        raise SourceError(_placed(problem, files) for problem in error.problems) from None


def _lines(written: Written) -> dict[str, int]:
    """Where each limit and provider stands: `limits.gmail.com` → its line."""
    found = {}
    for section in ("limits", "providers"):
        node = source.at(written.root, (section,))
        if isinstance(node, Fields) and node is not written.root:
            found.update({f"{section}.{name}": at.line for name, at in node.values.items()})
    return found


def _placed(problem: Problem, files: Mapping[str, Written]) -> Problem:
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
