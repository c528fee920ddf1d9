"""A letter as plain text: HTML without its marks, attachments named, nothing of it run."""

from __future__ import annotations

import pytest

from relay.service.legible import letter

HTML = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@example.co.id\r\n"
    b"Subject: =?utf-8?q?Undangan_=E2=80=93_A?=\r\nContent-Type: text/html\r\n\r\n"
    b"<style>p{}</style><p>Yth. <b>Penyedia</b></p><script>alert(1)</script>"
    b"<p>3 &lt; 4 &amp; 5<br>baris dua</p>\r\n"
)
MIXED = (
    b'Subject: Surat\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nIsi surat.\r\n"
    b'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"'
    b"\r\n\r\n%PDF\r\n--b--\r\n"
)


def test_html_is_read_as_text() -> None:
    shown = letter(HTML)
    assert shown["from"] == "LPSE <lpse@lpse.example.go.id>"
    assert shown["subject"] == "Undangan – A"
    assert shown["text"] == "Yth. Penyedia\n3 < 4 & 5\nbaris dua"
    assert (shown["attachments"], shown["is_cut"]) == ([], False)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            "<tr><th>ID Lelang</th><th>Nama Paket</th></tr><tr><td>123</td><td>Jalan</td></tr>",
            "ID Lelang\tNama Paket\n123\tJalan",
        ),
        ("<TR>\n <TD a=b>ID</TD>\n  <TD>Nama</TD>\n</TR>", "ID\tNama"),
        ("<tr><td>ID<td>Nama<tr><td>1<td>2", "ID\tNama\n1\t2"),
        ("<tr><td><b>ID</b></td><td></td><td>Nama</td></tr>", "ID\t\tNama"),
    ],
)
def test_cells_of_a_table_are_apart(rows: str, text: str) -> None:
    octets = f"Content-Type: text/html\r\n\r\n<table>{rows}</table>\r\n".encode()
    found = letter(octets)["text"]
    assert [line.strip(" ") for line in found.split("\n") if line.strip()] == text.split("\n")


def test_a_table_that_never_ends_takes_no_time() -> None:
    rows = "</td>" + " " * 200_000 + "<td" * 50_000
    octets = f"Content-Type: text/html\r\n\r\n{rows}\r\n".encode()
    assert isinstance(letter(octets)["text"], str)


def test_attachments_are_named_and_not_shown() -> None:
    shown = letter(MIXED)
    assert shown["text"] == "Isi surat."
    assert shown["attachments"] == [{"name": "a.pdf", "type": "application/pdf", "octets": 4}]


@pytest.mark.parametrize("octets", [b"", b"\0\xff", b"no header at all", b"A: b", b"\r\n\r\n"])
def test_anything_can_be_shown(octets: bytes) -> None:
    assert isinstance(letter(octets)["text"], str)
