from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.replies import notice
from relay.web.dates import Language
from relay.web.wording import Facts, cause, deadline, provider_words, wording
from relay.web.words import FAILED, PLACEHOLDERS, STATES, WAITING, Phrase
from tests.web.shelf import ADDRESS, NOW

LANGUAGES: tuple[Language, ...] = get_args(Language)
FACTS = Facts(
    ADDRESS, State.BOUNCED, Category.UNKNOWN_USER, NOW, "0G4P2K7M1V0A0.0", "lpse@lpse.example.go.id"
)


def _words(state: State, category: Category | None = None, **more: object) -> tuple[str, ...]:
    facts = replace(FACTS, state=state, category=category, **more)  # type: ignore[arg-type]
    made = wording(facts)
    return made.status, made.label, made.explanation, made.advice


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_category_and_state_has_label_explanation_and_advice(language: Language) -> None:
    tables: list[Phrase] = [STATES[state][language] for state in State]
    tables += [table[category][language] for table in (WAITING, FAILED) for category in Category]
    for phrase in tables:
        for text in (phrase.label, phrase.explanation, phrase.advice):
            assert text.strip()
            assert set(re.findall(r"\{(\w*)\}", text)) <= PLACEHOLDERS
            assert text.count("**") % 2 == 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("category", [*Category, None])
def test_every_pair_can_be_said(
    state: State, category: Category | None, language: Language
) -> None:
    made = wording(replace(FACTS, state=state, category=category), language=language)
    for text in (made.status, made.label, made.explanation, made.advice):
        assert text.strip()
        assert "{" not in text
        assert "**" not in text


@pytest.mark.parametrize("state", [s for s in State if s is not State.DELIVERED])
@pytest.mark.parametrize("category", [*Category, None])
def test_only_a_delivered_letter_was_accepted(state: State, category: Category | None) -> None:
    """And none says `dibaca` of the letter at the provider."""
    said = " ".join(_words(state, category))
    assert "Telah diterima" not in said
    assert "sudah dibaca" not in said.replace("sudah dapat dibaca", "")


def test_delivered_in_the_words_of_the_page() -> None:
    status, label, explanation, advice = _words(State.DELIVERED)
    assert status == label == "Terkirim ke server email tujuan"
    assert explanation == (
        "Telah diterima oleh server email tujuan pada 4 Okt 2011 14:11 WIB "
        "(belum tentu sudah dibaca; mungkin berada di folder Spam)"
    )
    assert advice == (
        "Tidak menemukan email ini? Periksa folder Spam, pilih <strong>Bukan spam</strong>, "
        "lalu simpan lpse@lpse.example.go.id ke daftar kontak."
    )


def test_an_unknown_user() -> None:
    status, label, explanation, advice = _words(State.BOUNCED, Category.UNKNOWN_USER)
    assert (status, label) == ("Gagal", "Email tidak terdaftar")
    assert explanation == (
        "Alamat email a.rekanan1@example.co.id tidak terdaftar pada penyedia layanan email "
        "example.co.id, sehingga email dari LPSE dikembalikan."
    )
    assert advice.startswith("Silakan uji email Bapak/Ibu dengan mencoba membukanya.")


def test_an_unknown_user_that_once_took_our_mail_is_inactive() -> None:
    words = _words(State.BOUNCED, Category.UNKNOWN_USER, accepted_before=True)
    assert words[1] == "Email tidak aktif"
    assert "Kirim ulang" not in words[3]
    with_button = _words(
        State.BOUNCED, Category.UNKNOWN_USER, accepted_before=True, can_resend=True
    )
    assert "tekan <strong>Kirim ulang</strong>" in with_button[3]


@pytest.mark.parametrize("accepted_before", [True, False])
@pytest.mark.parametrize("category", [Category.UNKNOWN_USER, Category.INACTIVE_USER])
def test_the_page_says_what_the_notice_says(category: Category, accepted_before: bool) -> None:
    label = _words(State.BOUNCED, category, accepted_before=accepted_before)[1]
    told = notice.wording(category, 1 if accepted_before else None)
    assert told is not None
    assert told in label


def test_a_block_of_ours_is_not_the_vendors_fault() -> None:
    words = _words(State.BOUNCED, Category.SENDER_BLOCKED, provider="Google (Gmail)")
    assert words[1] == "Dianggap SPAM"
    assert words[2] == (
        "Google (Gmail) menolak email dari server LPSE karena menganggapnya spam. "
        "<strong>Alamat email Bapak/Ibu tidak bermasalah.</strong>"
    )
    told = _words(State.BOUNCED, Category.SENDER_BLOCKED, alerted_at=NOW)
    assert told[2].endswith("Pengelola LPSE telah diberi tahu pada 4 Okt 2011 14:11 WIB.")


