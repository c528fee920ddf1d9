"""`lpse-relay queue requeue`: letters that did not arrive are brought back, after a look."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relay.cli.queue import (
    CHECKS,
    PREVIEW,
    SAMPLED,
    ClassOption,
    DomainOption,
    MessageOption,
    ProviderOption,
    SubjectOption,
    YesOption,
    app,
    many,
    selector,
)
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, say, table
from relay.mail.classification import Category

KINDS = 20  # lines of the preview's table
GROUPED = ("domain", "provider", "state", "category", "count")

FingerprintOption = Annotated[
    str | None,
    typer.Option("--fingerprint", help="all with the body of this letter (its ID), or a hash"),
]
SenderOption = Annotated[str | None, typer.Option("--sender", help="the envelope sender")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="failed since: 7d, 12h, 2026-11-01 (default: `failed.keep`)"),
]
CauseOption = Annotated[
    str | None,
    typer.Option("--reason", help="why they failed: sender_blocked, spam_content, …, or rule:ID"),
]
WhyOption = Annotated[
    str, typer.Option("--why", help="your own words, kept in the audit trail beside the selectors")
]


def _cause(text: str) -> None:
    word, colon, rule = text.strip().partition(":")
    names = [one.value for one in Category]
    if not (colon and word == "rule" and rule.strip()) and text.strip().lower() not in names:
        raise ValueError(
            f"{text!r} is no cause: rule:ID, or one of {', '.join(names)}"
            " (your own words go into --why)"
        )


CHECKS["reason"] = _cause


HELP = (
    "Bring back letters that did not arrive: bounced, expired, suppressed or held ones, chosen"
    " by whose they were and by why they failed. Each gets a new life, but kritis, and what names a"
    " deadline, never goes again when its time is over.\n\n" + PREVIEW
)


@app.command("requeue", help=HELP)
def requeue(
    message: MessageOption = None,
    fingerprint: FingerprintOption = None,
    sender: SenderOption = None,
    subject: SubjectOption = None,
    urgency: ClassOption = None,
    provider: ProviderOption = None,
    domain: DomainOption = None,
    since: SinceOption = None,
    reason: CauseOption = None,
    yes: YesOption = False,
    why: WhyOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """See the help."""
    wanted = selector(
        message=message,
        fingerprint=fingerprint,
        sender=sender,
        subject=subject,
        urgency=urgency,
        provider=provider,
        domain=domain,
        since=since,
        reason=reason,
    )
    if not wanted:
        fail("requeue: name what is meant: --message, --reason, --subject, --since, …", USAGE)
    site = Site.of(config, state_dir)
    if yes:
        answer = site.call("queue.requeue", selector=wanted, why=why)
        _done(answer, json)
    else:
        answer = site.call("queue.unsent", selector=wanted)
        _previewed(answer, json)
    raise typer.Exit(0 if yes and answer["moved"] else REFUSED)


def _previewed(answer: dict[str, Any], json: bool) -> None:
    if json:
        as_json(answer | {"done": False})
        return
    say(f"would requeue {many(answer['count'])}{_over(answer['over'])}")
    going = [row for row in answer["by"] if not row["over"]]
    if going:
        table(GROUPED, ([row[key] or "-" for key in GROUPED] for row in going[:KINDS]))
    if len(going) > KINDS:
        rest = sum(row["count"] for row in going[KINDS:])
        say(f"… and {rest} more, of {len(going) - KINDS} other kinds")
    if answer["sample"]:
        say("the oldest of them:")
        table(SAMPLED, ([row[key] for key in SAMPLED] for row in answer["sample"]))
    if answer["count"]:
        say("nothing was changed yet: say requeue again with --yes (and --why '…')")


def _done(answer: dict[str, Any], json: bool) -> None:
    if json:
        as_json(answer | {"done": True})
    else:
        say(f"{many(answer['moved'])} requeued{_over(answer['over'])}")


def _over(count: int) -> str:
    return f" ({many(count)} more stay as they are: their time is over)" if count else ""
