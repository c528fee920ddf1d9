"""One letter's road, end to end: the installed relay, real sockets, the lab's own ledger."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from relay.lab import models
from relay.lab.internet import GMAIL, YAHOO, House
from relay.mail.delivery import State
from relay.mail.instant import DAY, SECOND
from relay.store.base import Selector
from relay.store.connections import NAME
from relay.store.reader import open_readonly
from tests.e2e.site import FAST, LETTER, SENDER, inbox, site
from tests.peers.mail_dkim import verify


async def test_a_letter_arrives_signed_and_stands_in_its_inbox(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("vendor@yahoo.com", "vendor@gmail.com", "panitia@dinas.example.go.id")
        await world.settled()
        arrivals = world.internet.ledger.arrivals
        assert sorted(to for a in arrivals for to in a.recipients) == [
            "panitia@dinas.example.go.id",
            "vendor@gmail.com",
            "vendor@yahoo.com",
        ]
        assert {a.dkim for a in arrivals} == {"pass"}
        assert {a.sender for a in arrivals} == {SENDER}
        for address in ("vendor@yahoo.com", "vendor@gmail.com", "panitia@dinas.example.go.id"):
            (row,) = await inbox(tmp_path, address)
            assert (row.state.word, row.subject) == (
                "delivered",
                "LPSE Pengumuman Pembatalan Lelang",
            )
        assert len(await world.logged("delivered", 3)) == 3
        assert len(world.events("received")) == 1
        assert len(world.events("attempted")) == 3


def accepted_earlier(folder: Path, by: int) -> None:
    """What was delivered so far was delivered so long before."""
    with closing(sqlite3.connect(folder / "state" / NAME)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # that is the relay's
        moved = connection.execute(
            "UPDATE inbox SET state_at = state_at - ? WHERE state = 4", (by,)
        )
        assert moved.rowcount  # the letter, and a report
        connection.commit()


@pytest.mark.peer("clients")
async def test_what_arrives_is_verified_by_another_implementation(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        body = "Kepada Yth. — berkas utuh  \t \r\n\r\n\r\n".encode()
        await world.send("vendor@yahoo.com", content=LETTER + body)
        await world.settled()
        (arrival,) = world.internet.ledger.arrivals
        judged = verify(arrival.content, keys=dict(world.internet.zone.txt))
        assert [one.result for one in judged] == ["pass"]


async def test_a_dead_address_bounces_with_a_report_and_nobody_else_is_touched(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as world:
        await world.send("gone@yahoo.com", "vendor@yahoo.com")
        await world.settled()
        (dead,) = await inbox(tmp_path, "gone@yahoo.com")
        (alive,) = await inbox(tmp_path, "vendor@yahoo.com")
        assert (dead.state.word, dead.category) == ("bounced", "unknown_user")
        assert alive.state.word == "delivered"
        (report,) = world.internet.ledger.accepted(SENDER)
        assert report.sender == ""
        assert b"This user doesn't have a yahoo.com account" in report.content
        assert b"Final-Recipient: rfc822; gone@yahoo.com" in report.content
        assert await inbox(tmp_path, SENDER) == []


async def test_a_malformed_recipient_is_taken_and_born_bounced(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("vendor@yahoo.com", "foo")
        await world.settled()
        (row,) = await inbox(tmp_path, "foo")
        assert (row.state.word, row.category, row.as_given) == ("bounced", "bad_domain", "foo")
        assert len(world.internet.ledger.accepted("vendor@yahoo.com")) == 1
        await world.until(lambda: world.internet.ledger.accepted(SENDER), "the report arrives")


async def test_a_block_stops_the_provider_and_loses_nothing(tmp_path: Path) -> None:
    gmail = models.Gmail(models.Window(8, 2 * SECOND), penalty=SECOND // 2)
    around = [House(GMAIL, "127.0.1.1", gmail, ("gmail.com",))]
    vendors = [f"v{n}@gmail.com" for n in range(16)]
    async with site(tmp_path, around=around) as world:
        await world.send(*vendors)
        await world.until(lambda: gmail.blocks, "Gmail blocks")
        await world.logged("paused")
        (standing,) = [
            p
            for p in (await world.relay.call("providers"))["providers"]
            if p["provider"] == "gmail"
        ]
        assert standing["state"] in ("paused", "probing", "slow")
        await world.settled()
        arrived = [to for a in world.internet.ledger.arrivals for to in a.recipients]
        assert sorted(arrived) == sorted(vendors)
        for vendor in vendors:
            (row,) = await inbox(tmp_path, vendor)
            assert row.state.word == "delivered"


async def test_the_inbox_page_opens_once_by_its_link(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("vendor@yahoo.com")
        await world.settled()
        link = (await world.relay.call("inbox.link", address="vendor@yahoo.com"))["url"]
        async with httpx.AsyncClient(follow_redirects=True) as browser:
            base = httpx.URL(link)
            assert (await browser.get(base.join("/inbox"))).status_code == 401
            door = await browser.get(link)
            fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', door.text))
            origin = {"Origin": f"{base.scheme}://{base.netloc.decode()}"}
            page = await browser.post(base.join("/masuk"), data=fields, headers=origin)
            assert page.status_code == 200
            assert "LPSE Pengumuman Pembatalan Lelang" in page.text
            async with httpx.AsyncClient() as stranger:
                second = await stranger.post(base.join("/masuk"), data=fields, headers=origin)
                assert second.status_code == 401


async def test_metrics_health_and_readiness(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("vendor@yahoo.com", "gone@yahoo.com")
        await world.settled()
        await world.measured('lpse_deliveries_total{outcome="delivered",provider="yahoo"} 1.0')
        async with httpx.AsyncClient(base_url=f"http://{world.about['metrics']}") as client:
            page = (await client.get("/metrics")).text
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
        assert re.search(r'lpse_replies_total\{[^}]*category="unknown_user"', page)
        assert "vendor@" not in page
        assert "yahoo.com" not in page


async def test_a_drained_relay_settles_everything_before_it_ends(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send(*(f"v{n}@gmail.com" for n in range(200)))
        assert await world.relay.stop(signal.SIGTERM) == 0
        store = await open_readonly(tmp_path / "state")
        assert State.LEASED not in await store.count(Selector())
        await store.close()
        await world.restart()
        await world.settled()
        arrived = [to for a in world.internet.ledger.arrivals for to in a.recipients]
        assert sorted(arrived) == sorted(f"v{n}@gmail.com" for n in range(200))


async def test_a_reload_takes_new_limits_and_keeps_the_old_ones_on_a_fault(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as world:
        file = tmp_path / "relay.yaml"
        good = file.read_text()
        file.write_text(good.replace("60000/min", "61000/min"))
        answer = await world.relay.call("reload")
        assert answer["notes"] == []
        await world.send("vendor@yahoo.com")
        await world.settled()
        rows = (await world.relay.call("providers"))["providers"]
        assert ["61000/min"] in [row["limits"] for row in rows]
        file.write_text(good.replace("limits:", "limitz:"))
        with pytest.raises(Exception, match="limitz: unknown key"):
            await world.relay.call("reload")
        await world.send("vendor2@yahoo.com")
        await world.settled()


async def test_a_wrong_announcement_is_stopped_by_one_command(tmp_path: Path) -> None:
    slow = FAST.replace("gmail.com: {rate: 60000/min", "gmail.com: {rate: 1/min")
    vendors = [f"v{n}@gmail.com" for n in range(50)]
    async with site(tmp_path, extra=slow) as world:
        await world.send(*vendors)
        await world.settled(left=49)  # the one that the limit lets through has its end in writing
        wanted = {"subject": "*Pembatalan*"}
        preview = await world.relay.call("queue.preview", change="hold", selector=wanted)
        assert preview["count"] == 49
        changed = await world.relay.call(
            "queue.change", change="hold", selector=wanted, reason="wrong date"
        )
        assert changed == {"moved": 49, "in_flight": 0}
        assert (await world.queue())["by_state"].get("held") == 49
        await world.relay.call("queue.change", change="remove", selector=wanted, reason="as said")
        assert (await world.queue())["total"] == 0
        (row,) = await inbox(tmp_path, "v49@gmail.com")
        assert row.state.word == "removed"


async def test_the_limit_is_exact_at_the_receiving_side(tmp_path: Path) -> None:
    exact = FAST.replace("yahoo.com: {rate: 60000/min", "yahoo.com: {rate: 5/2s")
    async with site(tmp_path, extra=exact) as world:
        await world.unramped("yahoo")
        await world.send(*(f"v{n}@yahoo.com" for n in range(14)))
        await world.settled()
        assert len(world.internet.ledger.arrivals) == 14, world.events()
        await world.kept_to(5, within=2000, domain="yahoo.com")


async def test_pause_and_resume_by_hand(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.relay.call("pause", provider="yahoo", reason="maintenance")
        await world.send("vendor@yahoo.com", "vendor@gmail.com")
        (waiting,) = (await world.settled(left=1))["deliveries"]
        assert waiting["why"].startswith("yahoo is paused: ")
        await world.relay.stop()
        await world.restart()
        assert [a.recipients for a in world.internet.ledger.arrivals] == [("vendor@gmail.com",)]
        rows = (await world.relay.call("providers"))["providers"]
        assert [r["state"] for r in rows if r["provider"] == "yahoo"] == ["paused"]
        await world.relay.call("resume", provider="yahoo.com", reason="done")
        await world.arrived(2)


async def test_an_address_that_once_accepted_our_mail_is_told_to_be_inactive(
    tmp_path: Path,
) -> None:
    """The notice's kinds 1 and 2 share one log line; only the address' history tells them apart. A
    success within 30 days gives it a second chance, a day later."""
    yahoo = models.Yahoo(frozenset({"gone@yahoo.com"}))
    around = [
        House(YAHOO, "127.0.1.3", yahoo, ("yahoo.com",)),
        House("mx.lpse.example.go.id", "127.0.1.6", models.Yahoo(), ("lpse.example.go.id",)),
    ]
    async with site(tmp_path, around=around) as world:
        await world.send("once@yahoo.com", "gone@yahoo.com")
        await world.settled()
        yahoo.dead |= {"once@yahoo.com"}
        await world.send("once@yahoo.com")
        (asked_again,) = await world.logged("deferred")
        assert "the address took a letter within 30 days" in asked_again["why"]
        accepted_earlier(tmp_path, 31 * DAY)
        await world.send("once@yahoo.com")
        await world.settled(left=1)
        told = {}
        for address in ("once@yahoo.com", "gone@yahoo.com"):
            link = (await world.relay.call("inbox.link", address=address))["url"]
            async with httpx.AsyncClient(follow_redirects=True) as browser:
                base = httpx.URL(link)
                door = await browser.get(link)
                fields = dict(
                    re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', door.text)
                )
                origin = {"Origin": f"{base.scheme}://{base.netloc.decode()}"}
                page = await browser.post(base.join("/masuk"), data=fields, headers=origin)
                newest = re.search(r'href="(/inbox/[^"?]+)"', page.text)
                assert newest is not None
                told[address] = (await browser.get(base.join(newest[1]))).text
        assert "Email tidak aktif" in told["once@yahoo.com"]
        assert "Email tidak terdaftar" in told["gone@yahoo.com"]
