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


def test_attachments_are_named_and_not_shown() -> None:
    shown = letter(MIXED)
    assert shown["text"] == "Isi surat."
    assert shown["attachments"] == [{"name": "a.pdf", "type": "application/pdf", "octets": 4}]


@pytest.mark.parametrize("octets", [b"", b"\0\xff", b"no header at all", b"A: b", b"\r\n\r\n"])
def test_anything_can_be_shown(octets: bytes) -> None:
    assert isinstance(letter(octets)["text"], str)
