"""`lpse-relay maillog`: what the logs of a Postfix or an Exim tell, for those who still run one."""

from __future__ import annotations

import json as jsonlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.moments import instants
from relay.cli.site import ConfigOption, JsonOption, look_for_config
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, safe, say, table
from relay.strict_yaml import SourceError

if TYPE_CHECKING:
    from relay.reports.logfiles import LogFile
    from relay.reports.maillog import Found, LogRun
    from relay.reports.survey import Survey

POLL = 0.5  # seconds between two looks at a file that is followed
FEW = 20  # rows of each table where all of it is shown
ZONES = {"WIB": 7, "WITA": 8, "WIT": 9, "UTC": 0}


class Show(StrEnum):
    """What is told."""

    SUMMARY = "summary"
    REFUSALS = "refusals"
    ADDRESSES = "addresses"
    DELIVERY = "delivery"
    UNKNOWN = "unknown"
    SUPPRESSION = "suppression"


FilesArgument = Annotated[
    list[str],
    typer.Argument(help="mail logs, also gzip, xz and bzip2; - is standard input", metavar="FILE…"),
]
ShowOption = Annotated[
    Show,
    typer.Option("--show", help="which part; `suppression` is what `suppression import` takes"),
]
FollowOption = Annotated[
    bool,
    typer.Option(
        "--follow",
        "-f",
        help="go on with what is written to the newest file, and tell each refusal, until Ctrl-C",
    ),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="CSV, safe to open in a spreadsheet")]
JsonlOption = Annotated[
    bool, typer.Option("--jsonl", help="each refusal as a JSON line, classified as `classify` does")
]
ZoneOption = Annotated[
    str, typer.Option("--zone", help="of stamps without one: WIB, WITA, WIT, UTC or +07:00")
]
YearOption = Annotated[
    int | None,
    typer.Option("--year", min=1990, max=2200, help="of each file's first line, if it has none"),
]


def maillog(
    files: FilesArgument,
    show: ShowOption = Show.SUMMARY,
    follow: FollowOption = False,
    jsonl: JsonlOption = False,
    csv: CsvOption = False,
    json: JsonOption = False,
    zone: ZoneOption = "",
    year: YearOption = None,
    config: ConfigOption = None,
) -> None:
    """Read logs of Postfix and Exim: refusals classified, addresses to correct, deliveries by day
    and provider, a list for `suppression import`, and what is not known.

    What cannot be read is named with file and line on standard error; the rest is done, and the
    exit code is then 1.
    """
    if jsonl:
        show = Show.REFUSALS
    if csv and (json or jsonl):
        fail("--csv or --json, not both", USAGE)
    if csv and show is Show.SUMMARY:
        fail("--csv needs --show: addresses, delivery, refusals, suppression or unknown", USAGE)
    if json and show is Show.REFUSALS:
        fail("--show refusals: say --jsonl, a JSON object a line", USAGE)
    run = _prepared(config, zone, year)
    is_live = follow and show is Show.SUMMARY and not json
    each = _each(Show.REFUSALS if is_live else show, jsonl, csv)
    with _found(run, files, follow) as found:
        for one in found:
            each(one)
    run.survey.finish()
    _tell(run, show, csv, json)
    _faults(run)
    if run.is_foreign:
        fail("no line is of a mail log that is known here: Postfix and Exim are")
    if not run.is_whole:
        raise typer.Exit(REFUSED if run.lines else USAGE)


def _prepared(config: Path | None, zone: str, year: int | None) -> LogRun:
    """The run, by the site's rules and providers where a configuration is there."""
    from relay.clock import SystemClock
    from relay.config import profiles_of, read_all, shipped_classifier, site_classifier
    from relay.config.places import word
    from relay.config.shipped import profile_texts
    from relay.reports.maillog import LogRun
    from relay.reports.providers import by_host
    from relay.reports.survey import Survey
    from relay.reports.verdicts import Verdicts
    from relay.shaping.profiles import Profiles, parse

    try:
        file = look_for_config(config)
        if file is None:
            classifier = shipped_classifier()
            profiles = Profiles(parse(text, where) for where, text in profile_texts().items())
        else:
            classifier, profiles = site_classifier(file), profiles_of(read_all(file))
    except SourceError as error:
        fail(error, USAGE)
    given = zone or (word(file, "inbox", "zone") if file else "") or "WIB"
    offset = _offset(given)
    survey = Survey(Verdicts(classifier), by_host(profiles), offset)
    return LogRun(survey, offset, SystemClock().now, year)


def _offset(zone: str) -> int:
    """Milliseconds east of UTC."""
    from relay.mail.instant import HOUR, MINUTE

    if zone.upper() in ZONES:
        return ZONES[zone.upper()] * HOUR
    digits = zone[1:].replace(":", "")
    if zone[:1] in ("+", "-") and len(digits) == 4 and digits.isascii() and digits.isdigit():
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        if minutes <= 14 * 60:
            return (-minutes if zone[0] == "-" else minutes) * MINUTE
    fail(f"--zone: {zone!r} is none of WIB, WITA, WIT, UTC, +07:00", USAGE)


