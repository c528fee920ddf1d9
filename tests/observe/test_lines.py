from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import events, ids
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.events import Event
from relay.mail.reply import EnhancedCode, Reply
from relay.observe.lines import line, mask_address, mask_text, record
from tests.observe.examples import CLASSIFIED, EVENTS, ID, NOW, WHO, attempt, failed

FIXED = {
    "received", "refused", "attempted", "delivered", "deferred", "bounced", "expired",
    "suppressed", "returned", "held", "released", "removed", "paused", "resumed", "alert",
}  # fmt: skip


def test_examples_cover_the_closed_list() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert {record(event)["event"] for event in EVENTS} == FIXED


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line_is_one_json_object_in_ascii(event: Event) -> None:
    octets = line(event)
    assert octets.isascii()
    assert octets.count(b"\n") == 1
    shape = json.loads(octets)
    assert list(shape)[:2] == ["at", "event"]
    assert shape["at"] == "2011-10-04T07:11:00.000Z"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_no_full_address_of_a_vendor_in_a_masked_line(event: Event) -> None:
    assert b"vendor@" not in line(event)


def test_an_attempt_is_flattened() -> None:
    shape = record(events.Attempted(NOW, ID, 3, WHO, "yahoo", attempt(), CLASSIFIED))
    assert shape == {
        "at": "2011-10-04T07:11:00.000Z",
        "event": "attempted",
        "id": ids.show(ID),
        "n": 3,
        "recipient": "v…@example.co.id",
        "provider": "yahoo",
        "try": 2,
        "started_at": "2011-10-04T07:10:59.500Z",
        "took_ms": 120,
        "source_ip": "192.0.2.1",
        "route": "",
        "mx": "mta7.example.net",
        "ip": "198.51.100.7",
        "tls": "TLSv1.3",
        "stage": "eod",
        "code": 554,
        "enhanced": "5.1.1",
        "text": "dd This user doesn't have an account (v…@yahoo.com) [0]",
        "failure": None,
        "category": "unknown_user",
        "scope": "recipient",
        "action": "bounce_address",
        "rule": "yahoo.no-account",
        "confidence": 0.98,
    }


def test_what_a_sites_rule_overruled_stands_beside_it() -> None:
    original = Classification(Category.POLICY, Scope.MESSAGE, Action.BOUNCE_MESSAGE, "text.x", 0.7)
    event = events.Attempted(NOW, ID, 3, WHO, "yahoo", attempt(), CLASSIFIED, original)
    shape = record(event)
    assert (shape["rule"], shape["action"]) == ("yahoo.no-account", "bounce_address")
    assert shape["original"] == {
        "category": "policy",
        "scope": "message",
        "action": "bounce_message",
        "rule": "text.x",
        "confidence": 0.7,
    }


def test_an_attempt_without_a_reply_says_the_failure() -> None:
    shape = record(events.Attempted(NOW, ID, 3, WHO, "other", failed(), None))
    assert (shape["code"], shape["failure"], shape["text"]) == (
        None,
        "timeout",
        "no banner within 300 s",
    )
    assert "category" not in shape


def test_received_in_full() -> None:
    shape = record(EVENTS[0], masked=False)
    assert shape["sender"] == "lpse@lpse.example.go.id"
    assert shape["class"] == "massal"
    assert shape["sha256"] == "01" * 32
    assert shape["client"] == "192.0.2.9"
    assert shape["notes"] == ["headers: Date added"]


def test_foreign_text_is_escaped() -> None:
    nasty = 'x\x1b[31m\x07\r\n{"event":"delivered"}\u202e\u2028\x7f\ud800'
    octets = line(events.Alert(NOW, "odd", nasty))
    assert octets.isascii()
    assert octets.count(b"\n") == 1
    assert b"\x1b" not in octets
    assert b"\x07" not in octets
    assert json.loads(octets)["detail"] == nasty


def test_a_foreign_reply_is_escaped() -> None:
    said = "[/foo] [link=https://x.example]klik[/link] \x1b[2J \u202ekanan"
    nasty = replace(attempt(), reply=Reply(550, EnhancedCode(5, 1, 1), said))
    octets = line(events.Attempted(NOW, ID, 3, WHO, "yahoo", nasty, CLASSIFIED))
    assert octets.isascii()
    assert b"\x1b" not in octets
    assert b"[/foo] [link=https://x.example]klik[/link]" in octets
    assert json.loads(octets)["text"] == said


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("", ""),
        ("vendor@example.co.id", "v…@example.co.id"),
        ("v@example.co.id", "v…@example.co.id"),
        ('"a b"@example.co.id', '"…@example.co.id'),
        ("a@b@c", "a…@c"),
        ("foo", "f…"),
        ("@x", "…@x"),
    ],
)
def test_mask_address(address: str, masked: str) -> None:
    assert mask_address(address) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("<vendor@example.co.id>: no", "<v…@example.co.id>: no"),
        ("554 dd (vendor.x@yahoo.com) [0]", "554 dd (v…@yahoo.com) [0]"),
        ("two a1@b.c, a2@b.c", "two a…@b.c, a…@b.c"),
        ('<"kepala dinas"@x.id>', '<"…@x.id>'),
        ("bounce+vendor=example.co.id@relay.id", "b…@relay.id"),
        ("o'brien@x.id", "o…@x.id"),
        ("http://x/?r=vendor%40example.co.id", "http://x/?r=v…%40example.co.id"),
        ("vendor@[192.0.2.1]", "v…@[192.0.2.1]"),
        ("häns@x.id", "h…@x.id"),
        ("at 10 @ home, 40 times", "at 10 @ home, 40 times"),
        ("no address", "no address"),
    ],
)
def test_mask_text(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@given(
    st.from_regex(r"[a-z]{4,20}", fullmatch=True), st.sampled_from(["<%s>", "(%s)", "%s", "a:%s,"])
)
def test_no_local_part_survives(local: str, frame: str) -> None:
    assert f"{local}@" not in mask_text(frame % f"{local}@example.co.id")


@pytest.mark.parametrize(
    "text", ["a" * 8000, "a@" * 4000, '"' * 8000, '\\"' * 4000, '"a' * 4000, "a%40" * 2000]
)
def test_masking_is_linear(text: str) -> None:
    started = time.process_time()
    mask_text(text)
    assert time.process_time() - started < 0.25


def test_masking_twice_changes_nothing_more() -> None:
    once = mask_text("to <vendor@example.co.id>")
    assert mask_text(once) == once
