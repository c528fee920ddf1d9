"""`lpse-relay queue`: what waits, why, and the operator's hold, release, retry and rm."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from relay.cli.explain import LangOption, language
from relay.cli.late import LATE
from relay.cli.moments import Shown, local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table
from relay.mail import ids
from relay.mail.urgency import Urgency

app = typer.Typer(no_args_is_help=True, help="The queue: what waits, why, and what to do with it.")

MessageOption = Annotated[str | None, typer.Option("--message", help="ID, or ID.n")]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", help="a part of the subject, or a glob: '*Pembatalan*'")
]
ClassOption = Annotated[
    str | None, typer.Option("--class", help="kritis, mendesak, transaksi or massal")
]
DomainOption = Annotated[str | None, typer.Option("--domain", help="the recipient's domain")]
ProviderOption = Annotated[
    str | None, typer.Option("--provider", help="gmail, yahoo, …, or other: the sites")
]
RecipientOption = Annotated[str | None, typer.Option("--recipient", help="one address")]
HeaderIdOption = Annotated[
    str | None, typer.Option("--message-id", help="the Message-ID that LPSE's letter came with")
]
YesOption = Annotated[bool, typer.Option("--yes", help="do it; without it only a preview is shown")]
ReasonOption = Annotated[str, typer.Option("--reason", help="kept in the audit trail")]

LISTED = ("id", "recipient", "subject", "class", "provider", "state", "tries", "due_at", "why")
SAMPLED = ("id", "recipient", "class", "state", "subject")
SHOWN = ("sender", "subject", "class", "provider", "due_at", "expires_at", "category", "why")


WORDS = {  # what a change would do, what it did, and the state that it leads to
    "hold": ("hold", "held", "held"),
    "release": ("release", "released", "ready"),
    "retry": ("retry", "set to be tried now", "ready"),
    "rm": ("cancel", "cancelled", ""),
}


def _domain(text: str) -> None:
    from relay.mail.address import parse_domain

    parse_domain(text.strip())


def _state(text: str) -> None:
    from relay.mail.delivery import State

    words = [state.word for state in State if not state.is_final]
    if text.strip().lower() not in words:
        raise ValueError(f"unknown state {text!r}: one of {', '.join(words)}")


CHECKS: dict[str, Callable[[str], object]] = {
    "message": ids.read,
    "class": Urgency.of,
    "domain": _domain,
    "state": _state,
}


def selector(**given: str | None) -> dict[str, str]:
    """The selector as the control socket takes it. A value that cannot be ends with code 2.

    An empty value is refused: an unset variable of a script must not mean everything.
    """
    wanted = {key.replace("urgency", "class"): value for key, value in given.items()}
    for key, value in wanted.items():
        if value is None:
            continue
        option = "--in-state" if key == "state" else "--" + key.replace("_", "-")
        if not value.strip():
            fail(f"{option}: the value is empty", USAGE)
        try:
            CHECKS.get(key, str)(value)
        except ValueError as error:
            fail(f"{option}: {error}", USAGE)
    return {key: value for key, value in wanted.items() if value is not None}


@app.command("ls")
def ls(
    message: MessageOption = None,
    subject: SubjectOption = None,
    urgency: ClassOption = None,
    domain: DomainOption = None,
    provider: ProviderOption = None,
    recipient: RecipientOption = None,
    state: Annotated[
        str | None, typer.Option("--in-state", help="ready, waiting, leased or held")
    ] = None,
    message_id: HeaderIdOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List what is not finished: totals by state and provider, then the oldest deliveries."""
    wanted = selector(
        message=message,
        subject=subject,
        urgency=urgency,
        domain=domain,
        provider=provider,
        recipient=recipient,
        state=state,
        message_id=message_id,
    )
    site = Site.of(config, state_dir)
    answer = site.try_call("queue.ls", selector=wanted, limit=limit)
    if answer is None:
        from relay.service.offline import queue_ls

        answer = _from_store(site, queue_ls, wanted, limit)
    if json:
        as_json(answer)
    else:
        _list(answer, local(site.file))


def _list(answer: dict[str, Any], shown: Shown) -> None:
    for title, counts in (("in the queue", "by_state"), ("by provider", "by_provider")):
        told = ", ".join(f"{name} {count}" for name, count in answer[counts].items())
        say(f"{title}: {told or 'nothing'}")
    if answer["deliveries"]:
        table(
            [key.removesuffix("_at") for key in LISTED],
            (
                [shown(row[key]) if key.endswith("_at") else row[key] for key in LISTED]
                for row in answer["deliveries"]
            ),
        )
    more = answer["total"] - len(answer["deliveries"])
    if more > 0:
        say(f"… and {more} more (--limit)")


