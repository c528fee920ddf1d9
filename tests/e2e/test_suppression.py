"""The suppression list of the installed program: what a dead address costs, and how it is freed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from relay.lab import models
from relay.lab.internet import GOVERNMENT, YAHOO, House
from relay.mail.delivery import State
from tests.e2e.site import FAST, Site, inbox, site
from tests.e2e.test_explain import run

GONE = "gone@yahoo.com"
DEAD = "mati@dinas.example.go.id"
APART = FAST + "suppression: {unknown_user: {apart: 1s, life: 1d, together: 1d}}\n"


def around() -> list[House]:
    """A provider whose words are documented, and a host that only says the same."""
    return [
        House(YAHOO, "127.0.1.3", models.Yahoo(frozenset({GONE})), ("yahoo.com",)),
        House(GOVERNMENT, "127.0.1.5", models.Yahoo(frozenset({DEAD})), ("dinas.example.go.id",)),
        House("mx.lpse.example.go.id", "127.0.1.6", models.Yahoo(), ("lpse.example.go.id",)),
    ]


def letter(to: str, urgency: str) -> bytes:
    return (
        f"From: LPSE <lpse@lpse.example.go.id>\r\nTo: {to}\r\nX-LPSE-Class: {urgency}\r\n"
        "Subject: Uji\r\n\r\nKepada Yth.\r\n"
    ).encode()


async def sent(world: Site, to: str, urgency: str = "massal") -> State:
    """What became of one letter."""
    before = len(await inbox(world.folder, to))
    await world.send(to, content=letter(to, urgency))
    await world.settled()
    rows = await inbox(world.folder, to)
    assert len(rows) == before + 1  # the copy is there, whatever became of it
    return State(rows[0].state)


async def sent_again(world: Site, to: str, id: str) -> None:
    """A vendor asks in his inbox for a letter that was not sent."""
    link = await world.relay.call("inbox.link", address=to)
    async with httpx.AsyncClient(follow_redirects=True) as client:
        url = httpx.URL(link["url"])
        origin = {"Origin": f"http://{url.netloc.decode()}"}
        token = {"t": url.params["t"]}
        await client.post(url.copy_with(query=None), data=token, headers=origin)
        at = url.copy_with(path=f"/inbox/{id}", query=None)
        assert "Tidak dikirim" in (await client.get(at)).text
        page = (await client.post(f"{at}/kirim-ulang", headers=origin)).text
        assert "Email ini akan dikirim ulang" in page
        await world.settled()


async def test_a_dead_address_by_documented_words(tmp_path: Path) -> None:
    async with site(tmp_path, around=around()) as world:
        assert await sent(world, GONE) is State.BOUNCED
        assert await sent(world, GONE) is State.SUPPRESSED
        (told,) = await world.logged("suppressed")
        assert (told["recipient"], told["provider"]) == (GONE, "yahoo")
        assert told["rule"].startswith("yahoo.")
        assert told["why"].startswith("not tried: unknown_user since ")
        shown = (await world.relay.call("queue.show", id=told["id"]))["deliveries"]
        assert (shown[told["n"]]["state"], shown[told["n"]]["attempts"]) == ("suppressed", [])
        await world.measured('lpse_deliveries_total{outcome="suppressed",provider="yahoo"} 1.0')
        for urgency in ("kritis", "mendesak"):
            assert await sent(world, GONE, urgency) is State.BOUNCED

        code, said = await run(world, "suppression", "show", GONE)
        assert code == 0, said
        assert "massal     not tried: unknown_user since" in said
        assert "perhaps gone@yahoo.co.id was meant" in said
        code, said = await run(world, "explain", GONE)
        assert (code, "not tried: unknown_user since" in said) == (0, True)
        code, said = await run(world, "queue", "show", told["id"])
        assert (code, "perhaps   gone@yahoo.co.id was meant" in said) == (0, True)

        await sent_again(world, GONE, told["id"])

        def tried() -> list[Any]:
            return [event for event in world.events("attempted") if event["id"] == told["id"]]

        await world.until(tried, "it is tried once more")
        assert [(one["recipient"], one["rule"]) for one in tried()] == [(GONE, told["rule"])]

        code, said = await run(world, "suppression", "rm", GONE, "--why", "alamat diperbaiki")
        assert (code, said) == (0, "1 taken off the list\n")
        assert await sent(world, GONE) is State.BOUNCED


async def test_a_dead_address_by_two_letters_some_time_apart(tmp_path: Path) -> None:
    async with site(tmp_path, extra=APART, around=around()) as world:
        assert await sent(world, DEAD) is State.BOUNCED
        await asyncio.sleep(1.01)  # from its end in writing on
        assert await sent(world, DEAD) is State.BOUNCED
        assert await sent(world, DEAD) is State.SUPPRESSED
        await world.relay.stop()
        await world.restart()
        assert await sent(world, DEAD) is State.SUPPRESSED
        assert await sent(world, DEAD, "kritis") is State.BOUNCED
        code, said = await run(world, "suppression", "ls", "--json")
        (one,) = json.loads(said)
        assert (code, one["address"], one["count"]) == (0, DEAD, 3)
