"""DATA: one end only, exact dots, counted oddities, whatever the pieces."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.smtpdata import BEGINNING, END, DataScanner, normalise_newlines, stuff, wire

OCTETS = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\0", b"\xff", b"bc"]), max_size=30
).map(b"".join)


def scan(raw: bytes, cuts: Sequence[int] = (), limit: int | None = None) -> DataScanner:
    scanner = DataScanner(limit)
    begun = 0
    for cut in [*sorted(cuts), len(raw)]:
        if scanner.finished:
            scanner.rest += raw[begun:cut]
        else:
            scanner.feed(raw[begun:cut])
        begun = cut
    return scanner


@pytest.mark.parametrize(
    ("raw", "content", "rest"),
    [
        (b".\r\n", b"", b""),
        (b".\r\nQUIT\r\n", b"", b"QUIT\r\n"),
        (b"\r\n.\r\n", b"\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b".a\r\n..b\r\n...\r\n.\r\nRSET", b"a\r\n.b\r\n..\r\n", b"RSET"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", b""),
        (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", b""),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", b""),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", b""),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", b""),
        (b"\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n", b""),
    ],
)
def test_the_end_at_every_split(raw: bytes, content: bytes, rest: bytes) -> None:
    for cut in range(len(raw) + 1):
        for second in range(cut, len(raw) + 1):
            scanner = scan(raw, [cut, second])
            assert scanner.finished
            assert (scanner.content(), scanner.rest) == (content, rest)
            assert scanner.size == len(content)


@pytest.mark.parametrize("raw", [b"", b".", b".\r", b"a\r\n.\r", b"a\n.\n", b"\r.\r", b"a.\r\n"])
def test_no_end(raw: bytes) -> None:
    assert not scan(raw).finished


@given(OCTETS, st.lists(st.integers(0, 60), max_size=6))
def test_what_leaves_comes_in_the_same(content: bytes, cuts: list[int]) -> None:
    scanner = scan(wire(content) + b"NOOP\r\n", cuts)
    whole = content if not content or content.endswith(b"\r\n") else content + b"\r\n"
    assert scanner.finished
    assert (scanner.content(), scanner.rest) == (whole, b"NOOP\r\n")
    pairs = whole.count(b"\r\n")
    assert scanner.bare_lf == whole.count(b"\n") - pairs
    assert scanner.bare_cr == whole.count(b"\r") - pairs
    assert scanner.bare_newlines == scanner.bare_lf + scanner.bare_cr
    assert scanner.nuls == whole.count(0)
    assert scanner.size == len(whole)


@given(OCTETS)
def test_newlines_are_all_crlf_afterwards_and_the_rest_is_untouched(raw: bytes) -> None:
    mended, is_changed = normalise_newlines(raw)
    pairs = mended.count(b"\r\n")
    assert mended.count(b"\r") == mended.count(b"\n") == pairs
    assert is_changed is (mended != raw)
    assert normalise_newlines(mended) == (mended, False)
    strip = bytes.maketrans(b"", b"")
    assert mended.translate(strip, b"\r\n") == raw.translate(strip, b"\r\n")
    assert b"\r\n.\r\n" not in stuff(b"\r\n" + mended)


def test_a_dot_line_made_by_mending_is_content() -> None:
    scanner = scan(b"a\n.\nMAIL FROM:<x@example.id>\r\n.\r\n")
    mended, is_changed = normalise_newlines(scanner.content())
    assert is_changed and mended == b"a\r\n.\r\nMAIL FROM:<x@example.id>\r\n"
    assert wire(mended) == b"a\r\n..\r\nMAIL FROM:<x@example.id>\r\n.\r\n"


def test_over_the_limit_the_end_is_still_found_and_nothing_is_kept() -> None:
    raw = b"x" * 90 + b"\r\n" + b"y" * 90 + b"\r\n.\r\nRSET"
    scanner = scan(raw, range(0, len(raw), 7), limit=100)
    assert (scanner.finished, scanner.is_over, scanner.size) == (True, True, 184)
    assert 0 < len(scanner.beginning) <= 184
    assert (scanner.content(), scanner.rest) == (b"", b"RSET")
    assert not scan(b"x" * 98 + b"\r\n.\r\n", limit=100).is_over


def test_nothing_is_fed_after_the_end() -> None:
    with pytest.raises(ValueError, match="found already"):
        scan(b".\r\n").feed(b"x")


@pytest.mark.parametrize("octets", [b"\r\n.", b".", b"\r", b"\r\n", b"\n", b"\r\n..\r\n"])
def test_linear_on_any_splitting(octets: bytes) -> None:
    raw = octets * (300_000 // len(octets))
    begun = time.process_time()
    scanner = DataScanner()
    for at in range(0, 100_000):
        scanner.feed(raw[at : at + 1])
        if scanner.finished:
            break
    big = DataScanner()
    big.feed(raw)
    assert time.process_time() - begun < 10


def test_content_is_handed_over_once() -> None:
    scanner = DataScanner()
    scanner.feed(b"a\r\n..b\r\n.\r\n")
    assert scanner.content() == scanner.take() == b"a\r\n.b\r\n"
    assert scanner.take() == b""


@pytest.mark.parametrize("step", [1, 7, 1_000, 200_000])
def test_of_content_over_the_limit_the_beginning_stays(step: int) -> None:
    content = b"".join(b"%06d\r\n" % n for n in range(20_000))
    scanner = DataScanner(limit=100_000)
    raw = content + b".\r\n"
    for at in range(0, len(raw), step):
        scanner.feed(raw[at : at + step])
    assert scanner.finished and scanner.is_over
    assert scanner.beginning == content[: 64 * 1024]
    small = scan(b"x" * 98 + b"\r\n.\r\n", limit=100)
    assert small.beginning == b""


@pytest.mark.parametrize("sizes", [(1,), (4095, 4096, 1), (5000,), (1, 70_000)])
def test_pieces_small_and_large_are_put_together_in_their_order(sizes: tuple[int, ...]) -> None:
    content = b"".join(b"%d lines\r\n" % n for n in range(15_000))
    raw, scanner, at = content + END, DataScanner(), 0
    for size in cycle(sizes):
        if scanner.finished:
            break
        scanner.feed(raw[at : at + size])
        at += size
    assert scanner.content() == content
    assert scanner.take() == content
    assert scanner.take() == b""


def test_the_beginning_that_stays_is_of_all_pieces_in_their_order() -> None:
    content = b"".join(b"%d lines\r\n" % n for n in range(15_000))
    scanner, at = DataScanner(limit=100_000), 0
    for size in cycle((4000, 9000)):
        if at >= len(content):
            break
        scanner.feed(content[at : at + size])
        at += size
    assert scanner.is_over and scanner.beginning == content[:BEGINNING]
