"""Header fields: octets kept, edits exact, nothing injected, people's text decoded."""

from __future__ import annotations

import email
import email.header
import email.policy
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.mail import folding
from relay.mail.headers import MAX_FIELDS, ODD, Field, Headers, fold, split
from relay.mail.verdict import AddHeader, ChangeHeader, RenameHeader

HEAD = (
    b"Received: from x\r\n\tby y\r\n"
    b"Subject: =?utf-8?q?Pengumuman_=E2=80=93?=\r\n =?utf-8?q?_Lelang?=\r\n"
    b"to: a@example.id\r\nTo : b@example.id\r\nX-Empty:\r\n"
)
SOUP = st.lists(
    st.sampled_from(
        [b"Subject: a", b"X:", b"odd", b" folded", b"\t", b"\r\n", b"\r\n", b"\n", b"\xff", b":"]
    ),
    max_size=20,
).map(b"".join)


@given(SOUP)
def test_nothing_is_lost(head: bytes) -> None:
    headers = Headers.parse(head)
    added = b"" if head.endswith(b"\n") or not head else b"\r\n"
    assert headers.to_bytes() == head + added
    mended = headers.mended()
    assert not mended.odd and mended.mended() is mended
    assert len(mended.fields) == len(headers.fields)
    words = head.split()
    assert all(word.rstrip(b":") in mended.to_bytes() for word in words)


@given(SOUP)
def test_a_letter_is_split_without_loss(letter: bytes) -> None:
    head, body = split(letter)
    assert not head or head.endswith(b"\n")
    assert letter in (head + b"\r\n" + body, head + body, head.removesuffix(b"\r\n") + body)
    if head:
        assert Headers.parse(head).fields[-1].name


@pytest.mark.parametrize(
    ("letter", "head", "body"),
    [
        (b"", b"", b""),
        (b"\r\nYth.", b"", b"Yth."),
        (b"A: b\r\n\r\nYth.", b"A: b\r\n", b"Yth."),
        (b"A: b\r\n c\r\n\r\n\r\nYth.", b"A: b\r\n c\r\n", b"\r\nYth."),
        (b"A: b\r\n", b"A: b\r\n", b""),
        (b"A: b", b"A: b\r\n", b""),
        (b"Yth. Bapak\r\nIbu\r\n", b"", b"Yth. Bapak\r\nIbu\r\n"),
        (b"Yth.\r\n\r\nIsi", b"", b"Yth.\r\n\r\nIsi"),
        (b"A: b\r\nYth.\r\n\r\nIsi", b"A: b\r\n", b"Yth.\r\n\r\nIsi"),
        (b"A: b\r\nodd\r\nC: d\r\n\r\nIsi", b"A: b\r\nodd\r\nC: d\r\n", b"Isi"),
        (b"From x\r\nA: b\r\n\r\nIsi", b"From x\r\nA: b\r\n", b"Isi"),
    ],
)
def test_split(letter: bytes, head: bytes, body: bytes) -> None:
    assert split(letter) == (head, body)


def test_reading() -> None:
    headers = Headers.parse(HEAD)
    assert [field.name for field in headers.fields] == [
        "Received",
        "Subject",
        "to",
        "To",
        "X-Empty",
    ]
    assert headers.unfolded("received") == "from x\tby y"
    assert headers.decoded("SUBJECT") == "Pengumuman – Lelang"
    assert [field.unfolded for field in headers.all("To")] == ["a@example.id", "b@example.id"]
    second = headers.get("To", 1)
    assert second is not None and second.value == b" b@example.id\r\n" and second.key == "to"
    assert headers.get("To", 2) is None and headers.get("Cc") is None
    assert headers.unfolded("Cc") is None and headers.decoded("Cc") is None
    assert headers.unfolded("X-Empty") == ""


def test_odd_lines_and_a_blank_before_a_colon_are_mended() -> None:
    headers = Headers.parse(b"From x\r\n two\r\nTo : a@b.id\r\n\tc\r\nB: c\r\n")
    assert [field.raw for field in headers.odd] == [b"From x\r\n two\r\n"]
    assert headers.odd[0].value == b"From x\r\n two\r\n"
    assert headers.mended().to_bytes() == (
        ODD.encode() + b": From x\r\n  two\r\nTo: a@b.id\r\n\tc\r\nB: c\r\n"
    )


