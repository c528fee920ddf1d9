"""What goes out after 354 is what smtpdata would write at once, and un-stuffs to the letter."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.smtpdata import DataScanner, wire
from relay.transports import stuffing
from relay.transports.stuffing import Outgoing

LINES = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a", b"x" * 40, b"a.\r", b"\n."]))


@given(LINES, st.booleans(), st.integers(2, 30))
def test_blocks_are_the_letter_stuffed(lines: list[bytes], ends: bool, block: int) -> None:
    head = b"Subject: a\r\n"
    body = b"\r\n".join(lines) + (b"\r\n" if ends else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stuffing, "BLOCK", block)
        outgoing = Outgoing(head, body)
        sent = b"".join(outgoing)
    content = head + b"\r\n" + body
    assert sent == wire(content)
    assert outgoing.sha256 == hashlib.sha256(content).digest()


def test_a_long_letter_comes_in_blocks_and_back_whole() -> None:
    body = b"".join(b".%d line\r\n" % n for n in range(40_000))
    outgoing = Outgoing(b"Subject: a\r\n", body)
    scanner = DataScanner()
    count = 0
    for block in outgoing:
        assert len(block) < 3 * stuffing.BLOCK // 2
        scanner.feed(block)
        count += 1
    assert count > 8
    assert scanner.finished
    assert scanner.content() == b"Subject: a\r\n\r\n" + body


def test_a_line_without_end_is_cut_without_harm() -> None:
    body = b"x" * 200_000 + b"\r\n." + b"y" * 200_000
    content = b"\r\n" + body
    assert b"".join(Outgoing(b"", body)) == wire(content)
