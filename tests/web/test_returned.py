"""A letter that a server took and sent back: in the list, in the letter, in plain words."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from relay.mail import ids
from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.instant import HOUR
from relay.mail.late import TOLD, Kind, Late
from relay.web import returned
from relay.web.dates import Language
from relay.web.wording import Facts, wording
from tests.web.shelf import ADDRESS, NOW
from tests.web.site import enter, site_of

LANGUAGES: tuple[Language, ...] = get_args(Language)
FACTS = Facts(
    ADDRESS,
    State.DELIVERED,
    None,
    NOW,
    "0G4P2K7M1V0A0.0",
    "lpse@lpse.example.go.id",
    returned_at=NOW + HOUR,
    returned_for=Category.UNKNOWN_USER,
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("category", [*Category, None])
def test_each_reason_is_said(category: Category | None, language: Language) -> None:
    made = wording(replace(FACTS, returned_for=category), language=language)
    assert made.tone == "bad"
    for text in (made.status, made.label, made.explanation, made.advice):
        assert text.strip() and "{" not in text and "**" not in text


def test_the_words() -> None:
    made = wording(FACTS)
    assert (made.status, made.label) == ("Terkirim, lalu dikembalikan", "Email tidak terdaftar")
    assert "mengembalikannya pada" in made.explanation
    assert "ubah email yang terdaftar di LPSE" in made.advice
    english = wording(FACTS, language="en")
    assert english.status == "Delivered, later returned"


def test_a_block_of_ours_is_not_the_vendor_s_to_mend() -> None:
    made = wording(replace(FACTS, returned_for=Category.SENDER_BLOCKED))
    assert made.advice.strip() == "Isi pesan sudah dapat dibaca di Kotak Masuk."


def test_only_a_delivered_letter_was_returned() -> None:
    bounced = replace(FACTS, state=State.BOUNCED, category=Category.MAILBOX_FULL)
    assert wording(bounced) == wording(replace(bounced, returned_at=None, returned_for=None))


def test_every_kind_has_its_words() -> None:
    said = [returned.shown(Late(1, 1, kind, NOW))["what"] for kind in TOLD]
    assert len(set(said)) == len(TOLD)


async def test_the_page_says_so_and_escapes_what_is_foreign() -> None:
    site = site_of()
    async with site.client() as page:
        await enter(page, site.link())
        row = next(one for one in site.shelf.rows[1] if one.state is State.DELIVERED)
        site.shelf.late.append(
            Late(
                row.message_id, row.n, Kind.FAILED, NOW, Category.MAILBOX_FULL, "x",
                "552 5.2.2 <script>alert(1)</script>", "other@x.example", "mx.<b>evil</b>.example",
            )
        )  # fmt: skip
        listed = (await page.get("/inbox")).text
        assert "Terkirim, lalu dikembalikan" in listed
        letter = (await page.get(f"/inbox/{ids.show(row.message_id, row.n)}")).text
        assert "Dikembalikan" in letter and "other@x.example" in letter
        assert "&lt;script&gt;" in letter
        assert "<script>alert" not in letter and "<b>evil" not in letter
