"""Indonesian: the relay's own sentences of what a letter waits for, in Bahasa Indonesia.

They are shaping's, settle's, the fuse's and the road's. What is foreign in them (a reply, a
person's reason) stays as it is; a sentence within a sentence is said in its turn.
"""

from __future__ import annotations

import re
from typing import Final

from relay.suppression import BY_HAND

# `\1` is a group as it stands, `~1` one that is said in Indonesian in its turn.
_INDONESIAN: Final = tuple(
    (re.compile(pattern, re.DOTALL), said)
    for pattern, said in (
        (r"everything is paused: (.*)", r"semua pengiriman dihentikan sementara: ~1"),
        (
            r"everything waits for one letter that asks: (.*)",
            r"semua menunggu satu surat percobaan: \1",
        ),
        (r"(\S+) is paused: (.*)", r"pengiriman ke \1 dihentikan sementara: ~2"),
        (r"(\S+) is asked with one letter", r"\1 sedang dicoba dengan satu surat"),
        (r"(\S+) is sent to only at (.*)", r"\1 hanya dikirimi pada jam \2"),
        (
            r"the warm-up of (\S+): (\d+) on sending day (\d+)",
            r"pemanasan alamat untuk \1: \2 surat pada hari kirim ke-\3",
        ),
        (
            r"what (\S+) bore before it refused: (.*)",
            r"batas yang diterima \1 sebelum menolak: \2",
        ),
        (
            r"(\S+) is new to us: (\S+) a minute, rising as it bears them",
            r"\1 baru pertama kali dikirimi: \2 per menit, naik bertahap",
        ),
        (
            r"(\S+) is slow after a refusal: (\S+) a minute",
            r"\1 diperlambat setelah penolakan: \2 per menit",
        ),
        (
            r"(\S+) is paused, and kritis letters go by the fallback route (\S+)",
            r"pengiriman ke \1 dihentikan sementara; surat kritis lewat jalur cadangan \2",
        ),
        (r"the limit of connections to (\S+): (.*)", r"batas sambungan ke \1: \2"),
        (r"the limit of (\S+): (.*)", r"batas pengiriman \1: \2"),
        (
            r"(\d+) connections to (\S+) are open, as many as may be",
            r"\1 sambungan ke \2 sedang terbuka, sebanyak yang dibolehkan",
        ),
        (
            r"(\S+) is paused by the reaction (.*)",
            r"pengiriman ke \1 dihentikan sementara oleh aturan \2",
        ),
        (
            r"(\S+) is held to (\S+) by the reaction (.*)",
            r"pengiriman ke \1 dibatasi \2 oleh aturan \3",
        ),
        (r"a route of relay\.yaml leads there", r"sebuah rute di relay.yaml menuju ke sana"),
        (r"all its MX hosts belong to (\S+): (.*)", r"semua server MX-nya milik \1: \2"),
        (
            r"its MX hosts belong to no one provider: (.*)",
            r"server MX-nya bukan milik satu penyedia: \1",
        ),
        (
            r"not in force: (.*) of (\S+) \((.*)\), for its mail goes to (\S+): write it for \S+",
            r"tidak berlaku: \1 untuk \2 (\3), karena suratnya dikirim ke \4: tuliskan untuk \4",
        ),
        # Of what came of an attempt, and of a letter's end; what was said last stands in them.
        (r"its time was over: (.*); last: (.*)", r"waktunya habis: ~1; terakhir: ~2"),
        (r"its time was over; last: (.*)", r"waktunya habis; terakhir: ~1"),
        (r"its time was over: (.*)", r"waktunya habis: ~1"),
        (r"its time was over", r"waktunya habis"),
        (r"it was held: (.*)", r"surat ini ditahan: ~1"),
        (r"it was held", r"surat ini ditahan"),
        (
            r"another letter to this address was told to wait; (.*)",
            r"surat lain ke alamat ini diminta menunggu; ~1",
        ),
        (
            r"the address took a letter within 30 days: asked again a day after its refusal; (.*)",
            r"alamat ini menerima surat dalam 30 hari terakhir, jadi dicoba lagi sehari setelah"
            r" ditolak; ~1",
        ),
        (
            r"fuse:(\S+): (\d+) of (\d+) attempts refused there within an hour as unknown or"
            r" inactive, more than is normal(?:; (.*))?",
            r"pengaman \1: dalam satu jam \2 dari \3 percobaan ditolak di sana karena alamat tidak"
            r" terdaftar atau tidak aktif, lebih banyak dari biasanya; ~4",
        ),
        (
            r"fuse:(\S+): (\d+) of (\d+) attempts of this letter refused there within an hour for"
            r" its content or by policy(?:; (.*))?",
            r"pengaman \1: dalam satu jam \2 dari \3 percobaan surat ini ditolak di sana karena"
            r" isinya atau kebijakannya; ~4",
        ),
        (
            r"(.*) \(held by a fuse; confirmed by ([^:]*): (.*)\)",
            r"~1 (ditahan oleh pengaman; dibenarkan oleh \2: \3)",
        ),
        (r"cannot be read: (.*)", r"surat ini tidak dapat dibaca: \1"),
        (r"cannot be carried: (.*)", r"surat ini tidak dapat dikirim: \1"),
        (r"after the final dot: (.*)", r"setelah isi surat terkirim seluruhnya: ~1"),
        (r"connection refused", r"sambungan ditolak (connection refused)"),
        (r"Network is unreachable", r"jaringan tidak terjangkau (network is unreachable)"),
        (r"No route to host", r"tidak ada jalur ke server itu (no route to host)"),
        (r"no connection within (\S+) s", r"tidak tersambung dalam \1 detik"),
        (r"no reply within (\S+) s", r"server tidak menjawab dalam \1 detik"),
        (r"no octet was taken for (\S+) s", r"server tidak menerima data selama \1 detik"),
        (
            r"the connection was closed before MAIL was answered",
            r"sambungan ditutup sebelum perintah MAIL dijawab",
        ),
        (r"(\S+) does not exist \(NXDOMAIN\)", r"domain \1 tidak ada (NXDOMAIN)"),
        (r"(\S+) takes no mail \(null MX\)", r"domain \1 tidak menerima email (null MX)"),
        (r"(\S+) has neither an MX nor an address", r"\1 tidak punya MX maupun alamat IP"),
        (r"(\S+) has no address", r"\1 tidak punya alamat IP"),
        (r"(\S+) cannot be reached from (\S+)", r"\1 tidak terjangkau dari \2"),
        (
            r"encryption is required, and the server does not offer STARTTLS",
            r"enkripsi diwajibkan, tetapi server tidak menawarkan STARTTLS",
        ),
    )
)
_NOT_TRIED: Final = re.compile(
    r"not tried: (.+?) since (\S+) \((.*)\)(; another letter asks at the moment)?", re.DOTALL
)
_CAUSES: Final = {
    "unknown_user": "alamat tidak terdaftar",
    "inactive_user": "alamat tidak aktif",
    "mailbox_full": "penyimpanan email penuh",
    "complaint": "dilaporkan sebagai spam",
    "on the list": "ada di daftar",
}
_BY_FALLBACK: Final = re.compile(r"by the fallback route (\S+): (.*)", re.DOTALL)
_GROUP: Final = re.compile(r"([\\~])(\d)")


