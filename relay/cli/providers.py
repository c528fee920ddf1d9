"""`lpse-relay providers`, `pause` and `resume`: what each bears, and stopping it."""

from __future__ import annotations

import shutil
import sys
from time import sleep
from typing import Annotated, Any, Final, NoReturn

import typer

from relay.cli.moments import Shown, local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import USAGE, as_json, fail, say, table

KEYS = (
    "provider",
    "state",
    "paused_until",
    "limits",
    "rate_now",
    "queued",
    "oldest_s",
    "last_reply",
)

COLUMNS = (
    "provider",
    "state",
    "until",
    "limits",
    "now/min",
    "queued",
    "oldest",
    "why, or its last reply",
)

CLEAR: Final = "\x1b[2J\x1b[H"
EVERY: Final = 2.0  # seconds between two looks
FRAME: Final = 3  # lines of the screen: the columns' names, how many others there are, the cursor

WatchOption = Annotated[bool, typer.Option("--watch", help="anew every two seconds, until Ctrl-C")]
ProviderArgument = Annotated[
    str | None, typer.Argument(help="gmail, yahoo, …, a site's name, or a domain")
]
AllOption = Annotated[bool, typer.Option("--all", help="every destination")]
ReasonOption = Annotated[str, typer.Option("--reason", help="kept in the audit trail")]


def providers(
    watch: WatchOption = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show each provider's state, limits, rate now, queue and last reply."""
    if watch and json:
        fail("providers: --watch is for people, --json for programs: choose one", USAGE)
    site = Site.of(config, state_dir)
    if watch:
        _watch(site)
    answer = site.call("providers")["providers"]
    if json:
        as_json([{key: row[key] for key in KEYS} for row in answer])
        return
    table(list(COLUMNS), _rows(answer, local(site.file)))


def _rows(answer: list[dict[str, Any]], shown: Shown) -> list[list[object]]:
    return [
        [
            row["provider"],
            row["state"],
            shown(row["paused_until"]),
            ", ".join(row["limits"]),
            "" if row["rate_now"] is None else f"{row['rate_now']:g}",
            row["queued"],
            f"{row['oldest_s']} s" if row["queued"] else "",
            row["why"] or row["last_reply"],
        ]
        for row in answer
    ]


def _worth_most(answer: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """So many of them, in their order: what is paused or slow before others, then by its queue."""
    if len(answer) <= most:
        return answer
    ranked = sorted(answer, key=lambda row: (row["state"] == "ok", -row["queued"]))
    chosen = {row["provider"] for row in ranked[:most]}
    return [row for row in answer if row["provider"] in chosen]


def _watch(site: Site) -> NoReturn:
    """The table anew every two seconds, until Ctrl-C; on a screen what fits of it."""
    shown, is_screen = local(site.file), sys.stdout.isatty()
    try:
        while True:
            answer = site.call("providers")["providers"]
            most = max(1, shutil.get_terminal_size().lines - FRAME) if is_screen else len(answer)
            typer.echo(CLEAR if is_screen else "", nl=False)
            table(list(COLUMNS), _rows(_worth_most(answer, most), shown))
            if len(answer) > most:
                typer.echo(f"… and {len(answer) - most:,} others: `lpse-relay providers`")
            sleep(EVERY)
    except KeyboardInterrupt:
        raise typer.Exit from None


def pause(
    provider: ProviderArgument = None,
    every: AllOption = False,
    reason: ReasonOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Stop sending to a provider (or to --all) until `resume`; its letters wait in the queue."""
    _ask("pause", provider, every, reason, json, Site.of(config, state_dir))


def resume(
    provider: ProviderArgument = None,
    every: AllOption = False,
    reason: ReasonOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Go on after a pause: by hand, or one that a reply caused; then step by step."""
    _ask("resume", provider, every, reason, json, Site.of(config, state_dir))


def _ask(what: str, provider: str | None, every: bool, reason: str, json: bool, site: Site) -> None:
    if (provider is None) is not every:
        fail(f"{what}: name one provider, or --all", USAGE)
    if provider is not None and not provider.strip():
        fail(f"{what}: the provider's name is empty", USAGE)
    if not reason.strip():
        fail(f"{what}: --reason is needed: it is kept in the audit trail", USAGE)
    answer = site.call(what, provider="*" if provider is None else provider, reason=reason)
    if json:
        as_json(answer)
    else:
        say(answer["said"])
