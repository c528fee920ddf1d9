"""From a link to a session and out again: once, for a while, and by no other site's form."""

from __future__ import annotations

import httpx
import pytest

from relay.mail.instant import HOUR, MINUTE
from tests.web.shelf import OTHER_LINK_ID
from tests.web.site import TOO_OLD, Site, enter, site_of


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


@pytest.mark.parametrize(
    "fields", [{"t": "x" * 100_000}, {f"f{n}": "x" for n in range(21)}], ids=["long", "many"]
)
async def test_a_form_without_end_is_not_read(site: Site, fields: dict[str, str]) -> None:
    async with site.client() as client:
        answer = await client.post(f"{site.base}/masuk", data=fields)
    assert answer.status_code == 401


@pytest.mark.parametrize("host", ["[", "[::1", "inbox]"])
async def test_a_form_to_a_host_that_is_none_is_refused(site: Site, host: str) -> None:
    headers = {"Host": host, "Origin": "http://inbox"}
    async with site.client() as client:
        answer = await client.post(f"{site.base}/masuk", data={"t": "x"}, headers=headers)
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


async def test_a_mailbox_that_is_gone(site: Site) -> None:
    link = site.link()
    site.shelf.mailboxes.clear()
    async with site.client() as client:
        assert (await enter(client, link)).status_code == 401
