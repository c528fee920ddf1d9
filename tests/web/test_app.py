from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from relay.mail import ids
from relay.mail.classification import Category
from relay.mail.delivery import Failure, FailureKind, State
from relay.mail.instant import HOUR, MINUTE
from relay.store.base import Mailbox, StoreError
from relay.web import reading
from relay.web.app import COOKIE, inbox_app
from relay.web.guard import problems
from relay.web.links import Scope, make
from relay.web.settings import InboxSettings, WebSettings
from tests.web.shelf import (
    KEY,
    LINK_ID,
    NOW,
    OTHER_LINK_ID,
    HandClock,
    Shelf,
    attempt,
    message_id,
    notice_shelf,
    row,
    text_letter,
    waiting,
)
from tests.web.site import Site, enter, site_of

NO_DOMAIN = Failure(FailureKind.NXDOMAIN, "no such domain: gmial.com")
TOO_OLD = "Silakan minta tautan baru kepada Helpdesk LPSE"
INVITATION = ids.show(message_id(NOW - MINUTE), 0)
CANCELLED = ids.show(message_id(NOW - 5 * MINUTE), 0)
RIVALS = ids.show(message_id(NOW - 24 * HOUR, 99), 0)


@pytest.fixture
def site() -> Site:
    return site_of()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A vendor with a session."""
    async with site.client() as made:
        answer = await enter(made, site.link())
        assert answer.status_code == 303
        yield made


PAGES = [
    "/inbox",
    f"/inbox/{INVITATION}",
    f"/inbox/{CANCELLED}/raw",
    f"/inbox/{CANCELLED}/isi",
    f"/inbox/{CANCELLED}/lampiran/1",
]


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_without_a_session(site: Site, path: str) -> None:
    forged = make([b"x" * 32], LINK_ID, Scope.SESSION, NOW + HOUR, b"j" * 16)
    a_link = make([KEY], LINK_ID, Scope.LINK, NOW + HOUR, b"j" * 16)
    for cookie in (None, "rubbish", forged, a_link):
        cookies = {COOKIE: cookie} if cookie else {}
        async with site.client(cookies=cookies) as stranger:
            answer = await stranger.get(path)
        assert answer.status_code == 401
        assert TOO_OLD in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_with_a_session(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


async def test_looking_at_a_link_does_not_burn_it(site: Site) -> None:
    link = site.link()
    async with site.client() as scanner:
        for _ in range(3):
            answer = await scanner.get(link)
            assert "Buka Kotak Masuk" in answer.text
            assert "set-cookie" not in answer.headers
        await scanner.head(link)
    assert not site.shelf.used
    async with site.client() as vendor:
        assert (await enter(vendor, link)).status_code == 303
    assert site.shelf.audited[0][1:] == ("inbox.open", "mailbox 1")


async def test_a_link_is_good_once(site: Site) -> None:
    link = site.link()
    async with site.client() as first:
        assert (await enter(first, link)).headers["location"] == "/inbox"
    url = httpx.URL(link)
    async with site.client() as second:
        for answer in (await second.get(link), await second.post("/masuk", data=dict(url.params))):
            assert answer.status_code == 401
            assert TOO_OLD in answer.text
            assert "mailto:lpse@lpse.example.go.id" in answer.text.split("<footer")[0]
            assert "<button" not in answer.text
            assert "aplikasi LPSE" not in answer.text
            assert "set-cookie" not in answer.headers


async def test_a_link_that_was_used_before_a_restart_is_refused_when_it_is_pressed(
    site: Site,
) -> None:
    link = site.link()
    async with site.client() as first:
        await enter(first, link)
    again = site_of(site.shelf)
    async with again.client() as second:
        assert (await enter(second, link)).status_code == 401
        assert (await second.get(link)).status_code == 401


async def test_who_leaves_is_told_how_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/keluar")
    assert "silakan minta tautan baru kepada Helpdesk LPSE" in answer.text
    assert "aplikasi LPSE" not in answer.text


@pytest.mark.parametrize("later", [0, HOUR], ids=["used", "used and old"])
async def test_a_used_link_leads_back_in_who_is_in_already(site: Site, later: int) -> None:
    link = site.link()
    url = httpx.URL(link)
    form = {"t": url.params["t"]}
    async with site.client() as client, site.client() as rival:
        await enter(client, link)
        await enter(rival, site.link(OTHER_LINK_ID))
        site.clock.at += later
        for answer in (await client.get(link), await client.post("/masuk", data=form)):
            assert (answer.status_code, answer.headers.get("location")) == (303, "/inbox")
            assert "set-cookie" not in answer.headers
        assert (await rival.get(link)).status_code == 401
        assert (await rival.post("/masuk", data=form)).status_code == 401
        await client.post("/keluar")
        assert (await client.post("/masuk", data=form)).status_code == 401
    assert [what for _, what, _ in site.shelf.audited] == ["inbox.open"] * 2


async def test_a_link_is_good_for_a_while(site: Site) -> None:
    link = site.link()
    site.clock.at += 15 * MINUTE
    async with site.client() as client:
        assert (await client.get(link)).status_code == 401
        assert (await client.get(f"{site.base}/masuk")).status_code == 401
        url = httpx.URL(link)
        answer = await client.post(url.copy_with(query=None), data={"t": url.params["t"]})
        assert answer.status_code == 401
    assert not site.shelf.used


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/masuk", "/keluar"])
async def test_another_sites_form_is_refused(
    site: Site, path: str, headers: dict[str, str]
) -> None:
    url = httpx.URL(site.link())
    async with site.client() as client:
        answer = await client.post(
            f"{site.base}{path}", data={"t": url.params["t"]}, headers=headers
        )
    assert answer.status_code == 401
    assert not site.shelf.used


async def test_a_form_without_end_is_not_read(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post(f"{site.base}/masuk", data={"t": "x" * 100_000})
    assert answer.status_code == 401


async def test_the_session_cookie(site: Site) -> None:
    async with site.client() as client:
        cookie = (await enter(client, site.link())).headers["set-cookie"].lower()
    for word in ("httponly", "samesite=lax", "path=/", "max-age=28800"):
        assert word in cookie
    assert "secure" not in cookie


async def test_a_session_ends(site: Site, client: httpx.AsyncClient) -> None:
    site.clock.at += 8 * HOUR
    assert (await client.get("/inbox")).status_code == 401


async def test_leaving(client: httpx.AsyncClient) -> None:
    answer = await client.post("/keluar")
    assert "sudah keluar" in answer.text
    assert (await client.get("/inbox")).status_code == 401


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


@pytest.mark.parametrize(
    "path",
    [
        f"/inbox/{RIVALS}",
        f"/inbox/{RIVALS.partition('.')[0]}",
        f"/inbox/{RIVALS}/raw",
        f"/inbox/{RIVALS}/isi",
        f"/inbox/{RIVALS}/lampiran/1",
        f"/inbox/{INVITATION}1",
        "/inbox/xxx",
        f"/inbox/{CANCELLED}/lampiran/0",
        f"/inbox/{CANCELLED}/lampiran/2",
        "/nowhere",
        "/static/../app.py",
        "/static/nothing.css",
    ],
)
async def test_what_is_not_in_this_mailbox_is_not_here(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "rahasia" not in answer.text


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


async def test_a_letter_that_cannot_be_taken_apart_shows_its_source(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(octets: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr(reading, "read", broken)
    page = (await client.get(f"/inbox/{CANCELLED}")).text
    assert "Surat ini tidak dapat diuraikan" in page
    assert "boundary=&#34;luar&#34;" in (await client.get(f"/inbox/{CANCELLED}/isi")).text


async def test_a_store_that_fails_is_no_secret_to_the_log(
    site: Site,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: object) -> None:
        raise StoreError("disk gone")

    monkeypatch.setattr(site.shelf, "inbox_count", broken)
    answer = await client.get("/inbox")
    assert answer.status_code == 503
    assert "Maaf, terjadi gangguan" in answer.text
    assert "disk gone" not in answer.text
    assert "disk gone" in caplog.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_bug_is_a_page_too(
    site: Site, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(site.shelf, "page", broken)
    answer = await client.get("/inbox")
    assert answer.status_code == 500
    assert "Maaf, terjadi gangguan" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_static_files_are_kept_by_the_browser(client: httpx.AsyncClient) -> None:
    page = (await client.get("/inbox")).text
    found = re.findall(r"/static/[\w.]+\?v=\w+", page)
    assert len(found) == 2
    for path in found:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("is_stripped", [True, False])
async def test_under_a_path_of_the_applications_site(is_stripped: bool) -> None:
    """A proxy shows the pages under /kotak, and leaves the prefix on, or takes it off."""
    site = site_of(path="/kotak")
    own = site.base.removesuffix("/kotak") if is_stripped else site.base
    token = httpx.URL(site.link()).params["t"]
    async with site.client() as client:
        shown = await client.get(f"{own}/masuk", params={"t": token})
        assert 'action="/kotak/masuk"' in shown.text
        answer = await client.post(
            f"{own}/masuk", data={"t": token}, headers={"Origin": "https://lpse.example.go.id"}
        )
        assert answer.headers["location"] == "/kotak/inbox"
        cookie = answer.headers["set-cookie"]
        assert "Path=/kotak/" in cookie
        assert "Secure" in cookie
        session = cookie.partition(";")[0]
        page = await client.get(f"{own}/inbox", headers={"Cookie": session})
        assert 'href="/kotak/inbox/' in page.text
        letter = f"/inbox/{CANCELLED}"
        shown = await client.get(f"{own}{letter}", headers={"Cookie": session})
        led_to = re.findall(r'(?:href|src|action)="(/[^"?]*)', shown.text)
        assert {f"/kotak{letter}/isi", f"/kotak{letter}/raw", f"/kotak{letter}/lampiran/1"} <= (
            set(led_to)
        )
        for path in led_to:
            assert path.startswith("/kotak/")
            if path != "/kotak/keluar":  # a form's
                found = f"{own}{path.removeprefix('/kotak')}"
                answer = await client.get(found, headers={"Cookie": session})
                assert answer.status_code == 200
        assert "strict-transport-security" in page.headers


async def test_a_mailbox_sees_only_itself(site: Site) -> None:
    async with site.client() as rival:
        await enter(rival, site.link(OTHER_LINK_ID))
        page = (await rival.get("/inbox")).text
        assert "Surat untuk perusahaan lain" in page
        assert "Undangan" not in page
        assert (await rival.get(f"/inbox/{INVITATION}")).status_code == 404


async def test_a_mailbox_that_is_gone(site: Site) -> None:
    link = site.link()
    site.shelf.mailboxes.clear()
    async with site.client() as client:
        assert (await enter(client, link)).status_code == 401


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


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        inbox_app(Shelf(), WebSettings(), InboxSettings(), HandClock(), [b"short"])


async def test_a_subject_without_words() -> None:
    shelf = Shelf()
    shelf.add(Mailbox(1, LINK_ID, "x"), row(""), text_letter("", ""))
    app = inbox_app(shelf, WebSettings(), InboxSettings(), HandClock(), [KEY])
    session = make([KEY], LINK_ID, Scope.SESSION, NOW + HOUR, b"j" * 16)
    client = Site("http://inbox", shelf, HandClock(), app).client(cookies={COOKIE: session})
    assert "(tanpa judul)" in (await client.get("/inbox")).text
    assert "(tanpa judul)" in (await client.get(f"/inbox/{ids.show(message_id(NOW))}")).text


@pytest.mark.parametrize(
    ("listen", "base_url", "keys"),
    [
        ("127.0.0.1:8025", None, []),
        ("[::1]:8025", None, []),
        ("localhost:8025", None, []),
        ("127.0.0.1:8025", "http://127.0.0.1:8025", []),
        ("0.0.0.0:8025", "https://lpse.example.go.id/kotak", []),
        ("0.0.0.0:8025", None, ["base_url"]),
        ("192.0.2.1:8025", "http://lpse.example.go.id", ["base_url"]),
        ("[::]:8025", None, ["base_url"]),
        ("8025", None, ["listen"]),
        ("127.0.0.1:8025", "lpse.example.go.id", ["base_url"]),
        ("127.0.0.1:8025", "ftp://lpse.example.go.id", ["base_url"]),
        ("127.0.0.1:8025", "https://lpse.example.go.id/?x=1", ["base_url"]),
    ],
)
def test_a_bind_beyond_loopback_needs_https(
    listen: str, base_url: str | None, keys: list[str]
) -> None:
    found = problems(WebSettings(listen=listen, base_url=base_url))
    assert [key for key, _ in found] == keys


def test_settings_have_their_defaults() -> None:
    assert WebSettings().link_life == timedelta(minutes=15)
