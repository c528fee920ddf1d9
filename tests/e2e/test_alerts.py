"""Alerts of the running relay reach a web server, a program and a mail server, past a pause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relay.control import ControlError
from tests.e2e.site import Site, site
from tests.observe.peers import Web, mail, web
from tests.peers.ports import free_port


def names(server: Web) -> list[str]:
    """Of all alerts that came, in their order."""
    return [row["name"] for _, _, body in server.requests for row in json.loads(body)["alerts"]]


async def configured(world: Site, alerts: str) -> None:
    """The site's file with these ways, taken by the running relay."""
    file = world.folder / "relay.yaml"
    text = file.read_text().partition("alerts:")[0]
    file.write_text(f"{text}alerts:\n{alerts}")
    assert (await world.relay.call("reload"))["notes"] == []


async def test_a_pause_is_told_by_all_ways_and_no_letter_waits_for_it(tmp_path: Path) -> None:
    program = tmp_path / "notify"
    program.write_text(f'#!/bin/sh\necho "$LPSE_ALERT_NAME" >> {tmp_path}/told\n')
    program.chmod(0o755)
    told = tmp_path / "told"
    with web() as server, mail() as box:
        async with site(tmp_path) as world:
            await configured(
                world,
                f"  - {{webhook: '{server.url}', every: 0s}}\n"
                f"  - {{command: [./notify], only: [pause]}}\n"
                f"  - {{mail: ops@a.id, via: 'smtp://127.0.0.1:{box.port}', only: [pause]}}\n",
            )
            assert all(one["ok"] for one in (await world.relay.call("alerts.test"))["ways"])
            await world.send("vendor@gmail.com")
            await world.arrived(1)
            await world.relay.call("pause", provider="gmail", reason="quiet")
            await world.until(lambda: "pause:gmail" in names(server), "the webhook hears of it")
            await world.until(lambda: "pause:gmail" in told.read_text(), "the program hears of it")
            await world.until(lambda: len(box.envelopes) == 2, "the mailbox hears of it")
            stands = (await world.relay.call("alerts.ls"))["alerts"]
            assert [row["name"] for row in stands if row["name"] != "test"] == ["pause:gmail"]
            await world.send("vendor@gmail.com")
            await world.relay.call("resume", provider="gmail", reason="done")
            await world.arrived(2)
            await world.until(lambda: "recovered:gmail" in names(server), "and of the way back")
            (over,) = (await world.relay.call("alerts.ls"))["alerts"]
            assert (over["name"], ": quiet" in over["detail"]) == ("recovered:gmail", True)
            await world.measured('lpse_alerts_total{outcome="delivered",way="mail"} 2.0')
    assert told.read_text().splitlines()[:2] == ["test", "pause:gmail"]


async def test_a_reload_with_a_broken_way_keeps_the_old_and_tells_it(tmp_path: Path) -> None:
    with web() as server:
        async with site(tmp_path) as world:
            await configured(world, f"  - {{webhook: '{server.url}'}}\n")
            with pytest.raises(ControlError, match=r"alerts\[0\]\.command\[0\]: .*No such file"):
                await configured(world, "  - {command: [gone/notify]}\n")
            await world.until(lambda: "reload_refused" in names(server), "the old way tells it")


async def test_a_dead_way_neither_stops_letters_nor_the_end(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await configured(world, f"  - {{webhook: 'http://127.0.0.1:{free_port()}/'}}\n")
        await world.relay.call("pause", provider="yahoo", reason="quiet")
        await world.send("vendor@gmail.com")
        await world.arrived(1)
        answer = await world.relay.call("alerts.test")
        assert [one["ok"] for one in answer["ways"]] == [False]
        assert "cannot be reached" in answer["ways"][0]["said"]
