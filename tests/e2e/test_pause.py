"""A pause by hand in the installed program: what was open to the provider is hung up at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.site import FAST, site

KEPT = "delivery: {timeouts: {idle: 5m}}\n"  # longer than the test's patience


@pytest.mark.parametrize("name", ["gmail", "gmail.com", "*"])
async def test_idle_sessions_end_when_somebody_pauses(tmp_path: Path, name: str) -> None:
    async with site(tmp_path, extra=FAST + KEPT) as world:
        await world.send("vendor@gmail.com")
        await world.settled()
        assert world.internet.sessions == 1
        await world.relay.call("pause", provider=name, reason="pemeliharaan")
        await world.until(lambda: not world.internet.sessions, "the session ends")
