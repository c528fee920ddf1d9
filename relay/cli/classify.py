"""`lpse-relay classify`: what a reply means — one pasted on the command line, or rows of JSON."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from relay.cli.site import ConfigOption, JsonOption, config_file
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, say
from relay.config import SourceError
from relay.mail.reply import Stage

if TYPE_CHECKING:
    from relay.replies.classify import Classifier

MEANINGS = {
    "bounce_address": "give up for this recipient: the address is at fault",
    "bounce_message": "give up for this letter: the letter is at fault, not the address",
    "retry_later": "keep the letter and try again later",
    "slow_down_provider": "keep the letter; the provider's queue waits, then goes on more slowly",
    "fix_config": "keep the letter; something on our side must be mended",
}


def classify(
    reply: Annotated[
        str | None, typer.Argument(help="the reply, or a mail log's line as it stands; - reads it")
    ] = None,
    mx: Annotated[str, typer.Option(help="the host that said it")] = "",
    stage: Annotated[
        str, typer.Option(help="connect, helo, mail, rcpt, data or eod (after the final dot)")
    ] = "",
    jsonl: Annotated[
        str | None, typer.Option("--jsonl", help="read rows of JSON from a file, or - for stdin")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what a rejection is about, how sure that is, and what is right to do."""
    from relay.config import shipped_classifier, site_classifier
    from relay.replies.rows import classify_row

    if (reply is None) is (jsonl is None):
        fail("classify: give a reply, or --jsonl FILE", USAGE)
    if jsonl is not None and (mx or stage):
        fail("classify: with --jsonl each row says its own mx and stage", USAGE)
    if stage and Stage.of(stage) is None:
        fail(f"--stage: unknown stage {stage!r}: one of {', '.join(s.word for s in Stage)}", USAGE)
    try:
        classifier = site_classifier(config_file(config)) if config else shipped_classifier()
    except SourceError as error:
        fail(error, USAGE)
    if jsonl is not None:
        raise typer.Exit(_rows(classifier, jsonl))
    assert reply is not None  # noqa: S101 - one of the two was given
    text = sys.stdin.read() if reply == "-" else reply
    _one(classify_row(classifier, {"text": text, "mx": mx, "stage": stage}), json)


def _one(said: dict[str, Any], json: bool) -> None:
    if "error" in said:
        fail(said["error"], USAGE)
    said.pop("id", None)
    if json:
        as_json(said)
        return
    say(f"category    {said['category']}")
    say(f"about       {said['scope']}")
    say(f"action      {said['action']}: {MEANINGS[said['action']]}")
    say(f"rule        {said['rule']} (confidence {said['confidence']:.2f})")


def _rows(classifier: Classifier, source: str) -> int:
    """Answer every row in its order; exit code 1 if one was bad."""
    from relay.replies.rows import classify_line

    worst = 0
    with _lines(source) as lines:
        for line in lines:
            if not line.strip():
                continue
            answer = classify_line(classifier, line)
            worst = max(worst, REFUSED if "error" in answer else 0)
            typer.echo(jsonlib.dumps(answer))
    return worst


@contextmanager
def _lines(source: str) -> Iterator[TextIO]:
    if source == "-":
        yield sys.stdin
        return
    try:
        with Path(source).open(encoding="utf-8", errors="replace") as lines:
            yield lines
    except OSError as error:
        fail(f"{source}: {error.strerror}", USAGE)
