"""`lpse-relay replies`: the replies in the store, and what other rules would make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.moments import local, zone_of
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, UNREACHABLE, USAGE, as_json, fail, note, say, table

app = typer.Typer(
    no_args_is_help=True,
    help="The replies that are in the store, read once more. Nothing of it is changed, and no relay"
    " needs to run.",
)

UNKNOWN = ("count", "first", "last", "reply")
CHANGED = ("count", "last", "now", "then", "reply")
HIT = ("rule", "count", "first", "last")
FEW = 20

SinceOption = Annotated[str, typer.Option("--since", help="7d, 12h, 2026-11-01")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="rows shown")]
RulesOption = Annotated[
    list[Path],
    typer.Option("--rules", metavar="FILE", help="as it would lie in site.d; may be repeated"),
]


@app.command("unknown")
def unknown(
    since: SinceOption = "30d",
    limit: LimitOption = FEW,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List the replies that no rule's words knew, by kind, each with a rule to paste.

    Addresses, names of mailboxes, numbers and ids are left out, so that a list can be shown around.
    """
    site = Site.of(config, state_dir)
    from relay.service import rereading

    answer = _read(
        site, since, lambda at: rereading.unknown_kinds(site.file, site.state_dir, at, limit)
    )
    if json:
        as_json(answer)
        return
    rows = answer["rows"]
    if not rows:
        say(f"of {answer['replies']} refusals none is unknown")
        return
    shown = local(site.file)
    table(
        UNKNOWN,
        (
            [row["count"], shown(row["first_at"]), shown(row["last_at"]), row["reply"]]
            for row in rows
        ),
    )
    _drafts(rows)
    note(_of(answer["unknown"], answer["replies"], "unknown"))
    if answer["kinds"] > len(rows):
        note(f"{answer['kinds'] - len(rows)} more kinds: --limit")


def _drafts(rows: list[dict[str, Any]]) -> None:
    """A rule for each kind, with its sample."""
    say()
    say("# to paste into a file of site.d: choose the category, then lpse-relay check")
    say("rules:")
    for row in rows:
        for line in row["draft"].splitlines():
            say(line)


@app.command("replay")
def replay(
    rules: RulesOption,
    since: SinceOption = "7d",
    limit: LimitOption = FEW,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show what would have been decided otherwise if a file of rules lay in site.d, in place of the
    one of its name there."""
    site = Site.of(config, state_dir)
    from relay.service import rereading

    answer = _read(site, since, lambda at: rereading.replay(site.file, site.state_dir, at, rules))
    if json:
        as_json(answer)
        return
    rows = answer["rows"]
    if rows:
        shown = local(site.file)
        table(
            CHANGED,
            (
                [
                    row["count"],
                    shown(row["last_at"]),
                    _meaning(row["now"]),
                    _meaning(row["then"]),
                    row["reply"],
                ]
                for row in rows[:limit]
            ),
        )
    if len(rows) > limit:
        note(f"{len(rows) - limit} more kinds: --limit")
    say(_of(answer["changed"], answer["replies"], "read otherwise"))
    for rule in answer["unused"]:
        note(f"rule {rule} decided none of them")


@app.command("hits")
def hits(
    since: SinceOption = "30d",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Count how often each rule decided; rules of site.d that never did stand last, with 0."""
    site = Site.of(config, state_dir)
    from relay.service import rereading

    rows = _read(site, since, lambda at: rereading.hits(site.file, site.state_dir, at))
    if json:
        as_json(rows)
        return
    if not rows:
        say("no rule decided anything")
        return
    shown = local(site.file)
    table(
        HIT,
        (
            [row["rule"], row["count"], shown(row["first_at"]), shown(row["last_at"])]
            for row in rows
        ),
    )


def _meaning(said: dict[str, str]) -> str:
    return f"{said['category']}/{said['action']} ({said['rule']})"


def _of(some: int, all_of: int, what: str) -> str:
    return f"{some} of {all_of} refusals {what}"


def _read(site: Site, since: str, question: Callable[[int], Coroutine[Any, Any, Any]]) -> Any:
    """The answer; ends with 2 for a moment or rules that are none, 3 where no store ever was, 1
    where it cannot be read."""
    from relay.clock import SystemClock
    from relay.config import SourceError
    from relay.service.offline import NoStore
    from relay.service.requeueing import since_of
    from relay.store.base import StoreError

    try:
        at = since_of(since, SystemClock().now(), zone_of(site.file))
        return asyncio.run(question(at))
    except NoStore as error:
        fail(f"{error}{site.elsewhere}", UNREACHABLE)
    except StoreError as error:
        fail(error, REFUSED)
    except (SourceError, ValueError) as error:
        fail(error, USAGE)
