"""The pages over the real stores: what the door put is what the vendor reads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.mail import ids
from relay.mail.instant import MINUTE
from relay.store import sqlite
from relay.store.base import Store
from relay.store.memory import MemoryStore
from relay.web.app import inbox_app
from relay.web.links import Linker
from relay.web.settings import InboxSettings, WebSettings
from tests.store.letters import Post, SteppingClock
from tests.web.shelf import KEY
from tests.web.site import Site, enter

VENDOR = "vendor@example.co.id"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = await sqlite.open(tmp_path, SteppingClock())
    yield opened
    await opened.close()


async def test_a_letter_from_the_door_to_the_page(store: Store) -> None:
    post = Post()
    entries = [post.entry((VENDOR,), subject=f"Surat {n}.") for n in range(30)]
    twice = post.entry((VENDOR, "rival@example.com", VENDOR), subject="Dua kali")
    await store.put(*entries, twice)
    mailbox = await store.mailbox(VENDOR)
    assert mailbox is not None
    clock = SteppingClock()
    app = inbox_app(store, WebSettings(), InboxSettings(), clock, [KEY])
    url, _ = Linker([KEY], "http://inbox", MINUTE).link(mailbox.link_id, clock.now())
    async with Site("http://inbox", None, clock, app).client() as client:  # type: ignore[arg-type]
        assert (await enter(client, url)).status_code == 303
        page = (await client.get("/inbox")).text
        assert "Pesan 1–25 dari 32" in page
        assert page.count("</span>Dua kali</a>") == 2
        page = (await client.get("/inbox?hal=2")).text
        assert re.findall(r"Surat (\d+)\.", page) == [str(n) for n in range(6, -1, -1)]
        ref = ids.show(twice.message.id)
        assert (await client.get(f"/inbox/{ref}.2")).status_code == 404  # the rival's copy
        for path in (f"/inbox/{ref}", f"/inbox/{ref}.1", f"/inbox/{ref}.3"):
            letter = await client.get(path)
            assert letter.status_code == 200
            assert "Dalam antrean" in letter.text
        raw = await client.get(f"/inbox/{ref}/raw")
        assert raw.content.endswith(b"\r\n\r\nYth. Penyedia\r\n")
        assert "Yth. Penyedia" in (await client.get(f"/inbox/{ref}/isi")).text
        assert "Pesan 1–25 dari 30" in (await client.get("/inbox?tampil=belum")).text
    row = await store.inbox_row(mailbox.id, twice.message.id, 1)
    assert row is not None
    assert row.read_at is not None
