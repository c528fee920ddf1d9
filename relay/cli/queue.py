"""`lpse-relay queue`: what waits, why, and the operator's hold, release, retry and rm."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, console, fail, note, say, table
from relay.mail import ids
from relay.mail.urgency import Urgency
from relay.service.offline import queue_ls, queue_show
from relay.store.base import StoreError

app = typer.Typer(no_args_is_help=True, help="The queue: what waits, why, and what to do with it.")

MessageOption = Annotated[str | None, typer.Option("--message", help="ID, or ID.n")]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", help="a part of the subject, or a glob: '*Pembatalan*'")
]
ClassOption = Annotated[
    str | None, typer.Option("--class", help="kritis, mendesak, transaksi or massal")
]
DomainOption = Annotated[str | None, typer.Option("--domain", help="the recipient's domain")]
ProviderOption = Annotated[str | None, typer.Option("--provider", help="gmail, yahoo, …")]
RecipientOption = Annotated[str | None, typer.Option("--recipient", help="one address")]
YesOption = Annotated[bool, typer.Option("--yes", help="do it; without it only a preview is shown")]
ReasonOption = Annotated[str, typer.Option("--reason", help="kept in the audit trail")]


def selector(
    message: str | None,
    subject: str | None,
    urgency: str | None,
    domain: str | None,
    provider: str | None,
    recipient: str | None,
) -> dict[str, Any]:
    """The selector as the control socket takes it. A value that cannot be ends with code 2."""
    try:
        if message:
            ids.read(message)
        if urgency:
            Urgency.of(urgency)
    except ValueError as error:
        fail(error, USAGE)
    given = {
        "message": message,
        "subject": subject,
        "class": urgency,
        "domain": domain,
        "provider": provider,
        "recipient": recipient,
    }
    return {key: value for key, value in given.items() if value is not None}


@app.command("ls")
def ls(
    message: MessageOption = None,
    subject: SubjectOption = None,
    urgency: ClassOption = None,
    domain: DomainOption = None,
    provider: ProviderOption = None,
    recipient: RecipientOption = None,
    state: Annotated[str | None, typer.Option(help="ready, waiting, leased or held")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List what is not finished: totals by state and provider, then the oldest deliveries."""
    site = Site.of(config, state_dir)
    wanted = selector(message, subject, urgency, domain, provider, recipient)
    if state:
        wanted["state"] = state
    answer = site.try_call("queue.ls", selector=wanted, limit=limit)
    if answer is None:
        answer = _from_store(site, queue_ls, wanted, limit)
    if json:
        as_json(answer)
        return
    states = ", ".join(f"{count} {name}" for name, count in answer["by_state"].items() if count)
    providers = ", ".join(f"{name} {count}" for name, count in answer["by_provider"].items())
    say(f"{answer['total']} deliveries" + (f": {states}" if states else ""))
    if providers:
        say(f"by provider: {providers}")
    if answer["deliveries"]:
        keys = (
            "id",
            "recipient",
            "subject",
            "class",
            "provider",
            "state",
            "tries",
            "due_at",
            "why",
        )
        table(
            [key.replace("_at", "").replace("_", " ") for key in keys],
            ([row[key] for key in keys] for row in answer["deliveries"]),
        )
    if answer["total"] > len(answer["deliveries"]):
        say(f"… and {answer['total'] - len(answer['deliveries'])} more (--limit)")


@app.command("show")
def show(
    id: Annotated[str, typer.Argument(help="ID, or ID.n")],
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show one letter's deliveries in any state, with every attempt."""
    try:
        ids.read(id)
    except ValueError as error:
        fail(error, USAGE)
    site = Site.of(config, state_dir)
    answer = site.try_call("queue.show", id=id)
    if answer is None:
        answer = _from_store(site, queue_show, id)
    if not answer["deliveries"]:
        fail(f"no letter {id}", REFUSED)
    if json:
        as_json(answer["deliveries"][0] if "." in id else answer)
        return
    for row in answer["deliveries"]:
        _show_delivery(row)


def _show_delivery(row: dict[str, Any]) -> None:
    say(f"{row['id']}  {row['recipient']}  {row['state']}")
    for key in (
        "sender",
        "subject",
        "class",
        "provider",
        "due_at",
        "expires_at",
        "category",
        "why",
    ):
        if row.get(key) not in (None, ""):
            say(f"  {key.replace('_at', '').replace('_', ' '):10} {row[key]}")
    for attempt in row["attempts"]:
        code = " ".join(str(attempt[k]) for k in ("code", "enhanced") if attempt[k])
        say(
            f"  {attempt['started_at']}  {attempt['mx']}[{attempt['ip']}]  {attempt['stage']}  "
            f"{code} {attempt['text']}".rstrip()
        )
        if attempt["category"]:
            say(f"    → {attempt['category']} ({attempt['rule']}), {attempt['took_ms']} ms")
    console.print()


def _from_store(site: Site, read: Any, *args: Any) -> dict[str, Any]:
    """Without a running relay: read the store, and say so."""
    note(f"no relay answers at {site.control}: reading {site.state_dir}")
    try:
        answer: dict[str, Any] = asyncio.run(read(site.file, site.state_dir, *args))
    except (StoreError, OSError, ValueError) as error:
        fail(error, REFUSED)
    return answer


def _change(
    what: str, wanted: dict[str, Any], yes: bool, reason: str, json: bool, site: Site
) -> None:
    """Preview, then — with `--yes` — the change; exit 1 where something was in flight."""
    if not wanted:
        fail("name what is meant: --message, --subject, --class, --domain, …", USAGE)
    if yes and not reason.strip():
        fail("--reason is needed: it is kept in the audit trail", USAGE)
    if not yes:
        answer = site.call("queue.preview", change=what, selector=wanted)
        if json:
            as_json(answer | {"done": False})
        else:
            say(f"{what} would move {answer['count']} deliveries")
            keys = ("id", "recipient", "subject", "class", "state")
            table(keys, ([row[key] for key in keys] for row in answer["sample"]))
            say("nothing was changed; say it again with --yes --reason '…'")
        raise typer.Exit(REFUSED)
    answer = site.call("queue.change", change=what, selector=wanted, reason=reason)
    if json:
        as_json(answer | {"done": True})
    else:
        say(f"{what}: {answer['moved']} deliveries")
        if answer["in_flight"]:
            say(f"{answer['in_flight']} are being sent at this moment and were left alone")
    if answer["in_flight"]:
        raise typer.Exit(REFUSED)


def _command(what: str, text: str) -> None:
    @app.command(what, help=text)
    def change(
        message: MessageOption = None,
        subject: SubjectOption = None,
        urgency: ClassOption = None,
        domain: DomainOption = None,
        provider: ProviderOption = None,
        recipient: RecipientOption = None,
        yes: YesOption = False,
        reason: ReasonOption = "",
        json: JsonOption = False,
        config: ConfigOption = None,
        state_dir: StateOption = None,
    ) -> None:
        site = Site.of(config, state_dir)
        wanted = selector(message, subject, urgency, domain, provider, recipient)
        _change({"rm": "remove"}.get(what, what), wanted, yes, reason, json, site)


_command("hold", "Stop deliveries until they are released: a wrong announcement, for instance.")
_command("release", "Let held deliveries go.")
_command("retry", "Try waiting deliveries now, instead of at their next due time.")
_command("rm", "Cancel deliveries; the vendor's inbox keeps its copy.")
