"""What a name on the command line means: a provider, a key, or a domain by way of DNS."""

from __future__ import annotations

import asyncio

import pytest

from relay.config.shipped import profile_texts
from relay.mail.delivery import Failure, FailureKind, State
from relay.mail.reply import Stage
from relay.service import destinations
from relay.service.commands import Commands
from relay.service.destinations import Directory
from relay.service.explaining import Explainer
from relay.service.reasons import Reasons
from relay.shaping.destination import Destination, Profile
from relay.shaping.profiles import Profiles, parse
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.transports.base import Route
from tests.service.house import GMAIL, House

SITE = Destination("mx1.dinas.example.go.id", Profile("site"))


class Router:
    """Knows one site after it was asked, and Gmail; DNS fails for the rest."""

    def __init__(self) -> None:
        self.cache: dict[str, Route] = {"gmail.com": Route(GMAIL, ())}
        self.asked: list[str] = []
        self.is_stale = False

    def known(self, domain: str) -> Route | None:
        return None if self.is_stale else self.cache.get(domain)

    def last(self, domain: str) -> Route | None:
        return self.cache.get(domain)

    async def route(self, domain: str) -> Route | Failure:
        self.asked.append(domain)
        if domain != "dinas.example.go.id":
            return Failure(FailureKind.DNS, "no such domain", Stage.CONNECT)
        self.cache[domain] = Route(SITE, ())
        return self.cache[domain]


def profiles() -> Profiles:
    return Profiles([parse(text, where) for where, text in profile_texts().items()])


@pytest.fixture
def directory() -> Directory:
    return Directory(Router(), Shaper(PauseSettings(), lambda _: ()), profiles())


async def test_names_that_people_write(directory: Directory) -> None:
    assert await directory.destination("gmail") == "gmail"
    assert await directory.destination("googlemail.com") == "gmail"
    assert await directory.destination("dinas.example.go.id") == SITE.key
    assert await directory.destination("gmial") is None
    assert await directory.destination("not a domain") is None


async def test_a_key_with_a_standing_is_itself(directory: Directory) -> None:
    shaper = Shaper(PauseSettings(), lambda _: ())
    shaper.pause("smtp://127.0.0.1:26", None, "by hand", 0)
    directory = Directory(Router(), shaper, profiles())
    assert await directory.destination("smtp://127.0.0.1:26") == "smtp://127.0.0.1:26"


async def test_labels_and_keys_come_without_dns(directory: Directory) -> None:
    assert directory.provider_of("gmail.com") == directory.key_of("gmail.com") == "gmail"
    assert directory.provider_of("dinas.example.go.id") is None
    await directory.destination("dinas.example.go.id")
    assert directory.provider_of("dinas.example.go.id") == "other"
    assert directory.key_of("dinas.example.go.id") == SITE.key
    directory.use(Router(), profiles())
    assert directory.key_of("dinas.example.go.id") is None


async def test_what_is_not_known_any_more_is_asked_for() -> None:
    router = Router()
    directory = Directory(router, Shaper(PauseSettings(), lambda _: ()), profiles())
    there = ["gmail.com", "dinas.example.go.id", "nowhere.example"]
    await directory.look_up(there)
    assert [directory.key_of(name) for name in there] == ["gmail", SITE.key, None]
    assert router.asked == ["dinas.example.go.id", "nowhere.example"]
    router.is_stale = True  # a profile names gmail.com, yet where it goes is asked
    await directory.look_up_new(there)
    assert router.asked[2:] == ["nowhere.example"]
    await directory.look_up(there)
    assert router.asked[3:] == there


async def test_what_a_letter_waits_for_is_told_for_as_long_as_it_waits() -> None:
    house, router = House(), Router()
    book = profiles()
    directory = Directory(router, house.shaper, book)
    made = Explainer(house.store, house.shaper, directory, house.clock, house.steady)
    words = Reasons(house.shaper, directory, house.steady)
    await house.put("a@gmail.com", "b@dinas.example.go.id")
    commands = Commands(
        house.store,
        house.shaper,
        house.deliveries,
        directory,
        house.clock,
        house.steady,
        house.events.append,
        house.reload,
        house.link,
        {},
        made.why_now,
    )
    for key in (GMAIL.key, SITE.key):
        house.shaper.pause(key, None, "siti", house.clock.at)
    for _ in range(2):
        rows = (await commands.queue_ls({}, "siti"))["deliveries"]
        assert [(row["provider"], row["why"]) for row in rows] == [
            ("gmail", "gmail is paused: siti"),
            ("other", f"{SITE.key} is paused: siti"),
        ]
        shown = await commands.queue_show({"id": rows[1]["id"]}, "siti")
        assert shown["deliveries"][0]["why"] == f"{SITE.key} is paused: siti"
        for domain in ("gmail.com", "dinas.example.go.id"):
            assert words.of(domain, State.READY, 1) == "pause"
        router.is_stale = True  # an hour later


async def test_nobody_waits_long_for_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Router):
        async def route(self, domain: str) -> Route | Failure:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(destinations, "PATIENCE", 0.01)
    directory = Directory(Silent(), Shaper(PauseSettings(), lambda _: ()), profiles())
    await directory.look_up(["dinas.example.go.id"])
    assert directory.key_of("dinas.example.go.id") is None


async def test_a_letter_that_waits_is_counted_after_its_route_was_forgotten() -> None:
    house, shaper = House(), Shaper(PauseSettings(), lambda _: ())
    await house.defer(await house.put("a@dinas.example.go.id"))
    assert [depth.state for depth in await house.store.depths()] == [State.WAITING]
    shaper.pause(SITE.key, None, "siti", house.clock.at)
    made = Commands(
        house.store,
        shaper,
        house.deliveries,
        Directory(Router(), shaper, profiles()),
        house.clock,
        house.steady,
        house.events.append,
        house.reload,
        house.link,
        {},
    )
    (row,) = (await made.providers({}, "siti"))["providers"]
    assert (row["provider"], row["queued"]) == (SITE.key, 1)
    wanted = {"selector": {"provider": SITE.key}}
    assert (await made.queue_ls(wanted, "siti"))["total"] == 1


async def test_a_domain_that_dns_does_not_tell_is_no_unknown_name(directory: Directory) -> None:
    with pytest.raises(LookupError, match=r"nowhere\.example: where its mail .*no such domain"):
        await directory.destination("nowhere.example")
    assert "gmail" in directory.names()
