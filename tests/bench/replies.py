"""Scores the classifier against a labelled corpus of replies, and measures what a reply costs.

usage: python -m tests.bench.replies CORPUS.jsonl [--errors] [--json]

Rows: ``id, reply_code, enhanced, text, mx, stage, category, category_alt, action, action_alt``.
strict = the label; lenient = the label or an alternative that can be defended too. A fifth of
the rows (by the hash of their id) is kept aside: rules are written looking at the others only,
and ``--errors`` never shows the kept ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import re2

from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Classification
from relay.mail.reply import Reply, Stage
from relay.replies import Classifier, Rule, load, logline, rows, wording
from relay.replies.rules import options

Row = dict[str, Any]
ROUNDS = 5


@dataclass
class Tally:
    """Counts over one part of the corpus."""

    rows: int = 0
    category_strict: int = 0
    category_lenient: int = 0
    action_strict: int = 0
    action_lenient: int = 0
    blamed: int = 0
    hammered: int = 0
    blocks: int = 0
    blocks_kept: int = 0
    dead: int = 0
    dead_recognised: int = 0

    def add(self, row: Row, said: Classification) -> bool:
        """Count one answer; True where category and action can both be defended."""
        in_category = said.category == row["category"] or said.category in row["category_alt"]
        in_action = said.action == row["action"] or said.action in row["action_alt"]
        self.rows += 1
        self.category_strict += said.category == row["category"]
        self.category_lenient += in_category
        self.action_strict += said.action == row["action"]
        self.action_lenient += in_action
        is_address = row["action"] == Action.BOUNCE_ADDRESS
        self.blamed += said.action is Action.BOUNCE_ADDRESS and not in_action and not is_address
        self.hammered += said.keeps_the_mail and not in_action and is_address
        if row["reply_code"] >= 500:
            if row["category"] in (Category.SENDER_BLOCKED, Category.RATE_LIMITED):
                self.blocks += 1
                self.blocks_kept += said.keeps_the_mail
            if is_address and not row["action_alt"] and not row["category_alt"]:
                self.dead += 1
                self.dead_recognised += said.action is Action.BOUNCE_ADDRESS
        return in_category and in_action

    def shares(self) -> dict[str, float | int]:
        """The figures as shares of what they are counted over."""
        n = max(self.rows, 1)
        return {
            "rows": self.rows,
            "category": round(self.category_strict / n, 3),
            "category_lenient": round(self.category_lenient / n, 3),
            "action": round(self.action_strict / n, 3),
            "action_lenient": round(self.action_lenient / n, 3),
            "blamed": round(self.blamed / n, 3),
            "hammered": round(self.hammered / n, 3),
            "blocks_kept": round(self.blocks_kept / max(self.blocks, 1), 3),
            "dead_recognised": round(self.dead_recognised / max(self.dead, 1), 3),
        }


def is_kept_aside(row: Row) -> bool:
    """A fifth of the rows, the same on every run."""
    return hashlib.sha256(str(row["id"]).encode()).digest()[0] % 5 == 0


def shipped() -> Classifier:
    """The classifier with the rules of the package."""
    folder = files("relay.replies") / "rules"
    return load({e.name: e.read_text("utf-8") for e in folder.iterdir() if e.is_file()})


def cost(classifier: Classifier, read: list[tuple[Reply, str]]) -> tuple[float, float]:
    """Microseconds of processor a reply: the mean of the best round, and the slowest one alone."""
    slowest, mean = 0.0, float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for reply, mx in read:
            classifier.classify(reply, mx)
        mean = min(mean, (time.process_time() - started) / max(len(read), 1))
    for reply, mx in read:
        best = float("inf")
        for _ in range(ROUNDS):
            at = time.perf_counter()
            classifier.classify(reply, mx)
            best = min(best, time.perf_counter() - at)
        slowest = max(slowest, best)
    return mean * 1e6, slowest * 1e6


def hostile(classifier: Classifier) -> tuple[float, str]:
    """Milliseconds of the worst of some 1 MB texts, and which one it was: read as a reply, as a
    line of a mail log, and classified."""
    worst, name = 0.0, ""
    for what, text in _hostile_texts(classifier).items():
        octets = b"550 " + text.encode()
        at = time.process_time()
        classifier.classify(replies.parse(octets, Stage.RCPT))
        classifier.classify(Reply(550, None, text, Stage.RCPT))
        logline.read(text)
        took = time.process_time() - at
        if took > worst:
            worst, name = took, what
    return worst * 1e3, name


def worst_pattern(classifier: Classifier) -> tuple[float, str]:
    """Microseconds of the slowest pattern on what is matched of a hostile text, and its rule."""
    texts = [wording.comparable(text) for text in _hostile_texts(classifier).values()]
    worst, name = 0.0, ""
    for rule in _rules(classifier):
        for pattern in (*rule.patterns, *rule.unless):
            compiled = re2.compile(wording.plain(pattern), options())
            for text in texts:
                compiled.search(text)  # its automaton is built as it goes
                at = time.process_time()
                compiled.search(text)
                took = time.process_time() - at
                if took > worst:
                    worst, name = took, rule.id
    return worst * 1e6, name


def _hostile_texts(classifier: Classifier) -> dict[str, str]:
    noise = random.Random(1)
    words = [word for rule in _rules(classifier) for p in rule.patterns for word in p.split("|")]
    return {
        "one letter": "a" * 1_000_000,
        "at signs": "@" * 1_000_000,
        "addresses": "a@" * 500_000,
        "underscores": "a_" * 500_000,
        "codes": "550 5.7.1 " * 100_000,
        "lines": "550-5.7.1 no\r\n" * 70_000,
        "nested": "(host mx[192.0.2.1] said: 550 " * 33_000,
        "repeated": "user mailbox recipient address is not " * 26_000,
        "noise": "".join(chr(noise.randrange(32, 0x3000)) for _ in range(100_000)) * 10,
        "pieces of patterns": " ".join(noise.choice(words) for _ in range(50_000)),
    }


def _rules(classifier: Classifier) -> list[Rule]:
    return [rule for ruleset in classifier.rulesets for rule in ruleset.rules]


def main() -> int:
    """Print the figures; exit 2 where the corpus cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--errors", action="store_true", help="show misread development rows")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        with given.corpus.open(encoding="utf-8") as lines:
            corpus: list[Row] = [json.loads(line) for line in lines if line.strip()]
    except (OSError, json.JSONDecodeError) as error:
        sys.stderr.write(f"{given.corpus}: {error}\n")
        return 2
    classifier = shipped()
    tallies = {"development": Tally(), "kept aside": Tally(), "all": Tally()}
    read: list[tuple[Reply, str]] = []
    for row in corpus:
        reply, mx = rows.read(row)
        read.append((reply, mx))
        said = classifier.classify(reply, mx)
        part = "kept aside" if is_kept_aside(row) else "development"
        tallies["all"].add(row, said)
        if not tallies[part].add(row, said) and given.errors and part == "development":
            _show(row, said)
    mean, slowest = cost(classifier, read)
    worst, name = hostile(classifier)
    figures: dict[str, Any] = {part: tally.shares() for part, tally in tallies.items()}
    figures["us_per_reply"] = {"mean": round(mean, 1), "slowest": round(slowest, 1)}
    figures["hostile_1mb"] = {"ms": round(worst, 2), "text": name}
    slow, rule = worst_pattern(classifier)
    figures["worst_pattern"] = {"us": round(slow, 1), "rule": rule}
    _print(figures, given.json)
    return 0


def _show(row: Row, said: Classification) -> None:
    want = f"{row['category']}{row['category_alt']} {row['action']}{row['action_alt']}"
    got = f"{said.category}/{said.action} by {said.rule}"
    sys.stdout.write(f"[{want}] got {got}\n    {row['stage']} {row['mx']} {row['text'][:300]!r}\n")


def _print(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return
    for part, shares in figures.items():
        words = "  ".join(f"{name} {value}" for name, value in shares.items())
        sys.stdout.write(f"{part:14s} {words}\n")


if __name__ == "__main__":
    sys.exit(main())
