"""MIME: letters made 7-bit-safe, with Python's own email package as the reader of the result."""

from __future__ import annotations

import binascii
import email
import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.headers import Headers, split
from relay.mail.mime import (
    MAX_PARTS,
    SevenBit,
    has_long_line,
    make_7bit,
    needs_work,
    quoted_printable,
)


def made(letter: bytes, is_smtputf8: bool = False) -> SevenBit:
    head, body = split(letter)
    return make_7bit(Headers.parse(head), body, is_smtputf8)


def letter_of(safe: SevenBit) -> bytes:
    return safe.headers.to_bytes() + b"\r\n" + safe.body


def payloads(letter: bytes) -> list[bytes]:
    message = email.message_from_bytes(letter)
    leaves = [part for part in message.walk() if not part.is_multipart()]
    return [bytes(part.get_payload(decode=True)) for part in leaves]


LONG = b"x" * 1200
UTF8 = "Pengumuman – Lelang\r\n".encode()


def test_a_letter_in_order_is_the_same_object() -> None:
    head = Headers.parse(b"Subject: a\r\nContent-Type: text/plain\r\n")
    body = b"Yth.\r\n" * 1000
    safe = make_7bit(head, body)
    assert safe.headers is head and safe.body is body
    assert safe == SevenBit(head, body, False, False, False, False)


@pytest.mark.parametrize(
    ("octets", "is_long"),
    [
        (b"", False),
        (b"x" * 998, False),
        (b"x" * 999, True),
        (b"x" * 998 + b"\r\n", False),
        (b"x" * 999 + b"\r\n", True),
        (b"a\r\n" * 600 + b"x" * 998 + b"\r\n" + b"x" * 998, False),
        (b"a\r\n" * 600 + b"x" * 998 + b"\r\n" + b"x" * 999, True),
        (b"\r\n" * 5000, False),
    ],
)
def test_long_lines(octets: bytes, is_long: bool) -> None:
    assert has_long_line(octets) is needs_work(octets) is is_long


@given(st.lists(st.integers(0, 1100), max_size=8))
def test_long_lines_against_the_plain_way(lengths: list[int]) -> None:
    octets = b"\r\n".join(b"x" * n for n in lengths)
    assert has_long_line(octets) is any(n > 998 for n in lengths)


@pytest.mark.parametrize(
    ("head", "body", "content_type", "encoding"),
    [
        (b"", UTF8, "text/plain; charset=utf-8", "quoted-printable"),
        (b"", b"\xe9t\xe9\r\n", "text/plain; charset=unknown-8bit", "quoted-printable"),
        (b"", LONG, "text/plain; charset=us-ascii", "quoted-printable"),
        (b"Content-Type: text/html\r\n", UTF8, "text/html", "quoted-printable"),
        (
            b"Content-Type: text/html\r\nContent-Transfer-Encoding: 8BIT\r\n",
            UTF8,
            "text/html",
            "quoted-printable",
        ),
        (
            b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n",
            b"%PDF\xff\r\n",
            "application/pdf",
            "base64",
        ),
    ],
)
def test_a_single_part(head: bytes, body: bytes, content_type: str, encoding: str) -> None:
    safe = made(b"Subject: a\r\n" + head + b"\r\n" + body)
    assert safe.is_changed and safe.is_body_changed and not safe.is_8bit
    assert not needs_work(letter_of(safe))
    assert safe.headers.unfolded("Content-Type") == content_type
    assert safe.headers.unfolded("Content-Transfer-Encoding") == encoding
    assert safe.headers.unfolded("MIME-Version") == "1.0"
    assert len(safe.headers.all("Content-Transfer-Encoding")) == 1
    assert payloads(letter_of(safe)) == [body]


def multipart(*parts: bytes, boundary: bytes = b"b1", sub: bytes = b"mixed") -> bytes:
    inner = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary="%s"\r\n\r\n' % (sub, boundary)
        + inner
        + b"--"
        + boundary
        + b"--\r\n"
    )


