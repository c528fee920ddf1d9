"""An inbox behind a real socket, with a link to it; for httpx and for a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx

from relay.observe.serving import Serving
from relay.web.app import inbox_app
from relay.web.inbox import Shelf as ShelfProtocol
from relay.web.links import Linker
from relay.web.settings import InboxSettings, WebSettings
from tests.web.shelf import KEY, LINK_ID, HandClock, Shelf, notice_shelf

LIFE = 15 * 60 * 1000


@dataclass
class Site:
    """What a test needs of the running pages."""

    base: str
    shelf: Shelf
    clock: HandClock

    def link(self, link_id: bytes = LINK_ID) -> str:
        return Linker([KEY], self.base, LIFE).link(link_id, self.clock.now())[0]


@asynccontextmanager
async def serving(shelf: Shelf | None = None, path: str = "") -> AsyncIterator[Site]:
    """`path`: the prefix under which a proxy would show the pages."""
    shelf = shelf or notice_shelf()
    clock = HandClock()
    asked: ShelfProtocol = shelf
    inbox = InboxSettings(contact="lpse@lpse.example.go.id")
    web = WebSettings(session_life=timedelta(hours=8))
    if path:
        web = WebSettings(base_url=f"https://lpse.example.go.id{path}")
    server = Serving(inbox_app(asked, web, inbox, clock, [KEY]), "web")
    port = await server.start("127.0.0.1:0")
    try:
        yield Site(f"http://127.0.0.1:{port}{path}", shelf, clock)
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
