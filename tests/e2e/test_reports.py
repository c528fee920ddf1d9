"""`report` and `maillog` of the installed program: what an LPSE reads after an announcement."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.e2e.site import Site, site
from tests.reports.logs import refused


async def run(world: Site, *words: str, state: str = "--state") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", *words),
        *("--config", str(world.relay.config), state, str(world.relay.state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def told(world: Site, *words: str) -> Any:
    code, said = await run(world, *words, "--json")
    assert code == 0, said
    return json.loads(said)


async def test_after_an_announcement(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        await world.send("gone@yahoo.com", "v1@yahoo.com", "v2@gmail.com")
        await world.arrived(3)  # two letters, and the report to the sender
        await world.settled()
        (row,) = await told(world, "report", "addresses")
        assert (row["address"], row["category"]) == ("gone@yahoo.com", "unknown_user")
        assert (row["wording"], row["state"], row["missed"]) == ("tidak terdaftar", "baru", 1)
        note = ("--state", "menunggu surat", "--note", "Bu Ani, 0812")
        words = ("report", "follow-up", "gone@yahoo.com", *note)
        code, said = await run(world, *words, state="--state-dir")
        assert (code, said) == (0, "gone@yahoo.com: baru → menunggu surat\n")
        total = (await told(world, "report", "delivery"))["total"]
        assert (total["sent"], total["delivered"], total["failed"]) == (3, 2, 1)
        await world.relay.stop()
        code, said = await run(world, *words, state="--state-dir")
        assert code == 3, said
        (row,) = await told(world, "report", "addresses")
        assert (row["state"], row["note"]) == ("menunggu surat", "Bu Ani, 0812")
        code, said = await run(world, "report", "delivery", "--by", "provider,category", "--csv")
        rows = list(csv.DictReader(io.StringIO(said)))
        assert [(r["provider"], r["category"], r["sent"]) for r in rows] == [
            ("gmail", "", "1"),
            ("yahoo", "", "1"),
            ("yahoo", "unknown_user", "1"),
        ]


async def test_the_list_of_an_old_server_is_taken(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        days = [time.strftime("%b %e", time.gmtime(time.time() - n * 86_400)) for n in (5, 2)]
        log, listed = tmp_path / "mail.log", tmp_path / "list.csv"
        lines = [
            refused(to, at=f"{day} 10:00:00") for to in ("old@x.id", "=x@x.id") for day in days
        ]
        log.write_text("\n".join(lines) + "\n")
        maillog = (sys.executable, "-m", "relay", "maillog", str(log))
        with listed.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *maillog, "--show", "suppression", "--csv", stdout=out
            )
            assert await process.wait() == 0
        words = ("suppression", "import", str(listed), "--why", "dari server lama")
        assert await told(world, *words) == {"added": 2, "refused": [], "unread": []}
        found = await told(world, "suppression", "ls")
        assert sorted(one["address"] for one in found) == ["=x@x.id", "old@x.id"]