def test_only_the_parts_that_need_it() -> None:
    plain = b"Content-Type: text/plain\r\n\r\nYth.  \r\n\r\n"
    nested = multipart(
        b"Content-Type: text/html; charset=utf-8\r\n\r\n" + UTF8, plain, boundary=b"b11"
    )
    attached = b'Content-Type: image/png; name="\xc3\xbc.png"\r\n\r\n\x89PNG\xff'
    letter = b"Content-Transfer-Encoding: 8bit\r\n" + multipart(
        plain, nested, attached, b"\r\n" + UTF8, b"Content-Type: text/plain; n=\xc3\xa9\r\n\r\nabc"
    )
    safe = made(letter)
    assert not safe.is_8bit and not safe.needs_utf8
    result = letter_of(safe)
    assert not needs_work(result)
    assert result.count(plain) == 2
    assert payloads(result) == payloads(letter)
    assert safe.headers.unfolded("Content-Transfer-Encoding") == "7bit"
    assert b"filename" not in result and b"name*=utf-8''%C3%BC.png" in result
    assert made(result).is_changed is False


@pytest.mark.parametrize(
    "letter",
    [
        multipart(b"Content-Type: text/plain\r\n\r\n" + UTF8, b"\r\nsig", sub=b"signed"),
        b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n" + UTF8,
        multipart(b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n" + UTF8),
        b"Content-Type: multipart/mixed\r\n\r\n" + UTF8,
        b'Content-Type: multipart/mixed; boundary="no such"\r\n\r\n' + UTF8,
        b'Content-Type: multipart/mixed; boundary="q\\"x"\r\n\r\n--q\r\n\r\n' + UTF8,
        multipart(b"Content-Type: text/plain\r\n" + UTF8),
        multipart(b"odd line\r\nContent-Type: text/plain\r\n\r\n" + UTF8),
        multipart(b"a:\r\n" * 2100 + b"\r\n" + UTF8),
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n" + UTF8,
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + UTF8,
        multipart(b"\r\nx") + UTF8,
        b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1x\r\n\r\n" + UTF8,
        multipart(*[b"\r\nx"] * (MAX_PARTS + 5), b"\r\n" + UTF8),
    ],
)
def test_left_alone_and_said_so(letter: bytes) -> None:
    safe = made(letter)
    assert safe.is_8bit and not safe.is_body_changed
    assert safe.body == split(letter)[1]


def test_too_many_parts_in_need() -> None:
    inner = multipart(*[b"\r\n" + UTF8] * (MAX_PARTS - 100), boundary=b"b2")
    safe = made(multipart(inner, inner.replace(b"b2", b"b3")))
    assert safe.is_8bit and safe.is_body_changed


def test_encodings_that_are_there_already_are_kept() -> None:
    letter = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    safe = made(letter + b"QUJD" * 400 + b"\r\n")
    assert not needs_work(safe.body) and payloads(letter_of(safe)) == [b"ABC" * 400]
    quoted = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    safe = made(quoted + b"=C3=A9 " + UTF8 + LONG)
    assert not needs_work(safe.body) and payloads(letter_of(safe)) == ["é ".encode() + UTF8 + LONG]


def test_quoted_printable_that_is_no_text_keeps_its_octets() -> None:
    quoted = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    safe = made(quoted + b"%PDF=0A=0D1=\r\n" + LONG + b"=0D=0A\xe9 =\r\n.\r\n")
    assert not needs_work(safe.body) and safe.is_body_changed
    assert payloads(letter_of(safe)) == [b"%PDF\n\r1" + LONG + b"\r\n\xe9 .\r\n"]


@given(st.lists(st.sampled_from([b"a", b"x" * 400, b"=3D", b"=0A", b"\xe9", b" ", b"=\r\n", b"."])))
def test_quoted_printable_stands_for_the_same(pieces: list[bytes]) -> None:
    quoted = b"Content-Type: image/x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    body = b"".join(pieces) + b"z\r\n"
    safe = made(quoted + body)
    assert not needs_work(safe.body)
    assert binascii.a2b_qp(safe.body) == binascii.a2b_qp(body)


def test_raw_header_fields() -> None:
    letter = (
        "Subject: Pengumuman – Lelang\r\nFrom: Dinas Ümum <a@example.id>\r\n"
        "X-Long: " + "kata " * 300 + "\r\nX-Ok: a\r\nX-Caf\r\n"
        "To: " + ",".join(f"v{n}@example.id" for n in range(200)) + "\r\n\r\nYth.\r\n"
    ).encode() + b""
    safe = made(letter)
    assert safe.is_changed and not safe.is_body_changed
    assert not needs_work(letter_of(safe)) and not safe.needs_utf8
    assert safe.headers.decoded("Subject") == "Pengumuman – Lelang"
    assert safe.headers.decoded("From") == "Dinas Ümum <a@example.id>"
    assert safe.headers.unfolded("X-LPSE-Original-Line") == "X-Caf"
    kept = made(letter, is_smtputf8=True)
    assert kept.needs_utf8 and kept.headers.unfolded("Subject") == "Pengumuman – Lelang"
    assert not has_long_line(letter_of(kept))
    latin = made(b"Subject: caf\xe9 \r x\r\n\r\n")
    assert latin.headers.decoded("Subject") == "café   x"
    address = made("To: ü@example.id\r\n\r\n".encode())
    assert address.needs_utf8 and address.headers.unfolded("To") == "ü@example.id"


PART_LINES = st.lists(
    st.sampled_from([b"\r\n", b"a", b" ", b"\t", "é".encode(), b"=", b"\xff", b".", b"x" * 999]),
    max_size=30,
).map(b"".join)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([b"text/plain", b"image/png"]), PART_LINES), min_size=1))
def test_any_parts_read_the_same_afterwards(parts: list[tuple[bytes, bytes]]) -> None:
    letter = multipart(*[b"Content-Type: " + kind + b"\r\n\r\n" + body for kind, body in parts])
    safe = made(letter)
    result = letter_of(safe)
    assert not needs_work(result) and not safe.is_8bit
    assert payloads(result) == [body for _, body in parts]
    assert safe.is_body_changed is needs_work(split(letter)[1])


