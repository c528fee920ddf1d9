"""The forecast of `explain`, played: when a domain's letters are through that has limits inside."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.urgency import Urgency
from relay.scheduler.deadlines import through_at
from relay.shaping.settings import LimitSettings
from tests.scheduling import MX, accept, house, profiles

OWN, OTHERS = 40, 300


@pytest.mark.parametrize("case", ["nothing", "rate", "hours", "warmup"])
def test_a_domain_s_limits_inside_a_provider_are_reckoned_with(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MX, "kampus.ac.id", MX["gmail.com"])

    async def main(clock: VirtualClock) -> None:
        opens = datetime.fromtimestamp(clock.now() / 1000, UTC) + timedelta(hours=10)  # 3 h, in WIB
        cases: dict[str, dict[str, Any]] = {
            "nothing": {},
            "rate": {"rate": "1/min"},
            "hours": {"hours": f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} WIB"},
            "warmup": {"warmup": {"start": "15/day", "growth": 2, "end": "90/day"}},
        }
        said = cases[case]
        limits = {"kampus_ac_id": LimitSettings.model_validate(said)} if said else {}
        gmail = LimitSettings.model_validate({"rate": "20/min"})
        async with house(clock, accept, book=profiles(gmail_com=gmail, **limits)) as h:
            for n in range(OTHERS):
                await h.put(f"v{n}@gmail.com", urgency=Urgency.MASSAL)
            for n in range(OWN):
                await h.put(f"v{n}@kampus.ac.id", urgency=Urgency.MASSAL)
            await asyncio.sleep(5)
            now, route = clock.now(), h.router.last("kampus.ac.id")
            assert route is not None
            told = h.shaper.explain(route.destination, "kampus.ac.id", now, Urgency.MASSAL)
            forecast = through_at(told, OTHERS + OWN, now, OWN)
            others = through_at(told, OTHERS + OWN, now)
            hourly = told.an_hour
            before = now
            await asyncio.sleep(3600)
            sent = sum(before < at <= before + HOUR for at in h.written("kampus.ac.id"))
            assert hourly is not None and sent <= hourly
            if case == "warmup":  # 15, and 30 a day later
                assert len(h.written("kampus.ac.id")) == 15
                assert DAY - MINUTE <= forecast - now <= DAY + 2 * HOUR
                return
            await asyncio.sleep(max(0, forecast - clock.now()) / 1000 + 600)
            assert len(h.written("kampus.ac.id")) == OWN
            played = max(h.written())
            assert max(h.written("gmail.com")) <= others + MINUTE
            took = played - now
            assert abs(forecast - played) <= max(2 * MINUTE, took // 10)

    run(main)