def test_a_full_mailbox_is_tried_until_its_time_is_over() -> None:
    words = _words(State.WAITING, Category.MAILBOX_FULL, expires_at=NOW + DAY)
    assert words[:2] == ("Tertunda – akan dicoba lagi", "Penyimpanan email penuh")
    assert words[2].endswith("LPSE akan mencoba mengirim kembali sampai 5 Okt 2011 14:11 WIB.")
    assert "mencoba mengirim kembali" not in _words(State.BOUNCED, Category.MAILBOX_FULL)[2]


def test_a_deferral_counts_its_tries() -> None:
    words = _words(State.WAITING, Category.GREYLISTED, tries=2, next_at=NOW + 5 * MINUTE)
    assert words[2] == (
        "Server email tujuan belum dapat menerima email. "
        "Percobaan ke-2; percobaan berikutnya 4 Okt 2011 14:16 WIB."
    )


def test_held_expired_suppressed_removed() -> None:
    assert _words(State.HELD)[0] == "Ditahan oleh Pengelola LPSE: sedang diperiksa"
    assert _words(State.EXPIRED, Category.MAILBOX_FULL)[2] == (
        "Email tidak berhasil dikirim sampai 4 Okt 2011 14:11 WIB. "
        "Sebab terakhir: Penyimpanan email penuh."
    )
    assert (
        "(Email tidak terdaftar, sejak 4 Okt 2011 14:11 WIB)"
        in (_words(State.SUPPRESSED, Category.UNKNOWN_USER)[2])
    )
    assert _words(State.REMOVED)[0] == "Hanya di Kotak Masuk"


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_to_be_asked_is_named_where_it_is_known(language: Language) -> None:
    where = "helpdesk@lpse.example.go.id"
    told = 0
    for state in State:
        for category in [*Category, None]:
            facts = replace(FACTS, state=state, category=category)
            plain = wording(facts, language=language).advice
            named = wording(replace(facts, contact=where), language=language).advice
            assert where not in plain
            assert named.replace(f" ({where})", "") == plain
            has_help = any(word in plain.lower() for word in ("helpdesk", "verifi"))
            assert named.count(f" ({where})") == has_help
            told += has_help
    assert told


def test_the_helpdesks_address_is_not_the_senders() -> None:
    words = _words(State.DELIVERED, contact="helpdesk@lpse.example.go.id")
    assert "simpan lpse@lpse.example.go.id ke daftar kontak" in words[3]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("category", Category)
def test_a_trys_cause_is_in_words(state: State, category: Category) -> None:
    made = cause(replace(FACTS, state=state), category)
    assert made
    assert category.value not in made
    assert "{" not in made


def test_a_trys_cause_follows_what_became_of_the_letter() -> None:
    assert cause(replace(FACTS, state=State.WAITING), Category.GREYLISTED) == "Tertunda"
    assert cause(FACTS, Category.GREYLISTED) == "Server email tujuan tidak menerima"
    assert cause(FACTS, None) == ""
    once = replace(FACTS, accepted_before=True)
    assert cause(once, Category.UNKNOWN_USER) == "Email tidak aktif"


def test_foreign_text_is_escaped() -> None:
    nasty = "<script>alert(1)</script>{0.__class__}**x**"
    facts = replace(FACTS, category=Category.OTHER, reply=nasty, address=f"{nasty}@x", code=nasty)
    for state in State:
        made = wording(replace(facts, state=state))
        said = made.status + made.label + made.explanation + made.advice
        assert "<script" not in said
        assert "<strong>x" not in said
    assert "{0.__class__}" in wording(facts).explanation


def test_the_deadline_of_an_undelivered_letter() -> None:
    facts = replace(FACTS, state=State.WAITING, deadline_at=NOW + 5 * HOUR + 9)
    assert deadline(facts, NOW) == (
        "PENTING: undangan ini berlaku sampai 4 Okt 2011 19:11 WIB (sisa 5 jam). "
        "Email belum berhasil dikirim."
    )
    assert deadline(replace(facts, state=State.BOUNCED), NOW) is not None
    assert deadline(replace(facts, state=State.DELIVERED), NOW) is None
    assert deadline(facts, NOW + 6 * HOUR) is None
    assert deadline(FACTS, NOW) is None


def test_tones_follow_the_state() -> None:
    tones = {state.word: wording(replace(FACTS, state=state)).tone for state in State}
    assert tones == {
        "ready": "calm", "waiting": "wait", "leased": "calm", "held": "wait", "delivered": "good",
        "bounced": "bad", "expired": "bad", "suppressed": "bad", "removed": "calm",
    }  # fmt: skip


def test_providers_have_the_names_that_people_know() -> None:
    assert provider_words("gmail", "example.co.id") == "Google (Gmail)"
    assert provider_words("mx1.example.co.id", "example.co.id") == "example.co.id"
