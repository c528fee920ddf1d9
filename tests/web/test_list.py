"""The list of an inbox: its words, its pages, its search, and which failures it tells apart."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from relay.mail import ids
from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.instant import HOUR
from relay.store.base import Mailbox
from relay.web.app import COOKIE, inbox_app
from relay.web.links import Scope, make
from relay.web.settings import InboxSettings, WebSettings
from tests.web.shelf import (
    KEY,
    LINK_ID,
    NOW,
    HandClock,
    Shelf,
    message_id,
    notice_shelf,
    row,
    text_letter,
)
from tests.web.site import Site, enter, site_of


async def test_the_list(client: httpx.AsyncClient) -> None:
    page = (await client.get("/inbox")).text
    for words in (
        "Kotak Masuk untuk",
        "a.rekanan1@example.co.id",
        "Perhatian:",
        "Tanggal",
        "Judul",
        "Pesan 1–25 dari 30",
        "Selanjutnya",
        "Pilih email yang ingin dibaca",
        "4 Okt 2011 14:06 WIB",
        "LPSE Pengumuman Pembatalan Lelang",
        "Terkirim ke server email tujuan",
        "Tertunda – akan dicoba lagi",
        "Email tidak terdaftar",
        "Dalam antrean",
        "Batas waktu 5 Okt 2011 15:30 WIB",
    ):
        assert words in page
    assert "Sebelumnya" not in page
    assert "perusahaan lain" not in page


async def test_the_last_page(client: httpx.AsyncClient) -> None:
    page = (await client.get("/inbox?hal=2")).text
    assert "Pesan 26–30 dari 30" in page
    assert "Sebelumnya" in page
    assert "Selanjutnya" not in page


@pytest.mark.parametrize("hal", ["0", "-1", "x", "99999", "³", "3"])
async def test_a_page_that_there_is_not(client: httpx.AsyncClient, hal: str) -> None:
    assert (await client.get("/inbox", params={"hal": hal})).status_code == 200


async def test_search_and_unread(client: httpx.AsyncClient) -> None:
    page = (await client.get("/inbox?cari=undangan")).text
    assert page.count("<li class=") == 1
    page = (await client.get("/inbox?cari=1234567")).text
    assert page.count("<li class=") == 1
    assert "Pencarian tidak menemukan pesan." in (await client.get("/inbox?cari=zzz")).text
    page = (await client.get("/inbox?tampil=belum")).text
    assert "Pesan 1–5 dari 5" in page
    page = (await client.get("/inbox", params={"cari": '"><script>x'})).text
    assert "<script" not in page


async def test_an_empty_inbox() -> None:
    shelf = Shelf(mailboxes=[Mailbox(1, LINK_ID, "baru@example.co.id")])
    site = site_of(shelf)
    async with site.client() as client:
        await enter(client, site.link())
        assert "Belum ada pesan." in (await client.get(f"{site.base}/inbox")).text


async def test_a_late_page_is_walked_to() -> None:
    shelf = Shelf()
    mine = Mailbox(1, LINK_ID, "x@example.co.id")
    for n in range(1300):
        shelf.add(mine, row(f"surat {n}.", NOW - n * 1000, sequence=n), b"")
    site = site_of(shelf)
    async with site.client() as client:
        await enter(client, site.link())
        page = (await client.get(f"{site.base}/inbox?hal=52")).text
    assert "Pesan 1276–1300 dari 1300" in page
    assert re.findall(r"surat (\d+)\.", page) == [str(n) for n in range(1275, 1300)]


async def test_an_address_that_once_took_our_mail() -> None:
    asked = []

    async def accepted(address: str) -> bool:
        asked.append(address)
        return True

    shelf = notice_shelf()
    for n, made in enumerate(shelf.rows[1]):
        shelf.rows[1][n] = replace(made, as_given="A.Rekanan1@Example.co.id")
    app = inbox_app(shelf, WebSettings(), InboxSettings(), HandClock(), [KEY], accepted)
    session = make([KEY], LINK_ID, Scope.SESSION, NOW + HOUR, b"j" * 16)
    client = Site("http://inbox", shelf, HandClock(), app).client(cookies={COOKIE: session})
    bounced = next(row for row in shelf.rows[1] if row.state is State.BOUNCED)
    for path in ("/inbox", f"/inbox/{ids.show(bounced.message_id, 0)}"):
        page = (await client.get(path)).text
        assert "Email tidak aktif" in page
        assert "Email tidak terdaftar" not in page
    assert asked == ["a.rekanan1@example.co.id"] * 2


async def test_an_address_that_is_none_never_took_our_mail() -> None:
    async def accepted(address: str) -> bool:
        raise AssertionError(address)

    shelf = Shelf()
    made = row("x", state=State.BOUNCED, category=Category.UNKNOWN_USER, as_given="no address")
    shelf.add(Mailbox(1, LINK_ID, "x"), made, text_letter("x", "x"))
    app = inbox_app(shelf, WebSettings(), InboxSettings(), HandClock(), [KEY], accepted)
    session = make([KEY], LINK_ID, Scope.SESSION, NOW + HOUR, b"j" * 16)
    client = Site("http://inbox", shelf, HandClock(), app).client(cookies={COOKIE: session})
    assert "Email tidak terdaftar" in (await client.get("/inbox")).text


async def test_a_subject_without_words() -> None:
    shelf = Shelf()
    shelf.add(Mailbox(1, LINK_ID, "x"), row(""), text_letter("", ""))
    app = inbox_app(shelf, WebSettings(), InboxSettings(), HandClock(), [KEY])
    session = make([KEY], LINK_ID, Scope.SESSION, NOW + HOUR, b"j" * 16)
    client = Site("http://inbox", shelf, HandClock(), app).client(cookies={COOKIE: session})
    assert "(tanpa judul)" in (await client.get("/inbox")).text
    assert "(tanpa judul)" in (await client.get(f"/inbox/{ids.show(message_id(NOW))}")).text
