"""*Kirim ulang*: own failed letters only, by a form of ours, as often as the store allows."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from relay.mail import ids
from relay.mail.delivery import State
from relay.mail.instant import DAY, HOUR, MINUTE, iso
from relay.mail.strike import Resent
from relay.store.base import Mailbox
from relay.suppression import ResendSettings
from relay.web.app import inbox_app
from relay.web.links import Scope, make
from relay.web.resending import SAID, offer
from relay.web.settings import InboxSettings, WebSettings
from tests.web.refs import RIVALS
from tests.web.shelf import (
    ADDRESS,
    KEY,
    LINK_ID,
    NOW,
    HandClock,
    message_id,
    notice_shelf,
    row,
    text_letter,
    waiting,
)
from tests.web.shelf import Shelf as Letters
from tests.web.site import Site, enter, site_of

BUTTON = ">Kirim ulang</button>"
BOUNCED = ids.show(message_id(NOW - 5 * MINUTE - HOUR, 1), 0)
DELIVERED = ids.show(message_id(NOW - 5 * MINUTE), 0)
OURS = {"Origin": "http://inbox", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("answer", SAID)
async def test_the_button_asks_the_store_and_the_letter_says_what_came_of_it(
    site: Site, client: httpx.AsyncClient, answer: Resent
) -> None:
    assert BUTTON in (await client.get(f"/inbox/{BOUNCED}")).text
    site.shelf.resends = answer
    went = await client.post(f"/inbox/{BOUNCED}/kirim-ulang", headers=OURS)
    assert (went.status_code, went.headers["location"]) == (303, f"/inbox/{BOUNCED}?ulang={answer}")
    ref = (message_id(NOW - 5 * MINUTE - HOUR, 1), 0)
    assert site.shelf.resent == [(ADDRESS, ref, 3, DAY, "mailbox 1")]
    assert SAID[answer] in (await client.get(went.headers["location"])).text


async def test_under_the_button_stands_what_it_does(client: httpx.AsyncClient) -> None:
    said = (
        "Email ini akan dicoba dikirim lagi ke alamat yang sama, "
        "paling banyak 3 kali sehari untuk satu alamat."
    )
    page = (await client.get(f"/inbox/{BOUNCED}")).text
    assert page.count(said) == 1
    assert page.index(BUTTON) < page.index(said)
    assert "dicoba dikirim lagi" not in (await client.get(f"/inbox/{DELIVERED}")).text


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (timedelta(days=1), "5 kali sehari untuk"),
        (timedelta(days=7), "5 kali dalam 7 hari untuk"),
        (timedelta(hours=12), "5 kali dalam 12 jam untuk"),
        (timedelta(minutes=90), "5 kali dalam 90 menit untuk"),
        (timedelta(seconds=5), "5 kali dalam 5 detik untuk"),
    ],
)
def test_how_often_is_the_settings_own(within: timedelta, words: str) -> None:
    assert words in offer(ResendSettings(most=5, within=within))


async def test_other_words_in_the_address_say_nothing(client: httpx.AsyncClient) -> None:
    page = (await client.get(f"/inbox/{BOUNCED}?ulang=<b>")).text
    assert 'role="status"' not in page


async def test_only_failed_letters_have_the_button(client: httpx.AsyncClient, site: Site) -> None:
    assert BUTTON not in (await client.get(f"/inbox/{DELIVERED}")).text
    went = await client.post(f"/inbox/{DELIVERED}/kirim-ulang", headers=OURS)
    assert went.headers["location"].endswith("?ulang=over")
    assert site.shelf.resent == []


async def test_nobody_elses_letter(client: httpx.AsyncClient, site: Site) -> None:
    assert (await client.post(f"/inbox/{RIVALS}/kirim-ulang", headers=OURS)).status_code == 404
    assert (await client.get(f"/inbox/{BOUNCED}/kirim-ulang")).status_code == 404
    async with site.client() as stranger:
        went = await stranger.post(f"/inbox/{BOUNCED}/kirim-ulang", headers=OURS)
    assert went.status_code == 401
    assert site.shelf.resent == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_form_of_another_site_does_nothing(
    client: httpx.AsyncClient, site: Site, headers: dict[str, str]
) -> None:
    went = await client.post(f"/inbox/{BOUNCED}/kirim-ulang", headers=headers)
    assert (went.status_code, went.headers["location"]) == (303, f"/inbox/{BOUNCED}")
    assert site.shelf.resent == []


async def test_it_can_be_switched_off() -> None:
    shelf = notice_shelf()
    off = lambda: ResendSettings(most=0)  # noqa: E731
    app = inbox_app(shelf, WebSettings(), InboxSettings(), HandClock(), [KEY], None, off)
    async with Site("http://inbox", shelf, HandClock(), app).client() as client:
        await enter(client, site_of(shelf).link())
        assert BUTTON not in (await client.get(f"/inbox/{BOUNCED}")).text
        await client.post(f"/inbox/{BOUNCED}/kirim-ulang", headers=OURS)
        assert shelf.resent == []


async def test_what_was_not_tried_says_since_when_the_address_is_bad() -> None:
    shelf = Letters()
    made = row("x", state=State.SUPPRESSED)
    shelf.add(Mailbox(1, LINK_ID, "x"), made, text_letter("x", "x"))
    why = f"not tried: unknown_user since {iso(NOW - 30 * DAY)} (google.no-such-user)"
    shelf.queue[made.message_id, 0] = waiting(made, 0, NOW, why)
    app = inbox_app(shelf, WebSettings(), InboxSettings(), HandClock(), [KEY])
    session = make([KEY], LINK_ID, Scope.SESSION, NOW + HOUR, b"j" * 16)
    cookies = {"lpse_inbox": session}
    async with Site("http://inbox", shelf, HandClock(), app).client(cookies=cookies) as client:
        page = (await client.get(f"/inbox/{ids.show(made.message_id, 0)}")).text
    assert "Tidak dikirim" in page
    assert "sejak 4 Sep 2011" in page
    assert BUTTON in page
