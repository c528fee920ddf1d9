"""Replies on the wire: read in every form that servers use, written so that they read the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import MAX_BYTES, MAX_LINES, EnhancedCode, Reply, Stage, parse

E511 = EnhancedCode(5, 1, 1)


@pytest.mark.parametrize(
    ("raw", "code", "enhanced", "text"),
    [
        ("250 OK", 250, None, "OK"),
        ("250", 250, None, ""),
        ("250-", 250, None, ""),
        (b"550 5.1.1 No such user\r\n", 550, E511, "No such user"),
        ("550-5.1.1 No\r\n550-5.1.1 such\r\n550 5.1.1 user", 550, E511, "No\nsuch\nuser"),
        ("550-No\n550 5.1.1 user\n", 550, E511, "No\nuser"),
        ("550-No\r550 5.1.1\tuser\r", 550, E511, "No\nuser"),
        ("451-first\r\n550 last counts", 550, None, "first\nlast counts"),
        ("550 5.1.1: unknown", 550, EnhancedCode(5, 1, 1), ": unknown"),
        ("550 5.1.1. unknown", 550, EnhancedCode(5, 1, 1), ". unknown"),
        ("550 5.1.1.2 is an address", 550, None, "5.1.1.2 is an address"),
        ("550 5.1.1234 x", 550, None, "5.1.1234 x"),
        ("5505 users", 0, None, "5505 users"),
        ("199 x", 0, None, "199 x"),
        ("999 x", 0, None, "999 x"),
        ("Mailbox full", 0, None, "Mailbox full"),
        ("5.2.2 Mailbox full", 0, EnhancedCode(5, 2, 2), "Mailbox full"),
        ("", 0, None, ""),
        (b"550 caf\xe9", 550, None, "caf\ufffd"),
        ("550 a\x0bb\u2028c", 550, None, "a\x0bb\u2028c"),
    ],
)
def test_reads(raw: str | bytes, code: int, enhanced: EnhancedCode | None, text: str) -> None:
    assert parse(raw, Stage.RCPT) == Reply(code, enhanced, text, Stage.RCPT)


def test_a_given_code_serves_only_where_the_text_has_none() -> None:
    assert parse("Mailbox full", code=452).code == 452
    assert parse("550 Mailbox full", code=452).code == 550


def test_bounded() -> None:
    assert parse("550-x\r\n" * 500).text.count("\n") == MAX_LINES - 1
    assert len(parse(b"550 " + b"x" * 100_000).text) == MAX_BYTES - 4
    assert len(parse("550 " + "x" * 100_000).text) == MAX_BYTES - 4


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
LINE = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
CODES = st.none() | st.builds(
    EnhancedCode, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)
)


@given(st.integers(200, 599), CODES, st.lists(LINE, min_size=1, max_size=5))
def test_what_is_written_reads_the_same(
    code: int, enhanced: EnhancedCode | None, lines: list[str]
) -> None:
    # The contract of `text`: no enhanced code at the start of its lines.
    text = "\n".join(f"x{line}" for line in lines)
    reply = Reply(code, enhanced, text)
    assert parse(reply.wire()) == reply
    assert parse(reply.wire().decode(), Stage.EOD) == Reply(code, enhanced, text, Stage.EOD)


@given(st.text(max_size=600))
def test_the_wire_is_safe_for_any_text(text: str) -> None:
    lines = Reply(550, EnhancedCode(5, 999, 999), text).wire().split(b"\r\n")
    assert lines[-1] == b"" and len(lines) == text.count("\n") + 2
    assert all(line[:3] == b"550" and line[3:4] == b"-" for line in lines[:-2])
    assert lines[-2][:4] == b"550 "
    assert all(len(line) <= 510 and line.isascii() and b"\r" not in line for line in lines)


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_reading_is_total(raw: str | bytes) -> None:
    reply = parse(raw)
    assert reply.code == 0 or 200 <= reply.code < 600


def test_what_a_reply_says_of_itself() -> None:
    assert str(Reply(550, E511, "No\nuser")) == "550 5.1.1 No user"
    assert str(Reply(250, None, "")) == "250"
    assert str(Reply(0, None, "No\nuser")) == "No user"
    assert str(Reply(0, E511, "No user")) == "5.1.1 No user"
    assert Reply(354, None, "").is_positive and not Reply(404, None, "").is_positive
    assert Reply(451, None, "").is_transient and not Reply(550, None, "").is_transient
    assert Reply(550, None, "").is_permanent and not Reply(451, None, "").is_permanent


def test_stages_and_enhanced_codes_as_words() -> None:
    assert Stage.of(" Rcpt ") is Stage.RCPT and Stage.RCPT.word == "rcpt"
    assert Stage.of("") is Stage.of("dot") is None
    assert EnhancedCode.parse(" 5.1.1 x") == E511 and EnhancedCode.parse("x 5.1.1") is None