@app.command("show")
def show(
    id: Annotated[str, typer.Argument(help="ID, or ID.n")],
    lang: LangOption = "en",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show one letter's deliveries in any state, why each waits, and every attempt."""
    spoken = language(lang).spoken
    try:
        ids.read(id)
    except ValueError as error:
        fail(error, USAGE)
    site = Site.of(config, state_dir)
    answer = site.try_call("queue.show", id=id)
    if answer is None:
        from relay.service.offline import queue_show

        answer = _from_store(site, queue_show, id)
    if not answer["deliveries"]:
        fail(f"no letter {id}", REFUSED)
    for row in answer["deliveries"]:
        row["why"] = spoken(row["why"])
    if json:
        as_json(answer)
        return
    shown = local(site.file)
    for row in answer["deliveries"]:
        _show_delivery(row, shown)


def _show_delivery(row: dict[str, Any], shown: Shown) -> None:
    say(f"{row['id']}  {row['recipient']}  {row['state']}")
    for key in SHOWN:
        if row[key] not in (None, ""):
            value = shown(row[key]) if key.endswith("_at") else row[key]
            say(f"  {key.removesuffix('_at'):9} {value}")
    for hint in row.get("hints", ()):
        say(f"  perhaps   {hint} was meant; nothing is rewritten: ask the vendor")
    for attempt in row["attempts"]:
        where = f"{attempt['mx']}[{attempt['ip']}]" if attempt["mx"] else "(no host)"
        code = " ".join(str(attempt[k]) for k in ("code", "enhanced") if attempt[k])
        said = " ".join(filter(None, (code, " ".join(attempt["text"].split()))))
        at = shown(attempt["started_at"])
        by = f"  by {attempt['route']}" if attempt.get("route") else ""
        say(f"  {at}  {where}  {attempt['tls'] or 'plain'}  {attempt['stage']}{by}")
        if again := attempt.get("again_after"):
            say(f"    sent again after the block of {shown(again)}")
        say(f"    {said}  ({attempt['took_ms']:g} ms)")
        if attempt["category"]:
            say(f"    → {attempt['category']} (rule {attempt['rule']})")
    for one in row.get("late", ()):
        _show_late(one, shown)
    say()


def _show_late(one: dict[str, Any], shown: Shown) -> None:
    """What came back after a server took the letter."""
    say(f"  {shown(one['at'])}  {LATE[one['kind']]}, says {one['reporter']}")
    if one["named"]:
        say(f"    of {one['named']}")
    if one["text"]:
        say(f"    {' '.join(one['text'].split())}")
    if one["category"]:
        say(f"    → {one['category']} (rule {one['rule']})")


def _from_store(
    site: Site,
    read: Callable[..., Coroutine[Any, Any, dict[str, Any]]],
    *args: object,
) -> dict[str, Any]:
    """Without a running relay: read the store, and say so."""
    note(f"no relay answers at {site.control}: reading the store in {site.state_dir}")
    return site.at_rest(read(site.file, site.state_dir, *args))


def _asked(what: str, wanted: dict[str, str], yes: bool, reason: str) -> tuple[str, dict[str, Any]]:
    """What is asked of the relay: a preview, or with `--yes` the change."""
    if not wanted:
        fail(f"{what}: name what is meant: --message, --subject, --class, --domain, …", USAGE)
    if yes and not reason.strip():
        fail(f"{what}: --reason is needed: it is kept in the audit trail", USAGE)
    asked = {"change": "remove" if what == "rm" else what, "selector": wanted}
    return ("queue.change", asked | {"reason": reason}) if yes else ("queue.preview", asked)


def _previewed(what: str, answer: dict[str, Any], json: bool) -> int:
    if json:
        as_json(answer | {"done": False})
        return REFUSED
    why = "" if answer["count"] else _why_none(what, answer)
    say(f"would {WORDS[what][0]} {many(answer['count'])}{why}")
    if answer["sample"]:
        table(SAMPLED, ([row[key] for key in SAMPLED] for row in answer["sample"]))
    if answer["count"] > len(answer["sample"]):
        say(f"… and {answer['count'] - len(answer['sample'])} more")
    if answer["count"]:
        say(f"nothing was changed yet: say {what} again with --yes --reason '…'")
    return REFUSED


def _changed(what: str, answer: dict[str, Any], json: bool) -> int:
    """What is being sent at this moment is held or removed once its try is over: done in part."""
    escaped = answer["in_flight"] if what in ("hold", "rm") else 0
    if json:
        as_json(answer | {"done": True})
    else:
        why = "" if answer["moved"] else _why_none(what, answer)
        say(f"{many(answer['moved'])} {WORDS[what][1]}{why}")
        if escaped:
            say(
                f"{many(escaped)} being sent at this moment: {WORDS[what][1]} when its try is"
                " over, unless it is delivered"
            )
    return REFUSED if escaped or not answer["moved"] else 0


def _why_none(what: str, answer: dict[str, Any]) -> str:
    """Why a change moves nothing: what is there is in another state, or nothing is there."""
    there = answer.get("instead", {})
    told = [
        f"{n} {state}{' already' if state == WORDS[what][2] else ''}" for state, n in there.items()
    ]
    return f" (what is meant: {', '.join(told)})" if told else " (nothing in the queue is meant)"


def many(count: int) -> str:
    """`1 delivery`, `2 deliveries`."""
    return "1 delivery" if count == 1 else f"{count} deliveries"


PREVIEW = (
    "Without --yes it is only shown what would be done: nothing changes, and the exit code is 1."
)


def _command(what: str, text: str) -> None:
    text = f"{text}\n\n{PREVIEW}"

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
        wanted = selector(
            message=message,
            subject=subject,
            urgency=urgency,
            domain=domain,
            provider=provider,
            recipient=recipient,
        )
        command, params = _asked(what, wanted, yes, reason)
        answer = Site.of(config, state_dir).call(command, **params)
        done = _changed(what, answer, json) if yes else _previewed(what, answer, json)
        raise typer.Exit(done)


_command("hold", "Stop deliveries until they are released: a wrong announcement, for instance.")
_command("release", "Let held deliveries go.")
_command("retry", "Try waiting deliveries now, instead of at their next due time.")
_command("rm", "Cancel deliveries; the vendor's inbox keeps its copy.")
