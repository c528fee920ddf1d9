"""The demo's story: each event in a sentence that says what waits, why, and whose fault it is."""

from __future__ import annotations

from typing import Any

import pytest

from relay.lab.story import FAULT, Story, quoted
from relay.mail.classification import Category

AT = "2026-11-24T19:55:15.500Z"
BLOCK = "550 5.7.1 [127.0.0.1 1] Our system has detected an unusual rate of unsolicited mail"


def told(story: Story, event: str, **fields: Any) -> list[str]:
    """What the story says about one event, news and further lines."""
    said = story.tell({"at": AT, "event": event, **fields})
    return [line for _, lines in said for line in lines]


def test_a_block_is_told_once_and_what_follows_from_it() -> None:
    story = Story(15)
    pause = {"provider": "gmail", "destination": "gmail", "why": BLOCK}
    first = told(story, "paused", until="2026-11-24T19:55:19.500Z", **pause)
    assert first[0].startswith("Gmail blocks us: “550 5.7.1 ")
    assert "fault: our pace, not the letters" in first[1]
    assert "rests for 4 s" in first[2]
    letter = {"provider": "gmail", "recipient": "v@gmail.com", "category": "sender_blocked"}
    assert told(story, "deferred", why=BLOCK, until=AT, **letter) == []
    again = told(story, "paused", until="2026-11-24T19:55:21.500Z", **pause)
    assert again == ["Gmail says no again, to the one letter that asked: 6 s more"]
    assert "took one letter again" in told(story, "resumed", **pause)[0]
    assert told(story, "paused", until=AT, **pause)[0].startswith("Gmail blocks us")


def test_a_letter_that_waits_is_told_once_for_each_reason() -> None:
    story = Story(15)
    letter = {"provider": "other", "recipient": "a@dinas.example.go.id", "until": AT}
    grey = told(story, "deferred", category="greylisted", why="450 4.2.0 Greylisted", **letter)
    assert grey[0] == "a@dinas.example.go.id waits: “450 4.2.0 Greylisted”"
    assert grey[1].startswith("fault: nobody's")
    assert told(story, "deferred", category="greylisted", why="450", **letter) == []
    full = told(story, "deferred", category="mailbox_full", why="452 4.2.2 Over quota", **letter)
    assert "its mailbox is full; tried again for days" in full[1]


def test_a_bounce_names_whose_fault_it_is() -> None:
    bounce = {"provider": "yahoo", "recipient": "gone@yahoo.com", "category": "unknown_user"}
    lines = told(Story(15), "bounced", why="554 no account", **bounce)
    assert lines == [
        "gone@yahoo.com bounces: “554 no account”",
        "fault: the address: nobody has it any more; LPSE gets a report",
    ]


def test_every_so_many_letters_are_news() -> None:
    story = Story(2)
    said = [told(story, "delivered", provider="gmail") for _ in range(4)]
    assert said == [[], ["Gmail has accepted 2 letters"], [], ["Gmail has accepted 4 letters"]]


def test_other_events_are_no_news() -> None:
    assert told(Story(1), "received") == []


def test_every_category_that_the_story_knows_is_one_of_ours() -> None:
    assert set(FAULT) <= {category.value for category in Category}


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("250 fine", "“250 fine”"),
        ("a\x1b[31mb\r\nc", "“a [31mb  c”"),
        ("x" * 300, "“" + "x" * 119 + "…”"),
    ],
)
def test_a_foreign_text_is_quoted_on_one_line(reply: str, shown: str) -> None:
    assert quoted(reply) == shown
