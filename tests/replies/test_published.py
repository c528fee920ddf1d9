"""Every reply that Google, Yahoo, Microsoft and the common servers publish, with its reading."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.mail import reply as replies
from relay.mail.reply import Stage
from relay.replies import Classifier, logline

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "published.yaml").read_text("utf-8")
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["reply"])[:60])
def test_published_replies(classifier: Classifier, row: dict[str, Any]) -> None:
    reply = replies.parse(row["reply"], Stage.of(row.get("stage", "")))
    said = classifier.classify(reply, row.get("mx", ""))
    assert f"{said.category} {said.action} {said.scope}" == row["means"], said.rule


# What is said before RCPT stands in a log with another command.
LOGGED = [row for row in ROWS if row.get("stage", "") in ("", "rcpt", "eod")]


@pytest.mark.parametrize("row", LOGGED, ids=lambda row: str(row["reply"])[:60])
def test_published_replies_from_a_log(classifier: Classifier, row: dict[str, Any]) -> None:
    """The same, found in a Postfix log: what the reader makes of it changes no reading."""
    command = "end of DATA" if row.get("stage") == "eod" else "RCPT TO"
    host = row.get("mx", "mx.example.co.id")
    said_by = f"<v@example.co.id>: host {host}[192.0.2.2] said:"
    line = f"{said_by} {row['reply']} (in reply to {command} command)"
    reading = logline.read(line)
    said = classifier.classify(reading.reply, reading.mx)
    wanted = row["means"].split()
    assert (said.category, said.scope) == (wanted[0], wanted[2]), said.rule
