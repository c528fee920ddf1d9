"""`lpse-relay suppression`: addresses that are not worth a try — listed, shown, changed by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table

app = typer.Typer(
    no_args_is_help=True,
    help="Addresses that are not worth a try: their letters stand in the inbox and are not sent.",
)

LISTED = ("address", "state", "reason", "count", "since", "until_at", "keeps_away", "rule")
AT_ONCE = 20  # rows in one request: the longest cells still fit its limit

AddressesArgument = Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="whole addresses")]
WhyOption = Annotated[str, typer.Option("--why", help="your own words, kept in the audit trail")]
DomainOption = Annotated[str | None, typer.Option("--domain", help="only addresses there")]
CauseOption = Annotated[
    str | None,
    typer.Option(
        "--reason", help="unknown_user, inactive_user, mailbox_full, complaint or by_hand"
    ),
]
ForOption = Annotated[
    str | None, typer.Option("--for", help="how long, 30d for instance (default: by its reason)")
]


class Format(StrEnum):
    """What a file is written in."""

    CSV = "csv"
    JSON = "json"


@app.command("ls")
def ls(
    reason: CauseOption = None,
    domain: DomainOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also what was noted and keeps no letter away")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List the addresses that are not tried, by address; those that wait for a fuse are pending."""
    site = Site.of(config, state_dir)
    rows = list(_rows(site, {"reason": reason, "domain": domain, "all": everything}))
    if json:
        as_json(rows)
        return
    if not rows:
        say("no address is on the list")
        return
    shown = local(site.file)
    table(
        [key.removesuffix("_at").replace("_", " ") for key in LISTED],
        ([shown(row[key]) for key in LISTED] for row in rows),
    )


