"""What `maillog` shows of a run: the rows of each part, with their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from relay.clock import SystemClock
from relay.mail.instant import iso
from relay.reports import grouped
from relay.reports.lines import address_shape
from relay.reports.maillog import LogRun
from relay.suppression import SuppressionSettings

Row = dict[str, Any]
Part = tuple[tuple[str, ...], Iterable[Row]]

ADDRESS: Final = (
    "address",
    "category",
    "wording",
    "hint",
    "missed",
    "first_failure_at",
    "last_failure_at",
    "last_success_at",
    "provider",
    "rule",
    "given",
    "said",
)
DELIVERY: Final = (
    "day",
    "provider",
    "category",
    "sent",
    "delivered",
    "failed",
    "waiting",
    "p50_s",
    "p95_s",
)
UNKNOWN: Final = ("count", "first_at", "last_at", "code", "shape")
SUPPRESSION: Final = ("address", "reason", "rule", "first_at", "last_at", "until_at")
SAID: Final = ("count", "category", "action", "rule")


def addresses(run: LogRun) -> Part:
    """Addresses to correct, the most letters missed first."""
    lines = run.survey.addresses.lines()
    return ADDRESS, (address_shape(line) | {"given": line.given} for line in lines)


def delivery(run: LogRun) -> Part:
    """By day, provider and category."""
    return DELIVERY, _delivery(run, ("day", "provider", "category"))


def by_day(run: LogRun) -> Part:
    """By day and provider."""
    columns = tuple(name for name in DELIVERY if name != "category")
    return columns, _delivery(run, ("day", "provider"))


def _delivery(run: LogRun, by: tuple[str, ...]) -> Iterable[Row]:
    return (line.shape() for line in grouped.lines(run.survey.groups, by))


def unknown(run: LogRun) -> Part:
    """Kinds of replies that no rule knew, the most frequent first."""
    kinds = sorted(run.survey.unknown.values(), key=lambda kind: (-kind.count, kind.shape))
    rows = (
        {
            "count": kind.count,
            "first_at": iso(kind.first_at),
            "last_at": iso(kind.last_at),
            "code": kind.code or None,
            "shape": kind.shape,
        }
        for kind in kinds
    )
    return UNKNOWN, rows


def suppression(run: LogRun) -> Part:
    """Addresses that a relay would not try now, as `suppression import` takes them."""
    now = SystemClock().now()
    rows = (
        {
            "address": address,
            "reason": standing.cause.value if standing.cause else "",
            "rule": standing.rule,
            "first_at": iso(standing.since),
            "last_at": iso(last_at),
            "until_at": None if standing.until is None else iso(standing.until),
        }
        for address, standing, last_at in run.survey.addresses.suppressed(
            now, SuppressionSettings()
        )
    )
    return SUPPRESSION, rows


def said(run: LogRun) -> Part:
    """What the servers said, by category, action and rule."""
    rows = (
        {"count": count, "category": key[0], "action": key[1], "rule": key[2]}
        for key, count in sorted(run.survey.said.items(), key=lambda kv: (-kv[1], kv[0]))
    )
    return SAID, rows


PARTS: Final[dict[str, Callable[[LogRun], Part]]] = {
    "addresses": addresses,
    "delivery": delivery,
    "unknown": unknown,
    "suppression": suppression,
}


def in_words(run: LogRun) -> str:
    """The counts in a sentence."""
    survey = run.survey
    span = ""
    if survey.first_at is not None and survey.last_at is not None:
        span = f", {iso(survey.first_at)} to {iso(survey.last_at)}"
    counts = (
        f"{survey.delivered} delivered, {survey.failed} failed, {counted_waiting(run)} waiting at"
        f" the end, {survey.deferrals} deferrals, {survey.local} on the machine itself"
    )
    return f"{run.lines} lines{span}: {counts}"


def counted_waiting(run: LogRun) -> int:
    """Recipients that were still waiting when the log ended."""
    return sum(group.waiting for group in run.survey.groups.values())


def summary(run: LogRun) -> Row:
    """All parts as one document."""
    survey = run.survey
    return {
        "lines": run.lines,
        "first_at": None if survey.first_at is None else iso(survey.first_at),
        "last_at": None if survey.last_at is None else iso(survey.last_at),
        "delivered": survey.delivered,
        "failed": survey.failed,
        "waiting": counted_waiting(run),
        "deferrals": survey.deferrals,
        "not_tried": survey.not_tried,
        "local": survey.local,
        "unknown_lines": run.unknown_lines,
        "damaged": run.damaged,
        "faults": [{"file": f.file, "line": f.line, "reason": f.reason} for f in run.faults],
        "unknown_shapes": [
            {"file": f.file, "line": f.line, "reason": f.reason} for f in run.unknown_first
        ],
        "said": list(said(run)[1]),
        "delivery": list(delivery(run)[1]),
        "addresses": list(addresses(run)[1]),
        "unknown": list(unknown(run)[1]),
        "not_followed": survey.forgotten + survey.addresses.not_kept,
    }