def test_more_fields_than_any_letter_has() -> None:
    head = b"a:\r\n" * (MAX_FIELDS + 3)
    headers = Headers.parse(head)
    assert len(headers.fields) == MAX_FIELDS + 1 and headers.to_bytes() == head
    assert headers.mended().to_bytes().endswith(b": a:\r\n a:\r\n a:\r\n")


def test_a_field_of_more_lines_than_fields_are_told_apart_is_one() -> None:
    head = b"X-Long: a\r\n" + b" b\r\n" * (MAX_FIELDS + 3) + b"To: a@example.id\r\n"
    assert [field.name for field in Headers.parse(head).fields] == ["X-Long", "To"]
    assert Headers.parse(head).to_bytes() == head


def test_edits() -> None:
    headers = Headers.parse(HEAD)
    assert headers.add("X", "1").to_bytes() == b"X: 1\r\n" + HEAD
    assert headers.apply(AddHeader("X", "1", at_end=True)).to_bytes() == HEAD + b"X: 1\r\n"
    changed = headers.apply(ChangeHeader("TO", "c@example.id", 1))
    assert [f.raw for f in changed.all("to")] == [b"to: a@example.id\r\n", b"To: c@example.id\r\n"]
    assert headers.change("To", None).all("To") == (headers.all("To")[1],)
    assert headers.change("To", None, 7) is headers
    assert headers.change("Cc", "c@example.id").to_bytes() == HEAD + b"Cc: c@example.id\r\n"
    renamed = headers.apply(RenameHeader("To", "X-LPSE-Original-To", 1))
    assert b"X-LPSE-Original-To: b@example.id\r\n" in renamed.to_bytes()
    assert headers.rename("Cc", "X-Cc") is headers
    left = headers.without(["TO", "received"]).fields
    assert [field.name for field in left] == ["Subject", "X-Empty"]
    with pytest.raises(ValueError, match="not a header field's name"):
        headers.rename("To", "X: y")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "x" * 201])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a header field's name"):
        fold(name, "x")


@pytest.mark.parametrize("value", ["a\r\nBcc: b", "a\nb", "a\rb", "a\0"])
def test_nothing_can_be_injected(value: str) -> None:
    with pytest.raises(ValueError, match="holds CR, LF or NUL"):
        fold("Subject", value)


TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=300)


@given(TEXT | st.text(alphabet="ab  \té–x,", max_size=300), st.booleans())
@example("x" * 5000, False)
@example("a" + " " * 3000 + "b", False)
@example(" ", False)
@example("é" * 700, False)
@example("日本 " * 200, True)
def test_a_folded_value_reads_the_same(value: str, is_smtputf8: bool) -> None:
    raw = fold("Subject", value, is_smtputf8)
    lines = raw.split(b"\r\n")
    assert raw.endswith(b"\r\n") and max(map(len, lines)) <= 998
    assert all(line[:1] in (b" ", b"\t") and line.strip(b" \t") for line in lines[1:-1])
    assert is_smtputf8 or raw.isascii()
    field = Headers.parse(raw).fields[0]
    assert len(Headers.parse(raw).fields) == 1
    text = value.strip(" \t")
    if "=?" in value or len(field.unfolded) > folding.MAX_DECODED:
        return
    assert field.decoded == text.translate(folding._CONTROLS)
    if all(len(word) < 60 for word in text.split(" ")) and "  " not in text:
        assert is_smtputf8 or max(map(len, lines)) <= 78


@given(st.text(alphabet="ab é–日\t", max_size=200))
def test_encoded_words_read_the_same_in_another_reader(value: str) -> None:
    raw = fold("Subject", value.strip())
    parsed = email.message_from_bytes(raw, policy=email.policy.compat32)["Subject"]
    shown = str(email.header.make_header(email.header.decode_header(parsed.replace("\r\n", ""))))
    assert "".join(shown.split()) == "".join(value.split())
    assert all(len(word) <= 75 for word in raw.split() if word.startswith(b"=?"))


