"""Loading: a `Pipeline` from the configuration; shipped filters by name, others by dotted path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.filters.access import Access
from relay.filters.base import Alerts, Filter
from relay.filters.classes import Classes
from relay.filters.dkim import Dkim
from relay.filters.headers import HeaderFields
from relay.filters.loops import Loops
from relay.filters.message_id import MessageIds
from relay.filters.pipeline import Pipeline, Step
from relay.filters.rules import Rule
from relay.filters.settings import FilterSettings
from relay.strict_yaml import Problem, SourceError, nearest


@dataclass(frozen=True, slots=True)
class Supplies:
    """What the shipped filters are handed. `rules`: the site's, then the shipped ones."""

    hostname: str
    allowed_senders: Sequence[str]
    rules: Sequence[Rule]
    signed_domains: Collection[str]
    alerts: Alerts
    zone: str = "WIB"


def _number(options: dict[str, Any], name: str, default: int) -> int:
    value = options.pop(name, default)
    if not str(value).isdigit() or int(value) < 1:
        raise ValueError(f"options.{name} must be a whole number from 1, not {value!r}")
    return int(value)


def _loops(supplies: Supplies, options: dict[str, Any]) -> Filter:
    return Loops(
        supplies.hostname, _number(options, "max_received", 50), _number(options, "max_ours", 3)
    )


def _message_ids(supplies: Supplies, options: dict[str, Any]) -> Filter:
    return MessageIds(supplies.hostname, _number(options, "many", 20))


ACCESS: Final = "access"
SHIPPED: Final[dict[str, Callable[[Supplies, dict[str, Any]], Filter]]] = {
    ACCESS: lambda supplies, _: Access(supplies.allowed_senders),
    "loops": _loops,
    "headers": lambda supplies, _: HeaderFields(supplies.hostname),
    "classes": lambda supplies, _: Classes(supplies.rules, supplies.zone),
    "message_id": _message_ids,
    "dkim": lambda supplies, _: Dkim(supplies.signed_domains, supplies.alerts),
}


def pipeline(
    entries: Sequence[FilterSettings], supplies: Supplies, where: str = "relay.yaml"
) -> Pipeline:
    """The pipeline in that order. Raises SourceError with every entry that cannot be built, or
    that would let somebody relay past the filter access."""
    steps: list[Step] = []
    problems = _ways_around_access(entries, where)
    for n, entry in enumerate(entries):
        try:
            made = _built(entry, supplies)
        except ValueError as error:
            hint = ""
            if ":" not in entry.use and entry.use not in SHIPPED:
                hint = nearest(entry.use, SHIPPED)
            problems.append(Problem(where, 1, f"filters[{n}].use", str(error), hint))
            continue
        deadline = entry.deadline.total_seconds()
        steps.append(Step(made.name or entry.use, made, deadline, entry.on_error))
    if problems:
        raise SourceError(problems)
    return Pipeline(steps, supplies.alerts)


def _ways_around_access(entries: Sequence[FilterSettings], where: str) -> list[Problem]:
    """A failure of access that is forgiven is an open relay; so is an Accept of a site's filter
    that is asked before it, since that ends the stage."""
    problems: list[Problem] = []
    places = [n for n, entry in enumerate(entries) if entry.use == ACCESS]
    for n, entry in enumerate(entries):
        if entry.use == ACCESS and entry.on_error == "accept":
            message = "a failure of access would let anybody relay"
            problems.append(
                Problem(where, 1, f"filters[{n}].on_error", message, "write on_error: defer")
            )
        if ":" in entry.use and places and n < places[0]:
            message = f"{entry.use} is asked before access, and its Accept would let anybody relay"
            hint = f"move access before {entry.use}"
            problems.append(Problem(where, 1, f"filters[{n}].use", message, hint))
    return problems


def _built(entry: FilterSettings, supplies: Supplies) -> Filter:
    shipped = SHIPPED.get(entry.use)
    if shipped is None:
        return _own(entry, supplies.alerts)
    options = dict(entry.options)
    made = shipped(supplies, options)
    if options:
        raise ValueError(f"{entry.use} has no option {next(iter(options))!r}")
    return made


def _own(entry: FilterSettings, alerts: Alerts) -> Filter:
    """A site's filter: `package.module:Class`, called with its options and the alerts."""
    module_name, colon, class_name = entry.use.partition(":")
    if not colon:
        raise ValueError(f"no filter is called {entry.use!r} (a site's own: package.module:Class)")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"no module {error.name or module_name}") from None
    except Exception as error:
        raise ValueError(f"{module_name} cannot be imported: {error!r}") from error
    kind = getattr(module, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, Filter)):
        raise ValueError(f"{module_name} has no filter class {class_name!r}")
    try:
        return kind(dict(entry.options), alerts)  # type: ignore[call-arg]
    except Exception as error:
        raise ValueError(f"{entry.use}: {error}") from error
