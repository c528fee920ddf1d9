"""`lpse-relay report …`: addresses to correct, deliveries by day, and how far people are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from relay.cli.moments import instants, zone_of
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table
from relay.strict_yaml import SourceError

if TYPE_CHECKING:
    from relay.reports.grouped import Group, Key
    from relay.reports.lines import DeliveryLine

T = TypeVar("T")
SPAN = 30  # days, where none are named
LONGEST = 3700  # days of one report
SHOWN = ("address", "category", "wording", "hint", "missed", "first_failure_at", "last_failure_at")
ADDRESS = (
    *SHOWN,
    "last_success_at",
    "provider",
    "rule",
    "said",
    "state",
    "note",
    "noted_by",
    "noted_at",
)
ON_SCREEN = (*SHOWN, "last_success_at", "state", "note")
COUNTS = ("sent", "delivered", "failed", "waiting", "p50_s", "p95_s")

app = typer.Typer(
    help="Reports for the LPSE: read from the store, with or without a relay.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
CsvOption = Annotated[bool, typer.Option("--csv", help="CSV, safe to open in a spreadsheet")]
AllOption = Annotated[
    bool, typer.Option("--all", help="also those that took a letter since, or are done with")
]
FollowUpOption = Annotated[
    str, typer.Option("--follow-up", help="only these: baru, sudah dihubungi, menunggu surat")
]
ByOption = Annotated[str, typer.Option("--by", help="told apart by these, in this order")]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="draw it by day into this PNG file")
]


@app.command("addresses")
def addresses(
    is_all: AllOption = False,
    progress: FollowUpOption = "",
    since: Annotated[str, typer.Option(help="a failure on this day or later, 2026-11-29")] = "",
    csv: CsvOption = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List the addresses to correct: why, since when, how many letters they missed, and how far the
    LPSE is with each.

    An address that took a letter since is left out, and so is one that is `selesai` until a letter
    fails there again.
    """
    from relay.mail.instant import DAY
    from relay.service import reporting
    from relay.store.reports import MOST_FAILING

    _one_shape(csv, json)
    site = Site.of(config, state_dir)
    _, zone = _zone(site.file)
    wanted = _progress("--follow-up", progress) if progress else None
    start = _day("--since", since) * DAY - zone if since else 0
    rows, is_cut = _read(reporting.addresses(site.file, site.state_dir, start, is_all=is_all))
    if is_cut:
        note(f"there are more: these are of the {MOST_FAILING} that missed most letters")
    meant = [row for row in rows if wanted is None or row["state"] == wanted]
    if json:
        as_json(meant)
    elif csv:
        _csv(ADDRESS, meant)
    elif not meant:
        say("no address needs to be corrected")
    else:
        _table(ON_SCREEN, meant, zone)


@app.command("follow-up")
def follow_up(
    address: Annotated[str, typer.Argument(help="the address to correct")],
    progress: Annotated[
        str, typer.Option("--state", help="baru, 'sudah dihubungi', 'menunggu surat' or selesai")
    ],
    text: Annotated[str, typer.Option("--note", help="what was said, and with whom")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", help="the state directory, instead of the file's")
    ] = None,
) -> None:
    """Note how far the LPSE is with an address; who and when is kept with it."""
    _progress("--state", progress)
    site = Site.of(config, state_dir)
    answer = site.call("report.follow_up", address=address, state=progress, note=text)
    if json:
        as_json(answer)
    else:
        say(f"{answer['address']}: {answer['before'] or 'baru'} → {answer['state']}")


