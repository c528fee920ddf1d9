"""The pages in a real browser: nothing runs, nothing calls home, and a thumb can use them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from relay.mail import ids
from relay.mail.instant import MINUTE
from relay.observe.serving import bound
from relay.store.base import Mailbox
from tests.peers.browser import executable
from tests.web.hostile import HOSTILE
from tests.web.shelf import LINK_ID, NOW, Shelf, row
from tests.web.site import Site, serving

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("RELAY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [] if CHROMIUM else [pytest.mark.peer("browser")]  # this machine's, or the peer


@asynccontextmanager
async def _browser(**options: Any) -> AsyncIterator[Any]:
    """A page of a new browser; what a script writes to the console comes with it."""
    with tempfile.TemporaryDirectory() as folder:
        async with _page(CHROMIUM or executable(Path(folder)), options) as page:
            yield page


@asynccontextmanager
async def _page(program: str | Path, options: dict[str, Any]) -> AsyncIterator[Any]:
    async with async_playwright() as tool:
        browser = await tool.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        context = await browser.new_context(locale="id-ID", **options)
        yield await context.new_page()
        await browser.close()


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}


@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
async def test_a_vendor_reads_a_letter(screen: dict[str, Any]) -> None:
    async with serving() as site, _browser(java_script_enabled=False, **screen) as page:
        await page.goto(site.link())
        await page.get_by_role("button", name="Buka Kotak Masuk").click()
        await page.wait_for_url(f"{site.base}/inbox")
        await _fits(page)
        await page.get_by_role("link", name="Undangan Pembuktian Kualifikasi").click()
        await page.wait_for_url("**/inbox/*.0")
        await _fits(page)
        await page.get_by_role("alert").wait_for()
        frame = page.frame_locator("iframe.isi")
        await frame.get_by_text("Dengan ini kami mengundang").wait_for()
        await page.get_by_text("Rincian teknis").click()
        await page.get_by_text("over quota").wait_for()
        await page.get_by_role("link", name="Tutup").click()
        await page.wait_for_url(f"{site.base}/inbox")
        await page.get_by_role("searchbox").fill("pembatalan")
        await page.get_by_role("button", name="Cari").click()
        await page.wait_for_url("**/inbox?cari=pembatalan")
        await page.locator(".daftar li a").first.click()
        async with page.expect_download() as saving:
            await page.get_by_role("link", name="Surat Pembatalan").click()
        saved = Path(await (await saving.value).path())
        assert saved.read_bytes() == b"%PDF-1.4\n"
        async with page.expect_download() as saving:
            await page.get_by_role("link", name="Unduh").click()
        assert (await saving.value).suggested_filename.endswith(".eml")
        await page.get_by_role("button", name="Keluar").click()
        await page.get_by_text("sudah keluar").wait_for()
        answer = await page.goto(f"{site.base}/inbox")
        assert answer.status == 401


async def _fits(page: Any) -> None:
    """Nothing is wider than the screen, and what is pressed is large enough for a thumb."""
    size = page.viewport_size["width"]
    box = await page.locator("main").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size
    for element in await page.locator("button, .tombol, .pilih a, summary, .daftar li").all():
        box = await element.bounding_box()
        if box is not None:
            assert box["height"] >= 44
            assert box["x"] + box["width"] <= size + 1


class Outside:
    """A host that a letter must not reach: it counts who connects."""

    def __init__(self) -> None:
        self.listener = bound("127.0.0.1:0")
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def connections(self) -> int:
        count = 0
        while True:
            try:
                self.listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


def _hostile_shelf(host: str) -> Shelf:
    shelf = Shelf()
    for n, letter in enumerate(HOSTILE):
        html = letter.replace("{outside}", f"http://{host}").replace("{host}", host)
        head = "From: x@example.com\r\nSubject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        shelf.add(
            Mailbox(1, LINK_ID, "x"),
            row(f"<b>{n}</b>", NOW - n * MINUTE, sequence=n),
            f"{head}{html}<p>tetap ada</p>".encode(),
        )
    return shelf


async def _watched(site: Site, page: Any, requested: list[str]) -> None:
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(site.link())
    await page.get_by_role("button", name="Buka Kotak Masuk").click()
    await page.wait_for_url(f"{site.base}/inbox")


async def test_no_hostile_letter_runs_or_calls_home() -> None:
    outside = Outside()
    shelf = _hostile_shelf(outside.host)
    requested: list[str] = []
    async with serving(shelf) as site, _browser() as page:
        await _watched(site, page, requested)
        for n in range(len(HOSTILE)):
            ref = ids.show(shelf.rows[1][n].message_id, 0)
            await page.goto(f"{site.base}/inbox/{ref}", wait_until="load")
            assert await page.title() == f"<b>{n}</b> – LPSE"
            frame = page.frames[1]
            assert frame.url == f"{site.base}/inbox/{ref}/isi"
            assert frame.child_frames == []
        assert len(requested) > len(HOSTILE)
        assert all(url.startswith(site.base) for url in requested)
        assert outside.connections() == 0
        async with page.expect_event("requestfailed"):
            await page.goto(
                f"data:text/html,<img src='http://{outside.host}/'>", wait_until="commit"
            )
    assert outside.connections() > 0  # it would have been seen
    outside.listener.close()


async def test_even_uncleaned_html_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lock: with the cleaner taken away, the sandbox and the policy hold alone."""
    from relay.web import inbox
    from relay.web.clean import Cleaned

    monkeypatch.setattr(inbox, "cleaned", lambda html, images: Cleaned(html, 0))
    outside = Outside()
    shelf = _hostile_shelf(outside.host)
    blocked = ("<meta", "<iframe", "prefetch")  # a frame may turn itself: the cleaner alone stops
    async with serving(shelf) as site, _browser() as page:
        await _watched(site, page, [])
        for n, letter in enumerate(HOSTILE):
            if any(word in letter for word in blocked):
                continue
            ref = ids.show(shelf.rows[1][n].message_id, 0)
            await page.goto(f"{site.base}/inbox/{ref}", wait_until="load")
            frame = page.frames[1]
            assert await frame.title() == f"<b>{n}</b>"
            assert page.url == f"{site.base}/inbox/{ref}"
    assert outside.connections() == 0
    outside.listener.close()
