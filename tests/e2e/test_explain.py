"""`explain`, `providers` and `queue show` of the installed program: what a person reads there."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.e2e.site import Site, site

LIMITS = """
limits:
  gmail.com: [20/min, 1500/day]
"""


async def run(world: Site, *words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", *words),
        *("--config", str(world.relay.config), "--state", str(world.relay.state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_an_announcement_is_explained(tmp_path: Path) -> None:
    async with site(tmp_path, extra=LIMITS) as world:
        await world.send(*(f"v{n}@gmail.com" for n in range(40)))
        await world.arrived(1)
        code, said = await run(world, "explain", "v39@gmail.com")
        assert code == 0, said
        assert "goes to gmail: all its MX hosts belong to gmail" in said
        line = next(
            n for n, t in enumerate(world.relay.config.read_text().splitlines(), 1) if "20/min" in t
        )
        assert f"relay.yaml:{line}" in said
        assert "all that are ready will be through by" in said
        code, text = await run(world, "explain", "v39@gmail.com", "--class", "kritis", "--json")
        answer = json.loads(text)
        assert code == 0 and answer["class"] == "kritis" and answer["ahead"] == 0
        await world.relay.call("pause", provider="gmail", reason="salah lampiran")
        code, said = await run(world, "explain", "v39@gmail.com")
        assert (code, "the next one there may go" in said) == (0, False)  # not before `resume`
        assert ") is ready: gmail is paused: " in said
        waiting = (await world.queue(provider="gmail"))["deliveries"][-1]
        assert waiting["why"].startswith("gmail is paused: ")
        code, said = await run(world, "queue", "show", waiting["id"], "--lang", "id")
        assert code == 0 and "pengiriman ke gmail dihentikan sementara" in said
        code, said = await run(world, "explain", "v1@gmail.com", "--lang", "fr")
        assert (code, "en or id" in said) == (2, True)
        code, said = await run(world, "explain", "v1@gmail.com", "--class", "kritsi")
        assert (code, "--class: unknown class 'kritsi'" in said) == (2, True)
        code, said = await run(world, "explain", "@")
        assert (code, "'@': there is nothing before the @" in said) == (2, True)
        code, said = await run(world, "explain", "nobody@nowhere.example")
        assert (code, "cannot be told" in said) == (1, True)


async def test_new_limits_are_shown_and_kept_at_once(tmp_path: Path) -> None:
    async with site(tmp_path, extra=LIMITS) as world:
        await world.send(*(f"v{n}@gmail.com" for n in range(200)))
        await world.arrived(1)
        file = world.relay.config
        file.write_text(file.read_text().replace("[20/min, 1500/day]", "6000/min"))
        await world.relay.call("reload")
        (gmail,) = (await world.relay.call("providers"))["providers"]
        assert gmail["limits"] == ["6000/min"]
        await world.arrived(100)
