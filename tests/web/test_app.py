"""All pages: none without a session, none of another mailbox, and a fault is a page too."""

from __future__ import annotations

import re

import httpx
import pytest

from relay.mail.instant import HOUR
from relay.store.base import StoreError
from relay.web.app import COOKIE, inbox_app
from relay.web.links import Scope, make
from relay.web.settings import InboxSettings, WebSettings
from tests.web.refs import CANCELLED, INVITATION, RIVALS
from tests.web.shelf import KEY, LINK_ID, NOW, OTHER_LINK_ID, HandClock, Shelf
from tests.web.site import TOO_OLD, Site, enter, site_of

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


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        inbox_app(Shelf(), WebSettings(), InboxSettings(), HandClock(), [b"short"])