@app.command("show")
def show(
    address: Annotated[str, typer.Argument(help="a whole address")],
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show what speaks against an address, what that means for each class of letters, and who did
    what about it by hand."""
    if "@" not in address:
        fail(f"not an address: {address!r}", USAGE)
    site = Site.of(config, state_dir)
    answer = site.try_call("suppression.show", address=address)
    if answer is None:
        from relay.service import offline

        answer = site.at_rest(offline.suppression_show(site.file, site.state_dir, address))
    if json:
        as_json(answer)
        return
    _tell(answer, site)


def _tell(answer: dict[str, Any], site: Site) -> None:
    shown = local(site.file)
    say(f"{answer['address']}: {answer['state'].replace('_', ' ')}")
    if not answer["enabled"]:
        say("`suppression.enabled` is false: everything is tried")
    for word, means in answer["by_class"].items():
        say(f"  {word:10} {means}")
    if answer["last_success_at"]:
        say(f"it last took a letter at {shown(answer['last_success_at'])}")
    by_hand = answer["by_hand"]
    if by_hand:
        until = f", until {shown(by_hand['until_at'])}" if by_hand["until_at"] else ""
        say(
            f"put on the list by {by_hand['who']} at {shown(by_hand['at'])}{until}:"
            f" {by_hand['reason']}, {by_hand['note']}"
        )
    for hint in answer["hints"]:
        say(f"perhaps {hint} was meant; nothing is rewritten: ask the vendor")
    if answer["strikes"]:
        columns = ("at", "reason", "rule", "is_documented", "source", "id", "pending")
        names = ("at", "reason", "rule", "documented", "source", "letter", "pending")
        table(names, ([shown(one[key]) for key in columns] for one in answer["strikes"]))
    if answer["audit"]:
        say("by hand, the latest first:")
        done = ("at", "who", "action", "why", "detail")
        heads = ("at", "who", "what", "why", "detail")
        table(heads, ([shown(one[key]) for key in done] for one in answer["audit"]))


@app.command("add")
def add(
    addresses: AddressesArgument,
    why: WhyOption = "",
    reason: CauseOption = None,
    for_: ForOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Put addresses on the list. Without --reason nothing but a hand takes them off again; a
    complaint keeps mass mail away and nothing else."""
    _needed("add", why)
    site = Site.of(config, state_dir)
    params = {"addresses": addresses, "why": why, "reason": reason, "for": for_}
    answer = site.call("suppression.add", **params)
    if json:
        as_json(answer)
    else:
        say(f"{answer['added']} on the list")


@app.command("rm")
def rm(
    addresses: AddressesArgument,
    why: WhyOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Take addresses off the list: mended, or the vendor has changed his address. All that spoke
    against them counts no more."""
    _needed("rm", why)
    answer = Site.of(config, state_dir).call("suppression.rm", addresses=addresses, why=why)
    if json:
        as_json(answer)
    else:
        say(f"{answer['removed']} taken off the list")
    for one in answer["unknown"]:
        note(f"nothing is known against {one}")
    if answer["unknown"]:
        raise typer.Exit(REFUSED)


@app.command("export")
def export(
    reason: CauseOption = None,
    domain: DomainOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Write the list to standard output, as CSV that a spreadsheet shows and never runs, or as
    JSON; `suppression import` takes both."""
    site = Site.of(config, state_dir)
    rows = _rows(site, {"reason": reason, "domain": domain})
    from relay.reports import cells, listed

    picked = ({name: one.get(name) for name in listed.COLUMNS} for one in rows)
    if json:
        as_json(list(picked))
    else:
        cells.write(sys.stdout, listed.COLUMNS, picked)


@app.command("import")
def bring_in(
    file: Annotated[str, typer.Argument(help="CSV or JSON; - is standard input")],
    why: WhyOption = "",
    format: Annotated[
        Format | None, typer.Option("--format", help="(default: by the file's name, else csv)")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Put the addresses of a file on the list: what `suppression export` and `maillog --show
    suppression --csv` write, or any CSV with a column `address` (reason, first_at, until_at, note).
    A row that cannot be read is named, and the rest is done; so is a column that is not known.
    Where one looks like a known column, `until` for instance, nothing of the file is taken."""
    _needed("import", why)
    site = Site.of(config, state_dir)
    from relay.reports.listed import TAKEN, NoList

    try:
        answer = _handed_in(site, _file_rows(file, format), why)
    except NoList as error:
        fail(f"{file}: {error}", USAGE)
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)
    if json:
        as_json(answer)
    else:
        say(f"{answer['added']} on the list")
    for name in answer["unread"]:
        note(f"{file}: column {name!r} is not read: columns are {', '.join(sorted(TAKEN))}")
    for one in answer["refused"]:
        note(f"{file}: row {one['row']}: {one['error']}")
    if answer["refused"]:
        raise typer.Exit(REFUSED)


def _handed_in(site: Site, rows: Iterator[Any], why: str) -> dict[str, Any]:
    """The rows of a file, given to the relay a few at once: how many it added, the rows that it or
    we cannot read, by their numbers, and the columns that nobody reads. Raises NoList."""
    from relay.reports.listed import Broken, Given, Unread

    added = 0
    refused: list[dict[str, Any]] = []
    unread: list[str] = []
    while batch := list(islice(rows, AT_ONCE)):
        refused += [{"row": o.number, "error": o.error} for o in batch if isinstance(o, Broken)]
        unread += [name for o in batch if isinstance(o, Unread) for name in o.names]
        given = [dict(o.cells) | {"row": o.number} for o in batch if isinstance(o, Given)]
        answer = site.call("suppression.import", rows=given, why=why)
        added += answer["added"]
        refused += answer["refused"]
    refused.sort(key=lambda one: one["row"])
    return {"added": added, "refused": refused, "unread": unread}


def _file_rows(file: str, given: Format | None) -> Iterator[Any]:
    """Its rows. Raises NoList, OSError."""
    from relay.reports import listed

    kind = given or (Format.JSON if file.lower().endswith(".json") else Format.CSV)
    octets = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    text = octets.decode("utf-8", "surrogateescape")
    if kind is Format.JSON:
        return listed.from_json(text.removeprefix("\ufeff"))
    return listed.from_csv(text.splitlines(keepends=True))


def _rows(site: Site, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The list, page by page: from the running relay, else from its store."""
    after: str | None = ""
    while after is not None:
        answer = site.try_call("suppression.ls", after=after, **wanted)
        if answer is None:
            from relay.service import offline

            yield from site.at_rest(offline.suppression_ls(site.file, site.state_dir, wanted))
            return
        yield from answer["rows"]
        after = answer["next"]


def _needed(what: str, why: str) -> None:
    if not why.strip():
        fail(f"{what}: --why is needed: it is kept in the audit trail", USAGE)
