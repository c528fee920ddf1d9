"""`lpse-relay alerts`: what stands that somebody should look at, and whether alerts get through."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table

app = typer.Typer(help="Alerts: what stands, and a test of the ways by which they reach somebody.")

LangOption = Annotated[str, typer.Option("--lang", help="en or id: what each alert means")]
LANGUAGES = ("en", "id")


@app.callback(invoke_without_command=True)
def alerts(context: typer.Context) -> None:
    """Without a command: ls."""
    if context.invoked_subcommand is None:
        ls()


@app.command("ls")
def ls(
    lang: LangOption = "en",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List what stands, the latest first: each with what it means and what to do.

    An alert stands for an hour, a pause until it is over. Below: how each way has done since the
    relay's start.
    """
    if lang not in LANGUAGES:
        fail(f"--lang {lang}: one of {', '.join(LANGUAGES)}", USAGE)
    site = Site.of(config, state_dir)
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


@app.command("test")
def test(
    json: JsonOption = False, config: ConfigOption = None, state_dir: StateOption = None
) -> None:
    """Send a test message by every way, once, now; exit 1 where one failed."""
    results = Site.of(config, state_dir).call("alerts.test")["ways"]
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
