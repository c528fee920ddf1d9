"""Letters like the notice's: what LPSE's application mails, in its own form and words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from html import escape
from typing import Final

from relay.mail.instant import Instant

SENDER: Final = "lpse@lpse.example.go.id"
WIB: Final = timezone(timedelta(hours=7))

FRAME: Final = """<html><body>
<p>Kepada Yth.<br>Pemilik email <b>{to}</b><br>di Tempat</p>
<p>Sebelumnya kami mengucapkan terima kasih atas partisipasi Bapak/Ibu mengikuti pelelangan yang \
diselenggarakan. {news}</p>
<table border="1"><tr><th>{titles}</th></tr><tr><td>{cells}</td></tr></table>
<p>Demikian penjelasan kami, atas perhatian dan kerjasama yang baik diucapkan terima kasih.</p>
<p>Hormat kami,<br>Pengelola LPSE</p>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter before it is sent: to whom, what about; `rows` are the table's titles and cells."""

    to: str
    subject: str
    news: str
    rows: tuple[tuple[str, str], ...]
    number: int

    def octets(self, at: Instant) -> bytes:
        """As JavaMail writes it: an id at localhost, and a body in UTF-8 as it is."""
        date = format_datetime(datetime.fromtimestamp(at / 1000, WIB))
        head = (
            f"Date: {date} (WIB)",
            f"From: LPSE <{SENDER}>",
            f"To: {self.to}",
            f"Message-ID: <{self.number}.1.{at}@localhost>",
            f"Subject: {self.subject}",
            "MIME-Version: 1.0",
            "Content-Type: text/html; charset=UTF-8",
            "Content-Transfer-Encoding: 8bit",
            "",
        )
        text = FRAME.format(
            to=escape(self.to),
            news=escape(self.news),
            titles="</th><th>".join(escape(title) for title, _ in self.rows),
            cells="</td><td>".join(escape(cell) for _, cell in self.rows),
        )
        return "\r\n".join((*head, *text.split("\n"))).encode()


def cancellation(to: str, number: int) -> Draft:
    """Pembatalan: the notice's own letter; class mendesak."""
    return Draft(
        to,
        "LPSE Pengumuman Pembatalan Lelang",
        "Kami informasikan bahwa terhadap paket pengadaan dibawah ini telah dilakukan pembatalan:",
        (
            ("ID Lelang", "100417"),
            ("Nama Paket", "Perbaikan gedung"),
            ("Alasan", "tidak ada peserta yang memsubmit dokumen penawaran."),
        ),
        number,
    )


def receipt(to: str, number: int) -> Draft:
    """Tanda terima unggah: class transaksi."""
    return Draft(
        to,
        "LPSE Unggah (upload) Dokumen Penawaran",
        "Dokumen penawaran Bapak/Ibu telah kami terima — berkas utuh.",
        (("ID Lelang", "100418"), ("Nama Paket", "Pengadaan komputer")),
        number,
    )


def announcement(to: str, number: int) -> Draft:
    """Pengumuman tender to all vendors: class massal."""
    return Draft(
        to,
        "LPSE Pengumuman Tender Perbaikan Gedung",
        "Kami mengundang Bapak/Ibu mengikuti tender paket dibawah ini:",
        (("Kode Tender", "100419"), ("Nama Paket", "Perbaikan gedung")),
        number,
    )
