"""Words: what vendors and administrators read about a delivery, as data; `wording.py` picks them.

Every category stands twice, while the letter waits and when it was given up, and every state once;
each in Indonesian and in English, each with a label, an explanation and an advice. `{…}` is filled
in from the delivery, `**…**` is bold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.web.dates import Language


@dataclass(frozen=True, slots=True)
class Phrase:
    """What it is called, what happened, what to do."""

    label: str
    explanation: str
    advice: str


Both = dict[Language, Phrase]
PLACEHOLDERS: Final = frozenset(
    [
        "alamat",
        "penyedia",
        "domain",
        "pengirim",
        "waktu",
        "berikut",
        "n",
        "sebab",
        "kode",
        "jawaban",
    ]
)


def _both(indonesian: tuple[str, str, str], english: tuple[str, str, str]) -> Both:
    return {"id": Phrase(*indonesian), "en": Phrase(*english)}


_NOTHING = "Tidak perlu tindakan."
_NOTHING_EN = "Nothing needs to be done."
_READ_HERE = "Isi pesan sudah dapat dibaca di Kotak Masuk."
_READ_HERE_EN = "The letter can be read here in the inbox."
_HELPDESK = "Hubungi Helpdesk LPSE dengan menyebutkan kode {kode}."
_HELPDESK_EN = "Contact LPSE's helpdesk and mention the code {kode}."
_NOT_SPAM = (
    "Isi surat dapat dibaca di sini. Jika email LPSE ada di folder Spam, "
    "pilih **Bukan spam** dan simpan {pengirim} ke daftar kontak."
)
_NOT_SPAM_EN = (
    "The letter can be read here. Where mail of LPSE is in the spam folder, "
    "choose **Not spam** and add {pengirim} to your contacts."
)
_SPAM = _both(
    (
        "Dianggap SPAM",
        "{penyedia} menolak email dari server LPSE karena menganggapnya spam. "
        "**Alamat email Bapak/Ibu tidak bermasalah.**",
        _NOT_SPAM,
    ),
    (
        "Taken for spam",
        "{penyedia} refuses mail of LPSE's server because it takes it for spam. "
        "**Nothing is wrong with your address.**",
        _NOT_SPAM_EN,
    ),
)
_DELAYED = _both(
    (
        "Tertunda",
        "Server email tujuan belum dapat menerima email. "
        "Percobaan ke-{n}; percobaan berikutnya {berikut}.",
        f"{_NOTHING} {_READ_HERE}",
    ),
    (
        "Delayed",
        "The destination's server cannot take mail yet. Try {n}; the next one {berikut}.",
        f"{_NOTHING_EN} {_READ_HERE_EN}",
    ),
)
_GIVEN_UP = _both(
    (
        "Server email tujuan tidak menerima",
        "Server email tujuan tidak dapat menerima email ini setelah {n} percobaan.",
        f"{_READ_HERE} Hubungi penyedia email Bapak/Ibu.",
    ),
    (
        "Not taken by the destination's server",
        "The destination's server could not take this letter in {n} tries.",
        f"{_READ_HERE_EN} Contact your mail provider.",
    ),
)
_UNKNOWN = _both(
    (
        "Email tidak terdaftar",
        "Alamat email {alamat} tidak terdaftar pada penyedia layanan email {penyedia}, "
        "sehingga email dari LPSE dikembalikan.",
        "Silakan uji email Bapak/Ibu dengan mencoba membukanya. Jika memang tidak terdaftar, buat "
        "email baru, lalu ubah email yang terdaftar di LPSE. Jika tidak bisa, hubungi Verifikator "
        "LPSE.",
    ),
    (
        "Unknown address",
        "The address {alamat} is not known at the mail provider {penyedia}, "
        "so the letter of LPSE was returned.",
        "Try to open your mailbox. If it does not exist, make a new one and change the address "
        "registered at LPSE. If you cannot, contact LPSE's verifier.",
    ),
)
_INACTIVE = _both(
    (
        "Email tidak aktif",
        "Alamat email {alamat} sudah tidak aktif atau telah dinonaktifkan oleh penyedia layanan "
        "email.",
        "Silakan coba masuk ke email tersebut. Jika masih dapat dibuka, tekan **Kirim ulang**. "
        "Jika sudah tidak aktif, buat email baru dan jangan lupa mengubah email yang terdaftar di "
        "LPSE.",
    ),
    (
        "Inactive address",
        "The address {alamat} is no longer active, or was disabled by the mail provider.",
        "Try to log in to that mailbox. If it still opens, press **Send again**. If it is "
        "inactive, make a new one and do not forget to change the address registered at LPSE.",
    ),
)
_BAD_DOMAIN = _both(
    (
        "Domain tidak ditemukan",
        "Nama domain {domain} tidak ditemukan atau tidak menerima email.",
        "Periksa penulisan bagian setelah tanda @ (contoh: gmail.com, bukan gmial.com).",
    ),
    (
        "Domain not found",
        "The domain {domain} was not found, or takes no mail.",
        "Check how the part after the @ is written (gmail.com, not gmial.com).",
    ),
)
_AUTH = _both(
    (
        "Pengaturan server LPSE perlu diperbaiki",
        "Alamat email Bapak/Ibu tidak bermasalah. Pengaturan server LPSE perlu diperbaiki oleh "
        "Pengelola LPSE.",
        _NOTHING,
    ),
    (
        "LPSE's server needs mending",
        "Nothing is wrong with your address. The settings of LPSE's server must be mended by its "
        "administrator.",
        _NOTHING_EN,
    ),
)
_POLICY = _both(
    (
        "Ditolak oleh aturan server tujuan",
        "Server tujuan menolak email ini menurut aturannya sendiri.",
        "Hubungi pengelola email perusahaan Bapak/Ibu.",
    ),
    (
        "Refused by the destination's policy",
        "The destination's server refused this letter by a rule of its own.",
        "Contact the mail administrator of your company.",
    ),
)
_TOO_BIG = _both(
    (
        "Ukuran email terlalu besar",
        "Server tujuan menolak ukuran email ini.",
        "Lampiran dapat diunduh dari Kotak Masuk.",
    ),
    (
        "Letter too big",
        "The destination's server refused the size of this letter.",
        "Attachments can be downloaded here.",
    ),
)
_FULL_ADVICE = "Mohon menghapus email yang tidak diperlukan atau menambah kapasitas."
_FULL_ADVICE_EN = "Please delete mail that you do not need, or add storage."
_FULL = _both(
    (
        "Penyimpanan email penuh",
        "Penyimpanan email {alamat} penuh sehingga belum dapat menerima email baru. "
        "LPSE akan mencoba mengirim kembali sampai {waktu}.",
        _FULL_ADVICE,
    ),
    (
        "Mailbox full",
        "The mailbox {alamat} is full and cannot take new mail yet. "
        "LPSE will try again until {waktu}.",
        _FULL_ADVICE_EN,
    ),
)
_FULL_FAILED = _both(
    (
        "Penyimpanan email penuh",
        "Penyimpanan email {alamat} penuh sehingga tidak dapat menerima email baru.",
        f"{_FULL_ADVICE} {_READ_HERE}",
    ),
    (
        "Mailbox full",
        "The mailbox {alamat} is full and could not take new mail.",
        f"{_FULL_ADVICE_EN} {_READ_HERE_EN}",
    ),
)
_LIMITED = _both(
    (
        "Tertunda",
        "{penyedia} sedang membatasi jumlah email dari LPSE. "
        "Email Bapak/Ibu akan dikirim otomatis.",
        _NOTHING,
    ),
    (
        "Delayed",
        "{penyedia} limits how much mail it takes from LPSE just now. "
        "Your letter will be sent by itself.",
        _NOTHING_EN,
    ),
)
_OTHER = _both(
    (
        "Tertunda – alasan lain",
        "Server tujuan menjawab: {jawaban}",
        f"{_NOTHING} LPSE akan mencoba mengirim kembali.",
    ),
    (
        "Delayed – another reason",
        "The destination's server answered: {jawaban}",
        f"{_NOTHING_EN} LPSE will try again.",
    ),
)
_OTHER_FAILED = _both(
    ("Gagal – alasan lain", "Server tujuan menjawab: {jawaban}", _HELPDESK),
    ("Failed – another reason", "The destination's server answered: {jawaban}", _HELPDESK_EN),
)

WAITING: Final[dict[Category, Both]] = {
    Category.UNKNOWN_USER: _UNKNOWN,
    Category.INACTIVE_USER: _INACTIVE,
    Category.MAILBOX_FULL: _FULL,
    Category.BAD_DOMAIN: _BAD_DOMAIN,
    Category.SENDER_BLOCKED: _SPAM,
    Category.RATE_LIMITED: _LIMITED,
    Category.SPAM_CONTENT: _SPAM,
    Category.AUTH_FAILED: _AUTH,
    Category.POLICY: _POLICY,
    Category.MESSAGE_TOO_BIG: _TOO_BIG,
    Category.GREYLISTED: _DELAYED,
    Category.NETWORK: _DELAYED,
    Category.PROTOCOL: _DELAYED,
    Category.SERVER_ERROR: _DELAYED,
    Category.OTHER: _OTHER,
}
FAILED: Final[dict[Category, Both]] = {
    **WAITING,
    Category.MAILBOX_FULL: _FULL_FAILED,
    Category.RATE_LIMITED: _GIVEN_UP,
    Category.GREYLISTED: _GIVEN_UP,
    Category.NETWORK: _GIVEN_UP,
    Category.PROTOCOL: _GIVEN_UP,
    Category.SERVER_ERROR: _GIVEN_UP,
    Category.OTHER: _OTHER_FAILED,
}
STATES: Final[dict[State, Both]] = {
    State.READY: _both(
        ("Dalam antrean", "Email ini menunggu giliran untuk dikirim.", f"{_NOTHING} {_READ_HERE}"),
        ("Queued", "This letter waits for its turn.", f"{_NOTHING_EN} {_READ_HERE_EN}"),
    ),
    State.WAITING: _both(
        (
            "Tertunda – akan dicoba lagi",
            "Email ini akan dicoba lagi {berikut}.",
            f"{_NOTHING} {_READ_HERE}",
        ),
        (
            "Deferred",
            "This letter will be tried again {berikut}.",
            f"{_NOTHING_EN} {_READ_HERE_EN}",
        ),
    ),
    State.LEASED: _both(
        ("Sedang dikirim", "Email ini sedang dikirim.", f"{_NOTHING} {_READ_HERE}"),
        ("Sending", "This letter is being sent.", f"{_NOTHING_EN} {_READ_HERE_EN}"),
    ),
    State.HELD: _both(
        (
            "Ditahan oleh Pengelola LPSE: sedang diperiksa",
            "Email ini belum dikirim. Pengelola LPSE akan memeriksanya.",
            f"{_READ_HERE} Jika ada pertanyaan, hubungi Helpdesk LPSE.",
        ),
        (
            "Held by LPSE's administrator: being looked at",
            "This letter was not sent yet. LPSE's administrator will look at it.",
            f"{_READ_HERE_EN} With questions, contact LPSE's helpdesk.",
        ),
    ),
    State.DELIVERED: _both(
        (
            "Terkirim ke server email tujuan",
            "Telah diterima oleh server email tujuan pada {waktu} "
            "(belum tentu sudah dibaca; mungkin berada di folder Spam)",
            "Tidak menemukan email ini? Periksa folder Spam, pilih **Bukan spam**, "
            "lalu simpan {pengirim} ke daftar kontak.",
        ),
        (
            "Delivered (accepted by the remote server)",
            "Accepted by the destination's server on {waktu} "
            "(not necessarily read; it may be in the spam folder)",
            "You do not find it? Look into the spam folder, choose **Not spam**, "
            "and add {pengirim} to your contacts.",
        ),
    ),
    State.BOUNCED: _both(
        ("Gagal", "Email ini tidak dapat dikirim.", f"{_READ_HERE} {_HELPDESK}"),
        ("Bounced", "This letter could not be sent.", f"{_READ_HERE_EN} {_HELPDESK_EN}"),
    ),
    State.EXPIRED: _both(
        (
            "Gagal: batas waktu pengiriman habis",
            "Email tidak berhasil dikirim sampai {waktu}.",
            "Silakan membaca pesan di Kotak Masuk dan menghubungi penyedia email Bapak/Ibu.",
        ),
        (
            "Expired",
            "The letter could not be sent until {waktu}.",
            "Please read the letter in the inbox, and contact your mail provider.",
        ),
    ),
    State.SUPPRESSED: _both(
        (
            "Tidak dikirim",
            "Email tidak dikirim ke {alamat} karena alamat ini bermasalah "
            "({sebab}, sejak {waktu}).",
            "Setelah alamat diperbaiki, tekan **Kirim ulang** atau hubungi Helpdesk LPSE.",
        ),
        (
            "Suppressed",
            "Nothing is sent to {alamat} because something is wrong with this address "
            "({sebab}, since {waktu}).",
            "When the address is mended, press **Send again** or contact LPSE's helpdesk.",
        ),
    ),
    State.REMOVED: _both(
        (
            "Hanya di Kotak Masuk",
            "Pengiriman email ini dibatalkan oleh Pengelola LPSE.",
            _READ_HERE,
        ),
        (
            "Only in the inbox",
            "LPSE's administrator cancelled the sending of this letter.",
            _READ_HERE_EN,
        ),
    ),
}
# Where a page has no such button yet, it is not spoken of.
WITHOUT_BUTTON: Final[dict[str, str]] = {
    "tekan **Kirim ulang** atau hubungi Helpdesk LPSE": "hubungi Helpdesk LPSE",
    "tekan **Kirim ulang**": "hubungi Helpdesk LPSE agar email dikirim ulang",
    "press **Send again** or contact LPSE's helpdesk": "contact LPSE's helpdesk",
    "press **Send again**": "ask LPSE's helpdesk to send it again",
}
TOLD: Final[dict[Language, str]] = {
    "id": " Pengelola LPSE telah diberi tahu pada {waktu}.",
    "en": " LPSE's administrator was told on {waktu}.",
}
LAST_CAUSE: Final[dict[Language, str]] = {
    "id": " Sebab terakhir: {sebab}.",
    "en": " The last cause: {sebab}.",
}
DEADLINE: Final[dict[Language, str]] = {
    "id": "PENTING: undangan ini berlaku sampai {waktu} (sisa {sisa}). "
    "Email belum berhasil dikirim.",
    "en": "IMPORTANT: this invitation holds until {waktu} ({sisa} left). "
    "The letter could not be sent yet.",
}
