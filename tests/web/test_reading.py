from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.web.reading import MAX_PARTS, MAX_SHOWN, Block, read, safe_name
from tests.web.shelf import CANCELLED


def _mixed(*parts: str, boundary: str = "b", kind: str = "mixed") -> bytes:
    inner = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    head = f'Subject: s\r\nContent-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'
    return f"{head}pre\r\n{inner}--{boundary}--\r\nafter".encode()


def test_the_notices_letter() -> None:
    made = read(CANCELLED.encode())
    assert made.subject == "LPSE Pengumuman Pembatalan Lelang"
    assert made.sender == '"LPSE Provinsi Contoh" <lpse@lpse.example.go.id>'
    assert [block.kind for block in made.blocks] == ["html"]
    assert "mengikuti pelelangan" in made.blocks[0].text
    assert [(a.name, a.kind, a.octets) for a in made.attachments] == [
        ("Surat Pembatalan – Paket.pdf", "application/pdf", b"%PDF-1.4\n")
    ]
    assert not made.is_cut


def test_a_plain_letter() -> None:
    assert read(b"Subject: x\r\n\r\nhalo\r\ndunia\r\n").blocks == [
        Block("text", "halo\r\ndunia\r\n")
    ]


@pytest.mark.parametrize("letter", [b"", b"\r\n", b"no header at all", b"Subject: only a head"])
def test_odd_letters_are_read(letter: bytes) -> None:
    assert not read(letter).attachments


def test_bodies_in_other_charsets() -> None:
    letter = "Content-Type: text/plain; charset=iso-8859-1\r\n\r\ncaf\xe9".encode("latin-1")
    assert read(letter).blocks == [Block("text", "café")]


@pytest.mark.parametrize("charset", ["zlib_codec", "punycode", "idna", "nowhere", "unicode_escape"])
def test_a_charset_that_is_none(charset: str) -> None:
    letter = f"Content-Type: text/plain; charset={charset}\r\n\r\nhalo \\u0041".encode()
    assert read(letter).blocks == [Block("text", "halo \\u0041")]


def test_all_text_of_a_mixed_letter_is_shown_in_order() -> None:
    made = read(
        _mixed(
            "Content-Type: text/plain\r\n\r\none",
            "Content-Type: text/html\r\n\r\n<p>two",
            "\r\nthree",
        )
    )
    assert [(b.kind, b.text.strip()) for b in made.blocks] == [
        ("text", "one"),
        ("html", "<p>two"),
        ("text", "three"),
    ]


def test_text_wins_where_the_html_alternative_is_empty() -> None:
    made = read(
        _mixed(
            "Content-Type: text/plain\r\n\r\none",
            "Content-Type: text/html\r\n\r\n ",
            kind="alternative",
        )
    )
    assert [b.text for b in made.blocks] == ["one"]


def test_an_embedded_image_is_kept_by_its_name() -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    made = read(
        _mixed(
            "Content-Type: text/html\r\n\r\n<img src=cid:a@b>",
            "Content-Type: image/png\r\nContent-ID: <a@b>\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{png}",
            "Content-Type: image/svg+xml\r\nContent-ID: <c@d>\r\n\r\n<svg/>",
            kind="related",
        )
    )
    assert made.images == {"a@b": ("image/png", b"\x89PNG")}
    assert len(made.attachments) == 2


def test_a_letter_within_a_letter_is_an_attachment() -> None:
    made = read(_mixed("Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx"))
    assert made.attachments[0].name == "lampiran-1.eml"
    assert made.attachments[0].octets == b"Subject: inner\r\n\r\nx"


def test_a_boundary_that_begins_another() -> None:
    made = read(
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
        b"Content-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n\r\ninner\r\n--ab--\r\n"
        b"--a\r\n\r\nouter\r\n--a--\r\n"
    )
    assert [b.text.strip() for b in made.blocks] == ["inner", "outer"]


