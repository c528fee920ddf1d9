"""Verdicts: what `classify` says of a log's line, remembered by the text without what differs.

A log says the same refusal to a thousand addresses. What is remembered is found by the line from
its `dsn=` or its error on, with the recipient's address and long ids (queue ids of the other side,
session names) replaced; the first line of a kind is classified as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relay.mail.classification import Classification
from relay.mail.reply import Reply
from relay.replies import logline
from relay.replies.classify import Classifier
from relay.reports.entries import Refused

REMEMBERED: Final = 20_000  # kinds of refusals; then all are forgotten
_KEY: Final = 4096  # octets of a line that tell one kind from another
# At least sixteen signs with four digits among them: no code, no address of a host, no word.
_ID: Final = re.compile(rb"(?<![\w.-])(?=(?:[A-Za-z_.-]{0,40}[0-9]){4})[\w.-]{16,400}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One refusal, read; ``is_guess``: no rule knew its words; ``is_documented``: the provider
    publishes that it means just that."""

    said: Classification
    reply: Reply
    mx: str
    is_guess: bool
    is_documented: bool


class Verdicts:
    """One instance a run."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier: Final = classifier
        self._known: Final[dict[bytes, Verdict]] = {}

    def of(self, refused: Refused) -> Verdict:
        """The verdict on a refusal; that of the first one of its kind."""
        key = kind_of(refused)
        verdict = self._known.get(key)
        if verdict is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            verdict = self._known[key] = self._read(refused)
        return verdict

    def _read(self, refused: Refused) -> Verdict:
        read = logline.read(refused.text.decode("utf-8", "replace"))
        mx = read.mx or refused.host.decode("ascii", "replace").lower()
        said = self._classifier.classify(read.reply, mx)
        is_guess = self._classifier.is_guess(said)
        is_documented = self._classifier.is_documented(said, mx)
        return Verdict(said, read.reply, mx, is_guess, is_documented)


def kind_of(refused: Refused) -> bytes:
    """What two refusals of one kind have in common."""
    text = refused.text
    start = text.find(b", dsn=")
    if start < 0:
        start = max(0, text.find(b": ", 3 + len(refused.to)))
    told = text[start : start + _KEY].replace(refused.to, b"a@b")
    sign = text[:2] if text[:2] in (b"**", b"==") else b""
    return sign + refused.host + _ID.sub(b"#", told)
