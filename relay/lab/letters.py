"""Letters like the notice's: what LPSE's application mails, in its own form and words."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

SENDER = "lpse@lpse.example.go.id"


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter before it is sent: to whom, what about."""

    to: str
    subject: str
    package: str
    text: str
    number: int

    def octets(self) -> bytes:
        """As JavaMail writes it: an id at localhost, 8-bit text without a word about it."""
        letter = EmailMessage(policy=SMTP)
        letter["From"] = f"LPSE <{SENDER}>"
        letter["To"] = self.to
        letter["Subject"] = self.subject
        letter["Date"] = "Tue, 04 Oct 2011 14:11:00 +0700"
        letter["Message-ID"] = f"<{self.number}.1.1700000000000@localhost>"
        letter.set_content(self.text, cte="8bit")
        return letter.as_bytes()


FRAME = """Kepada Yth.
Pemilik email {to}
di Tempat

Sebelumnya kami mengucapkan terima kasih atas partisipasi Bapak/Ibu mengikuti pelelangan yang \
diselenggarakan. {news}

ID Lelang: {package}
Nama Paket: Perbaikan gedung

Demikian penjelasan kami, atas perhatian dan kerjasama yang baik diucapkan terima kasih.

Hormat kami,
Pengelola LPSE
"""


def cancellation(to: str, number: int) -> Draft:
    """Pembatalan: the notice's own letter; class mendesak."""
    news = "Kami informasikan bahwa terhadap paket dibawah ini telah dilakukan pembatalan:"
    text = FRAME.format(to=to, news=news, package="100417")
    return Draft(to, "LPSE Pengumuman Pembatalan Lelang", "100417", text, number)


def receipt(to: str, number: int) -> Draft:
    """Tanda terima unggah: class transaksi."""
    news = "Dokumen penawaran Bapak/Ibu telah kami terima — berkas utuh."
    text = FRAME.format(to=to, news=news, package="100418")
    return Draft(to, "LPSE Unggah (upload) Dokumen Penawaran", "100418", text, number)


def announcement(to: str, number: int) -> Draft:
    """Pengumuman tender to all vendors: class massal."""
    news = "Kami mengundang Bapak/Ibu mengikuti tender paket dibawah ini:"
    text = FRAME.format(to=to, news=news, package="100419")
    return Draft(to, "LPSE Pengumuman Tender Perbaikan Gedung", "100419", text, number)