def test_without_its_last_delimiter_a_part_goes_to_the_end() -> None:
    made = read(b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\n\ntwo")
    assert [b.text.strip() for b in made.blocks] == ["one", "two"]


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('filename="a.pdf"', "a.pdf"),
        ("filename=a.pdf", "a.pdf"),
        ("filename*=utf-8''na%C3%AFve.pdf", "naïve.pdf"),
        ("filename*0=lon; filename*1=g.pdf", "long.pdf"),
        ("filename*0*=utf-8''%C3%A9; filename*1=x.pdf", "éx.pdf"),
        ('filename="=?utf-8?Q?Pengumuman=2Epdf?="', "Pengumuman.pdf"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\\\temp\\\\x.exe"', "x.exe"),
        ("filename=", "lampiran-1"),
    ],
)
def test_names_of_attachments(parameter: str, name: str) -> None:
    part = f"Content-Type: x/y\r\nContent-Disposition: attachment; {parameter}\r\n\r\nx"
    assert read(_mixed(part)).attachments[0].name == name


@given(st.text())
def test_a_safe_name_is_safe(name: str) -> None:
    made = safe_name(name)
    assert len(made) <= 100
    assert not set(made) & set('/\\:*?"<>|\r\n\x00\u202e')
    assert not made.startswith(".")


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("x" * 300 + ".pdf").endswith("x.pdf")


@pytest.mark.parametrize("encoded", ["aGFsbw", "aGFsbw==", "aGF sbw==\r\n", "!!aGFsbw==", "aGFsb"])
def test_broken_base64_is_read_as_far_as_it_goes(encoded: str) -> None:
    letter = f"Content-Transfer-Encoding: BASE64\r\n\r\n{encoded}".encode()
    assert read(letter).blocks[0].text.startswith("hal")


def _nested(depth: int) -> bytes:
    head = "".join(
        f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth)
    )
    return (head + "\r\nin the middle").encode()


HOSTILE = {
    "nested": _nested(10_000),
    "parts": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 100_000,
    "delimiters": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"\n--a" * 500_000,
    "near": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"\n--ab" * 500_000,
    "blanks": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + b" " * 4_000_000,
    "parameters": b'Content-Type: multipart/mixed; a="' + b"\\" * 200_000 + b"\r\n\r\nx",
    "semicolons": b"Content-Type: text/plain" + b"; a" * 80_000 + b"\r\n\r\nx",
    "header": b"X: " + b"\r\n a" * 200_000 + b"\r\n\r\nx",
    "equals": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 2_000_000,
    "newlines": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a" + b"\r\n" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_letter_built_to_keep_us_busy(name: str) -> None:
    started = time.process_time()
    made = read(HOSTILE[name])
    assert time.process_time() - started < 5
    assert sum(len(block.text) for block in made.blocks) <= MAX_SHOWN
    assert len(made.blocks) + len(made.attachments) <= MAX_PARTS + 1


@pytest.mark.parametrize("name", ["nested", "parts"])
def test_what_is_not_shown_is_said(name: str) -> None:
    assert read(HOSTILE[name]).is_cut


def test_a_long_text_is_cut_and_said() -> None:
    made = read(b"Subject: x\r\n\r\n" + b"a" * (MAX_SHOWN + 1))
    assert made.is_cut
    assert len(made.blocks[0].text) == MAX_SHOWN


@given(st.binary(max_size=300))
def test_nothing_raises(octets: bytes) -> None:
    read(octets)


@given(
    st.lists(
        st.sampled_from(
            [
                b"--a\r\n", b"--a--\r\n", b"\r\n", b"x",
                b"Content-Type: multipart/mixed;boundary=a",
                b"Content-Transfer-Encoding: base64\r\n", b"--a", b"\n", b": ", b'"',
            ]
        ),
        max_size=30,
    )
)  # fmt: skip
def test_no_shuffled_mime_raises(pieces: list[bytes]) -> None:
    read(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"".join(pieces))
