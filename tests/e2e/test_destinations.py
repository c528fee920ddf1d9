"""Real servers take the letters: Postfix as a vendor's own MX, smtp-sink as a smart host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.site import FAST, SENDER, Site, inbox, site
from tests.peers.certificates import self_signed
from tests.peers.mail_dkim import verify
from tests.peers.ports import free_port
from tests.peers.postfix import Postfix
from tests.peers.sink import SmtpSink

pytestmark = pytest.mark.peer("postfix")

DOMAIN = "ptmaju.example.co.id"
HOST = "mail.ptmaju.example.co.id"
ADDRESS = "127.0.2.1"
CONTENT = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: direktur@ptmaju.example.co.id\r\n"
    b"Subject: LPSE Pengumuman Pembatalan Lelang\r\n\r\n"
    b"Kepada Yth.\r\n.\r\n..dua titik\r\n\r\n\r\nselesai\r\n"
)


@asynccontextmanager
async def postfix_site(
    folder: Path, server: Mapping[str, object]
) -> AsyncIterator[tuple[Site, Postfix]]:
    """A site whose DNS names a real Postfix as the MX of `DOMAIN`."""
    async with site(folder) as world:
        port = world.internet.port
        world.internet.zone.host(HOST, ADDRESS)
        world.internet.zone.domain(DOMAIN, HOST)
        postfix = Postfix(address=ADDRESS, port=port, **server)  # type: ignore[arg-type]
        await asyncio.to_thread(postfix.__enter__)
        try:
            yield world, postfix
        finally:
            await asyncio.to_thread(postfix.__exit__, None, None, None)


@pytest.mark.parametrize(
    ("is_pipelined", "is_encrypted"),
    [
        pytest.param(True, True, id="pipelining-starttls"),
        pytest.param(False, True, id="starttls"),
        pytest.param(True, False, id="pipelining"),
    ],
)
async def test_postfix_takes_letters(
    tmp_path: Path, is_pipelined: bool, is_encrypted: bool
) -> None:
    certificate = self_signed(tmp_path, HOST) if is_encrypted else None
    vendors = [f"v{n}@{DOMAIN}" for n in range(20)]
    server = {"pipelining": is_pipelined, "certificate": certificate}
    async with postfix_site(tmp_path, server) as (world, postfix):
        for vendor in vendors:
            await world.send(vendor, content=CONTENT)
        arrived = await asyncio.to_thread(postfix.await_arrived, len(vendors))
        await world.settled()
        assert sorted(letter.recipient for letter in arrived) == sorted(vendors)
        assert {letter.sender for letter in arrived} == {SENDER}
        for letter in arrived:
            _, _, body = letter.content.partition(b"\r\n\r\n")
            assert body == CONTENT.partition(b"\r\n\r\n")[2]
            assert (b"ESMTPS" in letter.received) is is_encrypted
        (row,) = await inbox(tmp_path, vendors[0])
        assert row.state.word == "delivered"


@pytest.mark.peer("clients")
async def test_what_postfix_kept_is_verified_by_mail_dkim(tmp_path: Path) -> None:
    async with postfix_site(tmp_path, {}) as (world, postfix):
        await world.send(f"direktur@{DOMAIN}", content=CONTENT)
        (letter,) = await asyncio.to_thread(postfix.await_arrived, 1)
        judged = await asyncio.to_thread(verify, letter.content, keys=dict(world.internet.zone.txt))
        assert [one.result for one in judged] == ["pass"]


@pytest.mark.parametrize("is_pipelined", [True, False], ids=["pipelining", "no-pipelining"])
async def test_postfix_refuses_some_for_now_and_some_for_good(
    tmp_path: Path, is_pipelined: bool
) -> None:
    replies = {
        f"gone@{DOMAIN}": "550 5.1.1 no such user",
        f"later@{DOMAIN}": "450 4.2.1 mailbox is busy",
    }
    async with postfix_site(tmp_path, {"pipelining": is_pipelined, "replies": replies}) as (
        world,
        postfix,
    ):
        wanted = [f"{name}@{DOMAIN}" for name in ("a", "gone", "b", "later", "c")]
        await world.send(*wanted, content=CONTENT)
        await asyncio.to_thread(postfix.await_arrived, 3)
        await world.logged("deferred", 2)
        queue = await world.settled(left=1)
        (waiting,) = queue["deliveries"]
        assert waiting["recipient"] == f"later@{DOMAIN}"
        assert "450 4.2.1" in waiting["why"]
        (gone,) = await inbox(tmp_path, f"gone@{DOMAIN}")
        assert (gone.state.word, gone.category) == ("bounced", "unknown_user")
        await world.until(lambda: world.internet.ledger.accepted(SENDER), "the report arrives")
        arrived = [letter.recipient for letter in postfix.arrived()]
        assert sorted(arrived) == [f"{name}@{DOMAIN}" for name in "abc"]


def route(port: int) -> str:
    """All mail goes to a smart host on loopback."""
    return FAST + f'routes: {{"*": "smtp://127.0.0.1:{port}"}}\n'


@pytest.mark.parametrize("options", [(), ("-p",)], ids=["pipelining", "no-pipelining"])
async def test_smtp_sink_as_the_smart_host(tmp_path: Path, options: tuple[str, ...]) -> None:
    with SmtpSink(*options) as sink:
        async with site(tmp_path, extra=route(sink.port)) as world:
            await world.send(*(f"v{n}@gmail.com" for n in range(300)))
            await asyncio.to_thread(sink.await_messages, 300)
            await world.settled()
            assert len(await world.logged("delivered", 300)) == 300
        assert sink.messages() == 300


async def test_a_connection_lost_after_the_dot_is_tried_again_and_lost_by_nobody(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with site(tmp_path, extra=route(port)) as world:
        with SmtpSink("-q", ".", port=port):
            await world.send("vendor@gmail.com")
            await world.logged("deferred")
            (attempt, *_) = world.events("attempted")
            assert attempt["stage"] == "eod"
            assert not world.events("delivered")
        with SmtpSink(port=port) as sink:
            await asyncio.to_thread(sink.await_messages, 1)
            await world.settled()
            assert len(await world.logged("delivered")) == 1


async def test_a_smart_host_that_is_down_keeps_the_mail(tmp_path: Path) -> None:
    port = free_port()
    kept = {"pause: {throttle: 1s, block: 1s, longest: 2s}": "pause: {longest: 1h}"}
    async with site(tmp_path, extra=route(port), replacing=kept) as world:
        await world.send(*(f"v{n}@gmail.com" for n in range(10)))
        await world.logged("deferred")
        assert not world.events("bounced")
        (standing,) = (await world.relay.call("providers"))["providers"]
        assert (standing["state"], standing["last_reply"]) == ("paused", "connection refused")
        with SmtpSink(port=port) as sink:
            await world.relay.call("resume", provider=standing["provider"], reason="mended")
            await asyncio.to_thread(sink.await_messages, 10)
            await world.settled()