def in_indonesian(sentence: str) -> str:
    """The sentence in Bahasa Indonesia; one that is not the relay's own stays as it is."""
    by_fallback = _BY_FALLBACK.fullmatch(sentence)
    if by_fallback:
        return f"lewat jalur cadangan {by_fallback[1]}: {in_indonesian(by_fallback[2])}"
    not_tried = _NOT_TRIED.fullmatch(sentence)
    if not_tried:
        return _not_tried(*not_tried.groups())
    for pattern, said in _INDONESIAN:
        match = pattern.fullmatch(sentence)
        if match:
            return _filled(said, match).removesuffix("; ")
    return sentence


def _filled(said: str, match: re.Match[str]) -> str:
    def group(place: re.Match[str]) -> str:
        found = match[int(place[2])] or ""
        return in_indonesian(found) if place[1] == "~" else found

    return _GROUP.sub(group, said)


def _not_tried(cause: str, since: str, rule: str, asked: str | None) -> str:
    """See suppression.words; a rule's id stays as it is, for it is looked up by it."""
    said = _CAUSES.get(cause, cause)
    by = rule.replace(BY_HAND, "secara manual", 1) if rule.startswith(f"{BY_HAND}: ") else rule
    other = "; alamatnya sedang dicoba dengan surat lain" if asked else ""
    return f"tidak dicoba: {said} sejak {since} ({by}){other}"
