"""Explain's words: the sentences and table heads of `explain` in English and in Bahasa Indonesia.

`{…}` is filled in from the answer. Values of relay.yaml (a class, a TLS mode, `20/min`) stay as
they are written there, so that they can be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_AS_IT_IS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Words:
    """One language. `spoken` says a sentence of the relay's own in it; `states` names what a
    destination or a letter is, where that is not the word of the answer."""

    goes: str
    by_one: str
    by_many: str
    learned: str
    hours: str
    warmup: str
    frozen: str
    connections: str
    per_connection: str
    dials: str
    not_tried: str
    now: str
    free_now: str
    nothing_holds: str
    name: str
    letter: str
    next_try: str
    more: str
    none_before: str
    before: str
    own: str
    pace: str
    most: str
    no_limit: str
    next_at: str
    through_at: str
    until_resume: str
    heads: tuple[str, ...]
    spoken: Callable[[str], str] = str
    states: Mapping[str, str] = field(default_factory=lambda: _AS_IT_IS)

    def state(self, word: str) -> str:
        """The state in that language."""
        return self.states.get(word, word)


def _in_indonesian(sentence: str) -> str:
    # Read when it is asked for: most are told in English, and need nothing of the service's.
    from relay.service.indonesian import in_indonesian

    return in_indonesian(sentence)


ENGLISH: Final = Words(
    goes="{recipient} ({class}) goes to {where}: {because}",
    by_one="by {hosts}, TLS {tls}, up to {connections} connection; it is {state}",
    by_many="by {hosts}, TLS {tls}, up to {connections} connections; it is {state}",
    learned="learned: {learned_a_minute:.1f} a minute, below {borne_a_minute:.1f} that it bore"
    " before it refused",
    hours="it is sent to only at {hours}",
    warmup="warm-up: on sending day {day} {sent} of {a_day} are used{frozen}",
    frozen=", and it was refused: the next day is no larger",
    connections="at most {connections} connections at once",
    per_connection="at most {messages_per_connection} letters to a connection",
    dials="at most {rates} new connections",
    not_tried="{not_tried}: see `lpse-relay suppression show`",
    now="now: {why}",
    free_now="now",
    nothing_holds="nothing holds it",
    name="but a letter of {name} waits until {until}: {why}",
    letter="its letter {id} ({class}) is {state}{next_try}: {why}",
    next_try=", next try {at}",
    more="and {more} more of its letters: see `lpse-relay queue ls`",
    none_before="nothing of its class or more urgent is ready there",
    before="{ahead} of its class or more urgent are ready there{own}: a new one is"
    " number {position}",
    own=", {own} of them to this address",
    pace="{before}; {pace} from now on",
    most="{pace} an hour at most",
    no_limit="as many as its connections carry (no limit holds them)",
    next_at="the next one there may go at {at}",
    through_at="all that are ready will be through by {at}, if its connections keep up and nothing"
    " is refused",
    until_resume="when they will be through nobody knows: it is paused until `resume`",
    heads=("limit", "of", "used", "free", "where"),
)
INDONESIAN: Final = Words(
    goes="{recipient} ({class}) dikirim ke {where}: {because}",
    by_one="lewat {hosts}, TLS {tls}, paling banyak {connections} sambungan; keadaannya: {state}",
    by_many="lewat {hosts}, TLS {tls}, paling banyak {connections} sambungan; keadaannya: {state}",
    learned="hasil pengamatan: {learned_a_minute:.1f} per menit, di bawah {borne_a_minute:.1f} yang"
    " diterima sebelum menolak",
    hours="hanya dikirimi pada jam {hours}",
    warmup="pemanasan alamat: pada hari kirim ke-{day} terpakai {sent} dari {a_day}{frozen}",
    frozen=", dan ada penolakan: jatah hari berikutnya tidak bertambah",
    connections="paling banyak {connections} sambungan sekaligus",
    per_connection="paling banyak {messages_per_connection} surat tiap sambungan",
    dials="paling banyak {rates} sambungan baru",
    not_tried="{not_tried}: lihat `lpse-relay suppression show`",
    now="sekarang: {why}",
    free_now="sekarang",
    nothing_holds="tidak ada yang menahannya",
    name="tetapi surat dari {name} menunggu sampai {until}: {why}",
    letter="suratnya {id} ({class}) {state}{next_try}: {why}",
    next_try=", percobaan berikutnya {at}",
    more="dan {more} surat lagi untuk alamat ini: lihat `lpse-relay queue ls`",
    none_before="tidak ada surat sekelas atau lebih mendesak yang siap dikirim ke sana",
    before="{ahead} surat sekelas atau lebih mendesak siap dikirim ke sana{own}: surat baru"
    " mendapat urutan ke-{position}",
    own=", {own} di antaranya untuk alamat ini",
    pace="{before}; mulai sekarang {pace}",
    most="paling banyak {pace} per jam",
    no_limit="sebanyak yang dapat dibawa sambungannya (tidak dibatasi)",
    next_at="surat berikutnya ke sana boleh dikirim pada {at}",
    through_at="semua surat yang siap akan selesai dikirim paling lambat {at}, bila sambungannya"
    " cukup cepat dan tidak ada yang ditolak",
    until_resume="belum diketahui kapan semuanya selesai dikirim: pengiriman dihentikan sementara"
    " sampai `resume`",
    heads=("batas", "milik", "terpakai", "tersedia", "sumber"),
    spoken=_in_indonesian,
    states={
        "ok": "lancar",
        "slow": "diperlambat",
        "paused": "dihentikan sementara",
        "probing": "sedang dicoba dengan satu surat",
        "ready": "dalam antrean",
        "waiting": "tertunda",
        "leased": "sedang dikirim",
        "held": "ditahan",
    },
)
SPOKEN: Final[Mapping[str, Words]] = {"en": ENGLISH, "id": INDONESIAN}
