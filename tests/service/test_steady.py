"""Who only looks at shaping changes nothing, also where the wall clock was set forward."""

from __future__ import annotations

from relay.mail.delivery import State
from relay.mail.instant import HOUR, MINUTE, Instant, iso
from relay.service.reasons import Reasons
from relay.shaping.base import Short, Wait
from tests.service.house import GMAIL, Destinations, House

COUNT = GMAIL.profile.rates[0].count


def asked(house: House, now: Instant) -> Wait | None:
    """For one letter; None: it may go, and is counted."""
    found = house.shaper.admit(GMAIL, "gmail.com", 1, now)
    while isinstance(found, Short):
        house.shaper.set_aside(house.shaper.setting_aside(now), now)
        found = house.shaper.admit(GMAIL, "gmail.com", 1, now)
    return found


async def looked_at(house: House) -> None:
    """By all who do."""
    await house.put("vendor@gmail.com")
    await house.ask("queue.ls")
    await house.ask("providers")
    await house.ask("explain", recipient="vendor@gmail.com", **{"class": "transaksi"})


async def test_no_letter_is_granted() -> None:
    house = House()
    began = house.clock.at
    for n in range(COUNT):
        now = began + n * MINUTE // COUNT
        assert asked(house, now) is None
    house.clock.at, house.step = now + HOUR, HOUR
    await looked_at(house)
    wait = asked(house, now)
    assert wait is not None and wait.until > began + MINUTE
    told = (await house.ask("explain", recipient="vendor@gmail.com", **{"class": "transaksi"}))[
        "limits"
    ][0]
    assert (told["used"], told["free_at"]) == (COUNT, iso(began + MINUTE + 1 + HOUR))
    assert asked(house, began + MINUTE + 1) is None


async def test_no_pause_ends_and_its_end_is_told_by_the_wall() -> None:
    house = House()
    until = house.clock.at + 10 * MINUTE
    house.shaper.pause("gmail", until, "siti: besar", house.clock.at)
    house.clock.at, house.step = house.clock.at + HOUR, HOUR
    await looked_at(house)
    (gmail,) = (await house.ask("providers"))["providers"]
    assert (gmail["state"], gmail["paused_until"]) == ("paused", iso(until + HOUR))
    reasons = Reasons(house.shaper, Destinations(), house.steady)
    assert reasons.of("gmail.com", State.READY, 1) == "pause"
