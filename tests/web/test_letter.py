"""One letter's page: what became of it, each try's details, its content, source and attachments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from relay.mail import ids
from relay.mail.classification import Category
from relay.mail.delivery import Failure, FailureKind, State
from relay.mail.instant import HOUR, MINUTE
from relay.store.base import Mailbox
from relay.web import reading
from tests.web.refs import CANCELLED, INVITATION
from tests.web.shelf import LINK_ID, NOW, Shelf, attempt, message_id, row, text_letter, waiting
from tests.web.site import Site, enter, site_of

NO_DOMAIN = Failure(FailureKind.NXDOMAIN, "no such domain: gmial.com")


async def test_a_letter(site: Site, client: httpx.AsyncClient) -> None:
    page = (await client.get(f"/inbox/{INVITATION}")).text
    assert page.index("PENTING: undangan ini berlaku sampai 5 Okt 2011 15:30 WIB (sisa 25 jam)") < (
        page.index("<h1>")
    )
    for words in (
        "Undangan Pembuktian Kualifikasi",
        "Penyimpanan email penuh",
        "mencoba mengirim kembali sampai 9 Okt 2011 14:10 WIB",
        "Kembali ke daftar pesan",
        "Tutup",
        "Unduh (.eml)",
        "Rincian teknis",
        "mta7.example.net [198.51.100.7]",
        "452 4.2.2 The email account that you tried to reach is over quota",
        'sandbox="allow-popups allow-popups-to-escape-sandbox"',
        "Email yang sama dengan yang dikirim ke email a.rekanan1@example.co.id",
    ):
        assert words in page
    assert site.shelf.rows[1][0].read_at == NOW


async def test_why_an_administrator_holds_a_letter_is_not_the_vendors(
    site: Site, client: httpx.AsyncClient
) -> None:
    held = next(made for made in site.shelf.rows[1] if made.state is State.HELD)
    site.shelf.queue[held.message_id, 0] = waiting(held, 0, NOW, "menunggu direktur")
    for path in ("/inbox", f"/inbox/{ids.show(held.message_id, 0)}"):
        page = (await client.get(path)).text
        assert "Ditahan oleh Pengelola LPSE: sedang diperiksa" in page
        assert "direktur" not in page


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("is_tried", [True, False])
async def test_only_what_was_sent_is_said_to_be_the_same(state: State, is_tried: bool) -> None:
    shelf = Shelf()
    made = row("x", state=state)
    shelf.add(Mailbox(1, LINK_ID, "x"), made, text_letter("x", "x"))
    if is_tried:
        shelf.tried[made.message_id, 0] = [attempt(made, "450 4.2.0 later")]
    site = site_of(shelf)
    async with site.client() as client:
        await enter(client, site.link())
        page = (await client.get(f"/inbox/{ids.show(made.message_id, 0)}")).text
    is_never = state in (State.HELD, State.REMOVED, State.SUPPRESSED)
    is_sent = state is State.DELIVERED or (is_tried and not is_never)
    assert ("Email yang sama dengan yang dikirim" in page) is is_sent
    assert (f"Salinan email untuk {made.as_given}" in page) is not is_sent


@pytest.mark.parametrize(
    ("changes", "has", "has_not"),
    [
        ({}, ["[198.51.100.7]</code> · <code>TLSv1.3</code>", "Sebab: Penyimpanan"], ["TLS:"]),
        ({"tls": None}, ["<code>tanpa TLS</code>", "Balasan server:"], ["TLSv1.3"]),
        (
            {"mx": "", "ip": "", "tls": None, "reply": None, "failure": NO_DOMAIN},
            ["Sebab: Penyimpanan", "Keterangan:", "no such domain"],
            ["Server:", "TLS", "–</", "mailbox_full", "Balasan server:"],
        ),
        ({"classification": None}, ["Balasan server:"], ["Sebab:"]),
    ],
)
async def test_a_trys_details(changes: dict[str, Any], has: list[str], has_not: list[str]) -> None:
    shelf = Shelf()
    made = row("x", state=State.WAITING)
    shelf.add(Mailbox(1, LINK_ID, "x"), made, text_letter("x", "x"))
    tried = attempt(made, "452 4.2.2 full", category=Category.MAILBOX_FULL)
    shelf.tried[made.message_id, 0] = [replace(tried, **changes)]
    site = site_of(shelf)
    async with site.client() as client:
        await enter(client, site.link())
        page = (await client.get(f"/inbox/{ids.show(made.message_id, 0)}")).text
    details = page[page.index("Percobaan ke-1") :]
    for words in has:
        assert words in details
    for words in has_not:
        assert words not in details


async def test_reading_counts_once(site: Site, client: httpx.AsyncClient) -> None:
    await client.get(f"/inbox/{INVITATION}")
    site.clock.at += HOUR
    await client.get(f"/inbox/{INVITATION}")
    assert site.shelf.rows[1][0].read_at == NOW


async def test_a_foreign_reply_is_escaped(client: httpx.AsyncClient) -> None:
    page = (await client.get(f"/inbox/{ids.show(message_id(NOW - 65 * MINUTE, 1), 0)}")).text
    assert "yahoo.com account &lt;b&gt;[0]&lt;/b&gt;" in page
    assert "Email tidak terdaftar" in page


async def test_markup_control_and_bidi_signs_of_a_foreign_reply_are_harmless(
    site: Site, client: httpx.AsyncClient
) -> None:
    made = next(row for row in site.shelf.rows[1] if row.state is State.BOUNCED)
    said = "550 5.1.1 [/foo] [link=https://x.example]klik[/link] \x1b[2J \u202ekanan <b>\x07"
    site.shelf.tried[made.message_id, 0] = [attempt(made, said, category=Category.UNKNOWN_USER)]
    page = (await client.get(f"/inbox/{ids.show(made.message_id, 0)}")).text
    assert "[/foo] [link=https://x.example]klik[/link]" in page
    assert "&lt;b&gt;" in page
    assert not {"\x1b", "\x07", "\u202e"} & set(page)


async def test_an_id_without_its_number_is_the_last_copy(client: httpx.AsyncClient) -> None:
    page = await client.get(f"/inbox/{INVITATION.partition('.')[0].lower()}")
    assert "Undangan Pembuktian Kualifikasi" in page.text


async def test_the_source(site: Site, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/inbox/{CANCELLED}/raw")
    assert answer.content == site.shelf.letters[ids.read(CANCELLED)[0]]
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-disposition"].startswith('attachment; filename="')


async def test_an_attachment(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/inbox/{CANCELLED}/lampiran/1")
    assert answer.content == b"%PDF-1.4\n"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Surat Pembatalan _ Paket.pdf"; '
        "filename*=UTF-8''Surat%20Pembatalan%20%E2%80%93%20Paket.pdf"
    )
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_the_letters_content(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/inbox/{CANCELLED}/isi")
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "img-src data:" in policy
    assert "gambar dari luar server tidak ditampilkan" in answer.text
    assert "tracker.example.net" not in answer.text
    assert "tidak ada peserta yang memasukkan dokumen penawaran." in answer.text
    assert "Pengirim:" not in answer.text
    printed = (await client.get(f"/inbox/{CANCELLED}/isi?cetak")).text
    assert "Pengirim: &#34;LPSE Provinsi Contoh&#34;" in printed


@pytest.mark.parametrize("page", ["", "/isi", "/isi?cetak", "/lampiran/1"])
async def test_half_a_letter_of_utf_7_breaks_no_page(page: str) -> None:
    shelf, made = Shelf(), row("x")
    half = b"+2AA-"  # the first half of a surrogate pair
    letter = b"From: =?utf-7?q?%b?= <a@x.id>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    letter += b"--b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nisi %b\r\n"
    letter += b"--b\r\nContent-Type: x/y; name*=utf-7''%b\r\n\r\n\r\n--b--\r\n"
    shelf.add(Mailbox(1, LINK_ID, "x"), made, letter % (half, half, half))
    site = site_of(shelf)
    async with site.client() as client:
        await enter(client, site.link())
        answer = await client.get(f"/inbox/{ids.show(made.message_id, 0)}{page}")
    assert answer.status_code == 200


async def test_a_letter_that_cannot_be_taken_apart_shows_its_source(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(octets: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr(reading, "read", broken)
    page = (await client.get(f"/inbox/{CANCELLED}")).text
    assert "Surat ini tidak dapat diuraikan" in page
    assert "boundary=&#34;luar&#34;" in (await client.get(f"/inbox/{CANCELLED}/isi")).text
