"""Returned: what a vendor reads of a letter that a server took and sent back later; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from relay.mail.late import Kind, Late
from relay.web.dates import Language
from relay.web.words import Phrase

RETURNED: Final[dict[Language, Phrase]] = {
    "id": Phrase(
        "Terkirim, lalu dikembalikan",
        "Server email tujuan menerima email ini, tetapi mengembalikannya pada {kembali}. "
        "Sebab: {sebab}.",
        "Isi pesan sudah dapat dibaca di Kotak Masuk. ",
    ),
    "en": Phrase(
        "Delivered, later returned",
        "The destination's server took this letter, and returned it on {kembali}. Cause: {sebab}.",
        "The letter can be read here in the inbox. ",
    ),
}
_TOLD: Final[dict[Kind, str]] = {
    Kind.FAILED: "Dikembalikan",
    Kind.COMPLAINT: "Ditandai sebagai spam oleh penerima",
    Kind.DELAYED: "Tertunda di server email tujuan",
    Kind.EXPANDED: "Diteruskan ke beberapa alamat",
    Kind.RELAYED: "Diteruskan ke server lain",
    Kind.DELIVERED: "Dinyatakan sampai",
    Kind.FEEDBACK: "Laporan dari penyedia email",
}


def failed_of(said: Iterable[Late]) -> Late | None:
    """The report that says that it was returned, if one does."""
    return next((one for one in said if one.kind is Kind.FAILED), None)


def shown(one: Late) -> dict[str, Any]:
    """What `Rincian teknis` says of it; the template escapes it and leaves out the empty."""
    return {"what": _TOLD[one.kind], "at": one.at, "server": one.reporter, "said": one.text,
            "named": one.named}  # fmt: skip