@app.command("delivery")
def delivery(
    first: Annotated[str, typer.Option("--from", help="the first day, 2026-11-01")] = "",
    last: Annotated[str, typer.Option("--to", help="the last day, included (default: today)")] = "",
    by: ByOption = "day,provider,class,category",
    plot: PlotOption = None,
    csv: CsvOption = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Count the letters accepted on these days: sent, delivered, failed, still waiting, and the
    time to deliver of half and of 95 % of them, in seconds.

    A letter counts once a recipient, on the day it was accepted, in the site's zone. Failed is what
    bounced, expired, came back late or was not tried because the address is on the list.
    """
    from relay.reports import grouped
    from relay.service import reporting

    _one_shape(csv, json)
    words = _by(by)
    site = Site.of(config, state_dir)
    name, zone = _zone(site.file)
    span = _span(first, last, zone)
    if plot is not None:
        _may_plot()
    groups = _read(reporting.delivery(site.file, site.state_dir, *span, zone))
    if plot is not None:
        _plot(plot, grouped.lines(groups, ("day",)), span, name)
    answer = _answer(groups, words, span, name)
    if json:
        as_json(answer)
    elif csv:
        _csv((*words, *COUNTS), answer["rows"])
    else:
        _counted(answer)


def _answer(
    groups: Mapping[Key, Group], by: Sequence[str], span: tuple[int, int], zone: str
) -> dict[str, Any]:
    """As JSON has it."""
    from relay.reports import grouped

    first, last = map(grouped.day_text, span)
    return {
        "from": first,
        "to": last,
        "zone": zone,
        "by": list(by),
        "rows": [line.shape() for line in grouped.lines(groups, by)],
        "total": _sums(grouped.total(groups.values()).shape()),
    }


def _counted(answer: dict[str, Any]) -> None:
    """For people: a line a group, and the sums of all."""
    rows, words = answer["rows"], answer["by"]
    if not rows:
        say(f"no letter was accepted from {answer['from']} to {answer['to']}")
        return
    columns = (*words, *COUNTS)
    whole = {words[0]: "all"} | answer["total"]
    table(columns, ([row.get(column) for column in columns] for row in [*rows, whole]))


def _sums(shape: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in shape.items() if k not in ("day", "provider", "class", "category")}


def _one_shape(csv: bool, json: bool) -> None:
    if csv and json:
        fail("--csv or --json, not both", USAGE)


def _by(text: str) -> tuple[str, ...]:
    from relay.reports.grouped import BY

    words = tuple(word.strip() for word in text.split(",") if word.strip())
    unknown = [word for word in words if word not in BY]
    if unknown or not words or len(set(words)) != len(words):
        fail(f"--by: {text!r}: name some of {', '.join(BY)}, each once, between commas", USAGE)
    return words


def _progress(option: str, text: str) -> str:
    from relay.mail.follow_up import progress_of

    try:
        return progress_of(text).value
    except ValueError as error:
        fail(f"{option}: {error}", USAGE)


def _zone(file: Path) -> tuple[str, int]:
    """The site's zone: its name, and milliseconds east of UTC."""
    from relay.mail.instant import millis

    zone = zone_of(file)
    return str(zone), millis(zone.utcoffset(None))


def _span(first: str, last: str, zone: int) -> tuple[int, int]:
    """The days, by their numbers since 1970."""
    from relay.clock import SystemClock
    from relay.reports.grouped import day_of

    end = _day("--to", last) if last else day_of(SystemClock().now(), zone)
    start = _day("--from", first) if first else end - SPAN + 1
    if end < start:
        fail(f"--to: {last or 'today'} is before {first}", USAGE)
    if end - start >= LONGEST:
        fail(f"--from: more than {LONGEST} days", USAGE)
    return start, end


def _day(option: str, text: str) -> int:
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 - a day, no moment
    except ValueError:
        fail(f"{option}: {text!r} is no day; write it as 2026-11-29", USAGE)
    return (day - date(1970, 1, 1)) // timedelta(days=1)


def _read(work: Coroutine[Any, Any, T]) -> T:
    from relay.store.base import StoreError

    try:
        return asyncio.run(work)
    except SourceError as error:
        fail(error, USAGE)
    except StoreError as error:
        fail(error, REFUSED)


def _csv(columns: Sequence[str], rows: Iterable[Any]) -> None:
    from relay.reports import cells

    cells.write(sys.stdout, columns, rows)


def _table(columns: Sequence[str], rows: Iterable[Any], zone: int) -> None:
    """For people: moments in the site's zone."""
    in_zone = instants(zone)
    table(
        columns,
        (
            [in_zone(row[name]) if name.endswith("_at") else row[name] for name in columns]
            for row in rows
        ),
    )


def _may_plot() -> None:
    """Ends with code 2, before anything is read, where no picture can be drawn."""
    from relay.reports import plot

    if fault := plot.lacks():
        fail(f"--plot: {fault}", USAGE)


def _plot(file: Path, lines: list[DeliveryLine], span: tuple[int, int], zone: str) -> None:
    from relay.reports import plot

    try:
        plot.draw(file, lines, span, zone)
    except OSError as error:
        fail(f"{file}: {error.strerror}", REFUSED)
