"""Replies as forty providers, filters and servers word them: each reading can be defended."""

from pathlib import Path
from typing import NamedTuple

import pytest

from relay.mail import reply as replies
from relay.mail.reply import Stage
from relay.replies import Classifier


class Heard(NamedTuple):
    """One line of heard.txt."""

    line: int
    categories: list[str]
    actions: list[str]
    stage: Stage | None
    mx: str
    text: str


def _read() -> list[Heard]:
    lines = (Path(__file__).parent / "heard.txt").read_text("utf-8").splitlines()
    rows: list[Heard] = []
    for n, line in enumerate(lines, start=1):
        if line.startswith("#"):
            continue
        head, _, text = line.partition(" | ")
        categories, actions, stage, mx = head.split(" ")
        rows.append(
            Heard(
                n,
                categories.split("/"),
                actions.split("/"),
                Stage.of(stage.strip("-")),
                mx.strip("-"),
                text.replace("\\n", "\n"),
            )
        )
    return rows


ROWS = _read()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"heard.txt:{row.line}")
def test_what_was_heard_is_understood(classifier: Classifier, row: Heard) -> None:
    said = classifier.classify(replies.parse(row.text, row.stage), row.mx)
    assert said.category in row.categories, (said, row.text)
    assert said.action in row.actions, (said, row.text)


def test_most_readings_are_the_first_named(classifier: Classifier) -> None:
    """An alternative can be defended; the reading is what is wanted."""
    exact = 0
    for row in ROWS:
        said = classifier.classify(replies.parse(row.text, row.stage), row.mx)
        exact += said.category == row.categories[0] and said.action == row.actions[0]
    assert exact / len(ROWS) > 0.84


def test_without_a_stage_no_address_is_blamed(classifier: Classifier) -> None:
    """A log does not always tell the stage: then fewer are sure, and none blames for nothing."""
    blamed = [
        row.text
        for row in ROWS
        if "bounce_address" not in row.actions
        and classifier.classify(replies.parse(row.text), row.mx).action == "bounce_address"
    ]
    assert len(blamed) <= len(ROWS) / 200, blamed