@pytest.mark.parametrize("line", [b"x" * 997 + b"\xe9\r\n", b"x ", b"\xe9", b" \r\n\xe9", b"\r\n"])
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_quoted_printable_in_pieces(line: bytes, before: int) -> None:
    octets = b"y" * before + line * (800_000 // len(line))
    quoted = quoted_printable(octets)
    assert binascii.a2b_qp(quoted) == octets
    assert max(map(len, quoted.split(b"\r\n"))) <= 77
    assert b" \r\n" not in quoted


def test_quoted_printable_never_cuts_a_newline() -> None:
    octets = b"z" * (256 * 1024 - 1) + b"\r\nz"
    assert binascii.a2b_qp(quoted_printable(octets)) == octets
    assert quoted_printable(octets).endswith(b"z=\r\n\r\nz")


def test_ten_thousand_nested_parts_do_not_stall() -> None:
    boundaries = [b"b%d" % n for n in range(10_000)]
    letter = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
    for this, following in itertools.pairwise(boundaries):
        letter += b"--%s\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n" % (this, following)
    letter += "é".encode()
    begun = time.process_time()
    safe = made(letter)
    assert time.process_time() - begun < 1.25  # 15 ms on a quiet machine
    assert safe.is_8bit


@pytest.mark.parametrize(
    "body",
    [
        b"--b1\r\n\r\n" * 100_000 + b"\xff",
        b"--b1" + b" " * 1_000_000 + b"\xff",
        b"--b1\r\n" * 150_000 + b"\xff",
        b"--b1x\r\n" * 150_000 + b"\xff",
        b"--b1\r\n" + b"a: b\r\n" * 150_000 + b"\r\n\xff",
        b"x" * 1_000_000 + b"\xff",
    ],
)
def test_linear_on_hostile_bodies(body: bytes) -> None:
    begun = time.process_time()
    safe = made(b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n" + body)
    assert time.process_time() - begun < 2.5
    assert safe.is_8bit
