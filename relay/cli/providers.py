"""`lpse-relay providers`, `pause` and `resume`: what each bears, and stopping it."""

from __future__ import annotations

from typing import Annotated

import typer

from relay.cli.moments import local
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

ProviderArgument = Annotated[
    str | None, typer.Argument(help="gmail, yahoo, …, a site's name, or a domain")
]
AllOption = Annotated[bool, typer.Option("--all", help="every destination")]
ReasonOption = Annotated[str, typer.Option("--reason", help="kept in the audit trail")]


def providers(
    json: JsonOption = False, config: ConfigOption = None, state_dir: StateOption = None
) -> None:
    """Show each provider's state, limits, rate now, queue and last reply."""
    site = Site.of(config, state_dir)
    answer = site.call("providers")["providers"]
    if json:
        as_json([{key: row[key] for key in KEYS} for row in answer])
        return
    shown = local(site.file)
    table(
        list(COLUMNS),
        (
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
        ),
    )


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
