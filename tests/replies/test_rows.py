"""Rows of JSON in, rows of JSON out: every row answered in its place, a bad one by its fault."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import Stage
from relay.replies import Classifier, load, rows
from tests.replies.conftest import shipped_texts

SHIPPED = load(shipped_texts())


def test_a_row_is_answered(classifier: Classifier) -> None:
    row = {
        "id": "a1",
        "reply_code": 550,
        "enhanced": "5.1.1",
        "text": "550 5.1.1 No such user",
        "mx": "mx.example.co.id",
        "stage": "rcpt",
        "source": "ignored",
    }
    assert rows.classify_row(classifier, row) == {
        "id": "a1",
        "category": "unknown_user",
        "scope": "recipient",
        "action": "bounce_address",
        "rule": "text.unknown-user",
        "confidence": 0.9,
    }


def test_the_fields_count_where_the_text_has_no_code(classifier: Classifier) -> None:
    row = {"id": 7, "reply_code": "452", "enhanced": "4.2.2", "text": "", "stage": ""}
    answer = rows.classify_row(classifier, row)
    assert (answer["category"], answer["action"]) == ("mailbox_full", "retry_later")


def test_a_text_of_no_utf_8_is_read_all_the_same(classifier: Classifier) -> None:
    answer = rows.classify_line(classifier, '{"text": "550 5.1.1 \\ud800 No such user"}')
    assert answer["category"] == "unknown_user"


def test_a_log_line_may_stand_in_the_text(classifier: Classifier) -> None:
    text = (
        "<a@b.example>: host mx.b.example[192.0.2.1] said: 550 No such user here "
        "(in reply to RCPT TO command)"
    )
    answer = rows.classify_row(classifier, {"id": 1, "text": text})
    assert answer["category"] == "unknown_user"
    assert answer["action"] == "bounce_address"


def test_the_notice_may_stand_in_the_text(classifier: Classifier) -> None:
    for n, rule in ((1, "yahoo.no-account"), (3, "google.unusual-rate-block")):
        text = (Path(__file__).parent / f"notice-{n}.txt").read_text("utf-8")
        assert rows.classify_row(classifier, {"text": text})["rule"] == rule
        reply, mx = rows.read({"text": text})
        assert reply.stage is Stage.EOD
        assert mx.startswith(("mta7", "gmail"))


def test_a_reply_that_quotes_a_log_line_is_a_reply(classifier: Classifier) -> None:
    text = "450 4.1.1 <a@b>: undeliverable address: host mx.b[192.0.2.1] said: 550 User unknown"
    reply, mx = rows.read({"text": text, "mx": "mx.example", "stage": "rcpt"})
    assert (reply.code, mx, reply.stage) == (450, "mx.example", Stage.RCPT)
    assert classifier.classify(reply, mx).keeps_the_mail


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([], "a row is a JSON object"),
        ({"id": []}, "id: a text or a number"),
        ({"id": 1}, "text: neither"),
        ({"id": 1, "text": 5}, "text: a text is expected, not int"),
        ({"id": 1, "text": "x", "reply_code": 99}, "reply_code: '99'"),
        ({"id": 1, "text": "x", "reply_code": True}, "reply_code: 'True'"),
        ({"id": 1, "text": "x", "reply_code": "9" * 500}, "reply_code:"),
        ({"id": 1, "text": "x", "stage": "lunch"}, "stage: 'lunch' is none of connect, helo"),
        ({"id": 1, "text": "x", "enhanced": "5.1"}, "enhanced: '5.1' is no code"),
    ],
)
def test_a_bad_row_names_its_field(classifier: Classifier, row: object, words: str) -> None:
    answer = rows.classify_row(classifier, row)
    assert words in str(answer["error"])
    assert answer.keys() == {"id", "error"}


@pytest.mark.parametrize(
    ("line", "words"),
    [("{", "not JSON: Expecting property name"), ("[" * 100_000, "not JSON"), ("", "not JSON")],
)
def test_a_bad_line_says_so(classifier: Classifier, line: str, words: str) -> None:
    assert words in str(rows.classify_line(classifier, line)["error"])


def test_a_line_without_end_is_refused(classifier: Classifier) -> None:
    assert "longer than" in str(rows.classify_line(classifier, " " * 2_000_000)["error"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ["id", "reply_code", "enhanced", "text", "mx", "stage"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_every_row_gets_a_row_that_is_json(row: dict[str, object]) -> None:
    answer = rows.classify_line(SHIPPED, json.dumps(row))
    assert ("error" in answer) != ("category" in answer)
    assert json.loads(json.dumps(answer)).keys() == answer.keys()


EVENT = {"at": "2026-11-24T10:00:00.000Z", "event": "attempted", "id": "0G4P2K7M1V0A0", "n": 1}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"code": 550, "enhanced": "5.1.1", "text": "User unknown", "stage": "rcpt"}, "bounce"),
        ({"code": 452, "text": "4.2.2 over quota", "stage": "rcpt"}, "retry_later"),
        ({"code": None, "failure": "timeout", "text": "timed out"}, "retry_later"),
    ],
)
def test_an_event_of_our_own_log_is_read(
    classifier: Classifier, more: dict[str, object], told: str
) -> None:
    answer = rows.classify_row(classifier, EVENT | more)
    assert str(answer["action"]).startswith(told)
    pasted = f"Nov 24 10:00:00 relay lpse-relay[7]: {json.dumps(EVENT | more)} and more"
    assert rows.event_in(pasted) == EVENT | more


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"event": "delivered"}, "accepted"),
        ({"event": "received"}, "'received' holds no reply"),
        ({"code": None}, "'attempted' holds no reply"),
        ({"code": None, "failure": "tired"}, "failure: 'tired' is none"),
        ({"event": "attempted", "code": 250, "text": "2.0.0 OK"}, "accepted"),
    ],
)
def test_an_event_that_holds_no_rejection_says_so(
    classifier: Classifier, more: dict[str, object], says: str
) -> None:
    assert says in str(rows.classify_row(classifier, EVENT | more)["error"])


def test_numbers_that_are_no_codes_and_lines_of_letters_that_were_taken(
    classifier: Classifier,
) -> None:
    assert "no SMTP code" in str(rows.classify_row(classifier, {"text": "999 x"})["error"])
    line = "postfix/smtp[7]: 4F: to=<a@b.example>, dsn=2.0.0, status=sent (delivered)"
    assert "accepted" in str(rows.classify_row(classifier, {"text": line})["error"])


@pytest.mark.parametrize("text", ["no brace", "{ not json", "[1] {", '{"a": 1}', "{" * 100_000])
def test_what_is_no_event(text: str) -> None:
    assert rows.event_in(text) is None