@pytest.mark.parametrize(
    ("name", "value", "folded"),
    [
        ("To", "Dinas Ümum <a@b.id>", b"To: Dinas =?utf-8?q?=C3=9Cmum?= <a@b.id>\r\n"),
        ("From", '"Ü, \\"x" <a@b.id>', b"From: =?utf-8?b?w5wsICJ4?= <a@b.id>\r\n"),
        ("Cc", 'a@b.id (ü), "x" <c@d.id>', b'Cc: a@b.id (=?utf-8?q?=C3=BC?=), "x" <c@d.id>\r\n'),
        ("To", 'é "', b'To: =?utf-8?q?=C3=A9?= "\r\n'),
        ("To", "Ümum<a@b.id>", b"To: =?utf-8?q?=C3=9Cmum?= <a@b.id>\r\n"),
        ("To", "ü@b.id", "To: ü@b.id\r\n".encode()),
        (
            "Content-Disposition",
            'attachment; filename="ü \\"x.pdf"; size=3',
            b"Content-Disposition: attachment; filename*=utf-8''%C3%BC%20%22x.pdf; size=3\r\n",
        ),
        ("Content-Type", "x/y; name=ü", b"Content-Type: x/y; name*=utf-8''%C3%BC\r\n"),
        ("Content-Type", "text/ü", b"Content-Type: =?utf-8?q?text/=C3=BC?=\r\n"),
        ("Subject", "a =?utf-8?q?b?= c", b"Subject: a =?utf-8?q?b?= c\r\n"),
        ("Subject", "bel\x07", b"Subject: =?utf-8?q?bel=07?=\r\n"),
        ("X-Empty", "", b"X-Empty: \r\n"),
        ("X" * 100, "", b"X" * 100 + b":\r\n"),
    ],
)
def test_how_fields_are_written(name: str, value: str, folded: bytes) -> None:
    assert fold(name, value) == folded


def test_an_address_list_without_blanks_is_folded_at_its_commas() -> None:
    raw = fold("To", ",".join(f"vendor{n}@example.id" for n in range(300)))
    assert max(map(len, raw.split(b"\r\n"))) <= 78 and b"=?" not in raw
    assert raw.count(b"@example.id") == 300


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ("Yth.", "Yth."),
        ("=?utf-8?q?a?= =?utf-8?b?Yg==?=", "ab"),
        ("=?UTF-8?Q?=C3?= =?utf-8?q?=A9?=", "é"),
        ("x =?iso-8859-1?q?=E9?= y =?utf-8?q?_z?=!", "x é y  z!"),
        ("=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "éé"),
        ("=?utf-8*id?b?YQ?=", "a"),
        ("=?utf-8?b?YQ!!?=", "a"),
        ("=?utf-8?b?YWJ=jZA?=", "abcd"),
        ("=?utf-8?b?YWJjZ?=", "abc"),
        ("=?no-such?q?=C3=A9?=", "é"),
        ("=?utf-9?q?=E9?=", "é"),
        ("=?unicode_escape?q?\\d?=", "\\d"),
        ("=?utf-8?q?a=0D=0ABcc:?=", "a  Bcc:"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?", "=?utf-8?q?"),
        ("a\tb", "a b"),
        ("x" * 5000, "x" * 2048),
    ],
)
def test_encoded_words_as_people_read_them(value: str, decoded: str) -> None:
    assert folding.decode(value) == decoded


def test_raw_octets_are_read_as_utf8_or_latin1() -> None:
    assert Field("A", "A: é\r\n".encode()).unfolded == "é"
    assert Field("A", b"A: \xe9\n\r\n").decoded == "é"


@given(st.text(alphabet="=?utf-8bqQB_ A9+/", max_size=60))
def test_decoding_is_total(value: str) -> None:
    assert folding.decode(value).isprintable() or "\ufffd" in folding.decode(value)


@pytest.mark.parametrize("charset", ["utf-7", "UTF7", "utf_7", "utf-8", "utf-16", "gb18030", "hz"])
@given(st.binary(max_size=60))
@example(b"+2AA-")
def test_what_was_decoded_can_be_written_again(charset: str, octets: bytes) -> None:
    """UTF-7 can say half a surrogate pair, which no pattern, page or store can take."""
    text = folding.decode_octets(octets, charset)
    assert not [letter for letter in text if "\ud800" <= letter <= "\udfff"]


@pytest.mark.parametrize(
    "head",
    [
        b"a:\r\n" * 250_000,
        b"a\r\n" * 300_000,
        b" \r\n" * 300_000,
        b"a" * 1_000_000,
        b"a: b\r\n" + b" x\r\n" * 250_000,
        b"a: b\r\n" + b" x\r\n" * 250_000 + b"odd\r\n\r\n",
        b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n",
        b"Subject: " + b"\xff " * 500_000 + b"\r\n",
    ],
)
def test_linear_on_hostile_heads(head: bytes) -> None:
    begun = time.process_time()
    headers = Headers.parse(split(head)[0]).mended()
    headers.decoded("Subject")
    assert time.process_time() - begun < 2.5