@contextmanager
def _found(run: LogRun, names: list[str], follow: bool) -> Iterator[Iterator[Found]]:
    """The refusals as they are read; Ctrl-C ends a run that follows, and what was read is told."""
    from relay.reports.logfiles import LogFile

    files = [LogFile(name) for name in names]
    if not follow:
        with _progress(files) as progress:
            yield run.read(files, progress)
        return
    yield _until_interrupted(run, files)


def _until_interrupted(run: LogRun, files: list[LogFile]) -> Iterator[Found]:
    def wait() -> bool:
        sys.stdout.flush()
        time.sleep(POLL)
        return True

    try:
        *before, last = run.in_order(files)
        yield from run.read(before)
        yield from run.follow(last, wait)
    except KeyboardInterrupt:
        note("")


@contextmanager
def _progress(files: list[LogFile]) -> Iterator[Callable[[LogFile, int], None] | None]:
    """A bar on standard error where that is a terminal; nothing else."""
    total = sum(file.size() for file in files)
    if not sys.stderr.isatty() or not total:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        before: dict[str, int] = {}

        def heard(file: LogFile, read: int) -> None:
            before[file.name] = read
            bar.update(task, description=safe(file.name)[-40:], completed=sum(before.values()))

        yield heard


def _each(show: Show, jsonl: bool, csv: bool) -> Callable[[Found], None]:
    """What is done with a refusal when it is read."""
    if show is not Show.REFUSALS:
        return lambda found: None
    if jsonl:
        return lambda found: typer.echo(jsonlib.dumps(_refusal(found)))
    if csv:
        from relay.reports import cells

        write = cells.writer(sys.stdout, REFUSAL)
        return lambda found: write(_refusal(found))
    return lambda found: say(_refusal_line(found))


REFUSAL = (
    "id",
    "at",
    "queue_id",
    "address",
    "provider_host",
    "status",
    "code",
    "enhanced",
    "text",
    "category",
    "scope",
    "action",
    "rule",
    "confidence",
)


def _refusal(found: Found) -> dict[str, object]:
    from relay.mail.instant import iso
    from relay.replies import logline, rows
    from relay.reports.failing import shown

    entry, verdict = found.refusal.entry, found.refusal.verdict
    reply = logline.read(entry.text.decode("utf-8", "replace")).reply
    return {
        "id": f"{found.file}:{found.line}",
        "at": iso(entry.at),
        "queue_id": shown(entry.queue_id),
        "address": shown(entry.to),
        "provider_host": verdict.mx,
        "status": "bounced" if entry.is_final else "deferred",
        "code": reply.code or None,
        "enhanced": str(reply.enhanced) if reply.enhanced else None,
        "text": reply.text,
        **rows.shown(verdict.said),
    }


def _refusal_line(found: Found) -> str:
    row = _refusal(found)
    words = (row["at"], row["address"], row["status"], row["category"], row["action"], row["rule"])
    return "  ".join(map(str, words))


def _tell(run: LogRun, show: Show, csv: bool, json: bool) -> None:
    """What was asked for, at the end."""
    from relay.cli import maillog_shown as shown

    if show is Show.SUMMARY:
        if json:
            as_json(shown.summary(run))
        else:
            _summary(run)
        return
    if show is Show.REFUSALS:
        return
    columns, rows = shown.PARTS[show.value](run)
    if json:
        as_json(list(rows))
    elif csv:
        from relay.reports import cells

        cells.write(sys.stdout, columns, rows)
    else:
        _table(run, columns, rows)


def _table(run: LogRun, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    """For people: moments in the log's own zone."""
    in_zone = instants(run.zone)
    table(columns, ([in_zone(row[name]) for name in columns] for row in rows))


def _summary(run: LogRun) -> None:
    from relay.cli import maillog_shown as shown

    survey = run.survey
    say(shown.in_words(run))
    for title, part, most in (
        ("what the servers said", shown.said, FEW),
        ("deliveries by day and provider", shown.by_day, 2 * FEW),
        ("addresses to correct", shown.addresses, FEW),
        ("replies that no rule knew", shown.unknown, FEW),
    ):
        columns, rows = part(run)
        first = list(islice(rows, most + 1))
        if not first:
            continue
        say()
        say(title)
        _table(run, columns, first[:most])
        if len(first) > most:
            say("…")
    _hint(survey)


def _hint(survey: Survey) -> None:
    if survey.addresses.failing:
        note("all addresses: --show addresses --csv; for the relay: --show suppression --csv")


def _faults(run: LogRun) -> None:
    """Name what could not be read."""
    for fault in run.faults:
        note(f"lpse-relay: {fault}")
    if run.damaged > len(run.faults):
        note(f"lpse-relay: … and {run.damaged - len(run.faults)} more that could not be read")
    if run.unknown_lines:
        first = run.unknown_first[0]
        told = f"{run.unknown_lines} lines are of no shape that is known here, the first is"
        note(f"lpse-relay: {told} {first}")
