"""Playwright drives the browser in its root and sees a page of a loopback server."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Route, async_playwright

from tests.peers.browser import executable


@pytest.mark.peer("browser")
async def test_playwright_sees_a_page(tmp_path: Path) -> None:
    async def answer(route: Route) -> None:
        await route.fulfill(body="<title>Kotak Masuk</title><h1>Tutup</h1>")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(tmp_path))
        try:
            page = await browser.new_page()
            await page.route("**/*", answer)
            await page.goto("http://127.0.0.1:1/inbox")
            assert await page.title() == "Kotak Masuk"
            picture = await page.screenshot()
            assert picture.startswith(b"\x89PNG")
        finally:
            await browser.close()
