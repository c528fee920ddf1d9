"""`lpse-relay alerts`: what stands that somebody should look at, and whether alerts get through."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table

LANGUAGES = ("en", "id")


class What(StrEnum):
    """What is asked."""

    LS = "ls"
    TEST = "test"


def alerts(
    what: Annotated[What, typer.Argument(help="ls: what stands; test: try every way")] = What.LS,
    lang: Annotated[str, typer.Option("--lang", help="ls: each meaning in en or id")] = "en",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show what stands that somebody should look at; or test the ways by which alerts leave.

    ls: the latest first, each with what it means and what to do; an alert stands for an hour, a
    pause until it is over, the end of a block for a day. Below, how each way has done since the
    relay's start.
    test: a message by every way of alerts:, once, now; exit 1 where one failed.
    """
    if lang not in LANGUAGES:
        fail(f"--lang {lang}: one of {', '.join(LANGUAGES)}", USAGE)
    site = Site.of(config, state_dir)
    if what is What.TEST:
        _test(site, json)
    else:
        _ls(site, lang, json)


def _ls(site: Site, lang: str, json: bool) -> None:
    answer = site.call("alerts.ls")
    if json:
        as_json(answer)
        return
    shown = local(site.file)
    for row in answer["alerts"]:
        often = f", {row['count']} times since {shown(row['first_at'])}"
        times = "" if row["count"] == 1 else often
        say(f"{row['severity']}  {row['name']}  {shown(row['last_at'])}{times}")
        say(f"  {row['meaning'][lang]}")
        say(f"  > {row['detail']}")
        say()
    if not answer["alerts"]:
        say("nothing stands")
    _ways(answer["ways"])


def _ways(ways: list[dict[str, Any]]) -> None:
    if not ways:
        note("alerts reach nobody: no way is configured (alerts: in relay.yaml)")
        return
    columns = ("way", "to", "delivered", "failed", "suppressed", "waiting", "fault")
    table(columns, ([row[key] for key in columns] for row in ways))


def _test(site: Site, json: bool) -> None:
    results = site.call("alerts.test")["ways"]
    if json:
        as_json(results)
    else:
        columns = ("way", "to", "result", "took", "said")
        table(
            columns,
            (
                [
                    row["way"],
                    row["to"],
                    "ok" if row["ok"] else "FAILED",
                    f"{row['took_ms']} ms",
                    row["said"],
                ]
                for row in results
            ),
        )
    if not all(row["ok"] for row in results):
        raise typer.Exit(REFUSED)
