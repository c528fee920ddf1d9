"""One letter to many: what a restart must not forget, and whose copies get an id of their own."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path

from relay.mail.delivery import State
from tests.e2e.site import FAST, LETTER, inbox, site

WITH_ID = b"Message-ID: <tender-4221@lpse.example.go.id>\r\n" + LETTER


async def test_a_restart_does_not_lift_the_ceiling(tmp_path: Path) -> None:
    async with site(tmp_path, extra=FAST + "ingress: {ceiling: 3}\n") as world:
        await world.send("v1@gmail.com", "v2@gmail.com")
        await world.arrived(2)
        await world.relay.stop()
        await world.restart()
        await world.send("v3@gmail.com", "v4@gmail.com")
        queue = await world.queue()
        assert [row["state"] for row in queue["deliveries"]] == ["held", "held"]
        for vendor in ("v3@gmail.com", "v4@gmail.com"):
            (row,) = await inbox(tmp_path, vendor)
            assert row.state is State.HELD


async def test_own_ids_where_more_than_twenty_copies_go_to_one_provider(tmp_path: Path) -> None:
    gmail = [f"v{n}@gmail.com" for n in range(21)]
    yahoo = [f"v{n}@yahoo.com" for n in range(20)]
    async with site(tmp_path) as world:
        await world.send("first@gmail.com", "first@yahoo.com")  # both domains' MX are known now
        await world.arrived(2)
        await world.send(*gmail, *yahoo, content=WITH_ID)
        await world.settled()
        ids: dict[str, list[str]] = {"gmail": [], "yahoo": []}
        for arrival in world.internet.ledger.arrivals[2:]:
            where = "gmail" if "gmail" in arrival.recipients[0] else "yahoo"
            ids[where].append(str(message_from_bytes(arrival.content)["Message-ID"]))
    assert len(set(ids["gmail"])) == 21 == len(ids["gmail"])
    assert set(ids["yahoo"]) == {"<tender-4221@lpse.example.go.id>"} and len(ids["yahoo"]) == 20
