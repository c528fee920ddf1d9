"""`lpse-relay classify`: what a reply means — one pasted on the command line, or rows of JSON."""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.site import ConfigOption, JsonOption, config_file
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say
from relay.config import SourceError
from relay.mail.reply import Reply, Stage

if TYPE_CHECKING:
    from relay.replies.classify import Classifier

STAGES = ", ".join(stage.word for stage in Stage)
BEGINS = re.compile(  # one block of a mail log, or one event of our own
    r'^(?:[ \t]*<[^<>\s]{1,320}>: host |[^\n{]{0,200}\{\s{0,80}"at":)', re.MULTILINE
)
UNRECOGNISED = "no SMTP reply was recognised in this"

MEANINGS = {
    "bounce_address": "give up for this recipient: the address is at fault",
    "bounce_message": "give up for this letter: the letter is at fault, not the address",
    "retry_later": "keep the letter and try again later",
    "slow_down_provider": "keep the letter; the provider's queue waits, then goes on more slowly",
    "fix_config": "keep the letter; something on our side must be mended",
}


def classify(
    reply: Annotated[
        str | None,
        typer.Argument(
            help="the reply, or a line of a mail log or our own as it stands; - reads it"
        ),
    ] = None,
    mx: Annotated[str, typer.Option(help="the host that said it")] = "",
    stage: Annotated[str, typer.Option(help=f"{STAGES}; eod is after the final dot")] = "",
    jsonl: Annotated[
        str | None, typer.Option("--jsonl", help="read rows of JSON from a file, or - for stdin")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what a rejection is about, how sure that is, and what is right to do."""
    from relay.config import shipped_classifier, site_classifier

    _one_source(reply, jsonl, mx, stage)
    try:
        classifier = site_classifier(config_file(config)) if config else shipped_classifier()
    except SourceError as error:
        fail(error, USAGE)
    if jsonl is not None:
        raise typer.Exit(_rows(classifier, jsonl))
    assert reply is not None  # noqa: S101 - one of the two was given
    text = "".join(_piped()) if reply == "-" else reply
    if not text.strip():
        fail("classify: nothing to classify", USAGE)
    verdicts = [_verdict(classifier, part, mx, stage) for part in _parts(text)]
    if len(verdicts) == 1 and "error" in verdicts[0]:
        fail(f"classify: {verdicts[0]['error']}", USAGE)
    _all(verdicts, json)
    if any("error" in said for said in verdicts):
        raise typer.Exit(USAGE)


def _one_source(reply: str | None, jsonl: str | None, mx: str, stage: str) -> None:
    """Ends with code 2 where there are none or two, or what one of them does not take."""
    if (reply is None) is (jsonl is None):
        fail("classify: give a reply, or --jsonl FILE", USAGE)
    if jsonl is not None and (mx or stage):
        fail("classify: with --jsonl each row says its own mx and stage", USAGE)
    if stage and Stage.of(stage) is None:
        fail(f"--stage: unknown stage {stage!r}: one of {STAGES}", USAGE)


def _parts(text: str) -> list[str]:
    """Each pasted block by itself: a line that begins with `<…>: host`, or an event of our log."""
    starts = [begin.start() for begin in BEGINS.finditer(text)]
    if not starts or text[: starts[0]].strip():
        starts.insert(0, 0)
    ends = [*starts[1:], len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _verdict(classifier: Classifier, text: str, mx: str, stage: str) -> dict[str, Any]:
    from relay.replies import rows
    from relay.replies.classify import UNKNOWN

    row: dict[str, object] = {**(rows.event_in(text) or {"text": text})}
    row |= {key: value for key, value in (("mx", mx), ("stage", stage)) if value}
    said = rows.classify_row(classifier, row)
    said.pop("id", None)
    if said.get("rule") == UNKNOWN and not _is_reply(rows.read(row)[0]):
        note(UNRECOGNISED)
    return said


def _is_reply(reply: Reply) -> bool:
    return bool(reply.code or reply.enhanced)


def _all(verdicts: list[dict[str, Any]], json: bool) -> None:
    """One verdict as it is; several as a list, or numbered."""
    if json:
        as_json(verdicts if len(verdicts) > 1 else verdicts[0])
        return
    for n, said in enumerate(verdicts, 1):
        if len(verdicts) > 1:
            if n > 1:
                say()
            say(f"{n} of {len(verdicts)}")
        if "error" in said:
            say(said["error"])
        else:
            _one(said)


def _one(said: dict[str, Any]) -> None:
    say(f"category    {said['category']}")
    say(f"about       {said['scope']}")
    say(f"action      {said['action']}: {MEANINGS[said['action']]}")
    say(f"rule        {said['rule']} (confidence {said['confidence']:.2f})")


def _rows(classifier: Classifier, source: str) -> int:
    """Answer every row in its order; exit code 1 if one was bad."""
    from relay.replies.rows import classify_line

    worst = 0
    with _lines(source) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            answer = classify_line(classifier, line)
            if "error" in answer:
                answer["error"] = f"line {number}: {answer['error']}"
                worst = REFUSED
            typer.echo(jsonlib.dumps(answer))
    return worst


def _piped() -> Iterator[str]:
    """The lines of standard input, whatever octets a log holds."""
    return (line.decode("utf-8", "replace") for line in sys.stdin.buffer)


@contextmanager
def _lines(source: str) -> Iterator[Iterable[str]]:
    if source == "-":
        yield _piped()
        return
    try:
        with Path(source).open(encoding="utf-8", errors="replace") as lines:
            yield lines
    except OSError as error:
        fail(f"{source}: {error.strerror}", USAGE)
