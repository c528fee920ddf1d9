"""An inbox behind a real socket, with a link to it; for httpx and for a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from starlette.applications import Starlette

from relay.observe.serving import Serving
from relay.web.app import inbox_app
from relay.web.inbox import Shelf as ShelfProtocol
from relay.web.links import Linker
from relay.web.settings import InboxSettings, WebSettings
from tests.web.shelf import KEY, LINK_ID, HandClock, Shelf, notice_shelf

LIFE = 15 * 60 * 1000
TOO_OLD = "Silakan minta tautan baru kepada Helpdesk LPSE"  # the 401 page


@dataclass
class Site:
    """What a test needs of the running pages."""

    base: str
    shelf: Shelf
    clock: HandClock
    app: Starlette

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A client of the application itself, without a socket between."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=self.base, **options)

    def link(self, link_id: bytes = LINK_ID) -> str:
        return Linker([KEY], self.base, LIFE).link(link_id, self.clock.now())[0]


def site_of(shelf: Shelf | None = None, path: str = "") -> Site:
    """`path`: the prefix under which a proxy would show the pages."""
    shelf = shelf or notice_shelf()
    clock = HandClock()
    asked: ShelfProtocol = shelf
    inbox = InboxSettings(contact="lpse@lpse.example.go.id")
    web = WebSettings(session_life=timedelta(hours=8))
    if path:
        web = WebSettings(base_url=f"https://lpse.example.go.id{path}")
    return Site(f"http://inbox{path}", shelf, clock, inbox_app(asked, web, inbox, clock, [KEY]))


@asynccontextmanager
async def serving(shelf: Shelf | None = None) -> AsyncIterator[Site]:
    """The pages behind a real socket, for a browser."""
    site = site_of(shelf)
    server = Serving(site.app, "web")
    site.base = f"http://127.0.0.1:{await server.start('127.0.0.1:0')}"
    try:
        yield site
    finally:
        await server.stop()


async def enter(client: httpx.AsyncClient, link: str) -> httpx.Response:
    """What a vendor's browser does with a link: look, press the button."""
    url = httpx.URL(link)
    shown = await client.get(url)
    assert shown.status_code == 200, shown.text
    origin = f"{url.scheme}://{url.netloc.decode()}"
    return await client.post(
        url.copy_with(query=None),
        data={"t": url.params["t"]},
        headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"},
    )
