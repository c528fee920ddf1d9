"""A shaper, what may be said to it, and what it shows: for the tests of its parts."""

from __future__ import annotations

from datetime import timedelta

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import FailureKind
from relay.mail.instant import SECOND, Instant
from relay.mail.urgency import Urgency
from relay.shaping.base import NOBODY, SHORT, Identity, Short, Wait
from relay.shaping.destination import Destination, Profile, Rate, Sum
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper

NOW = 1_700_000_000_000
RATES = (Rate(60, timedelta(minutes=1)), Rate(20_000, timedelta(days=1)))
GMAIL = Destination("gmail", Profile("gmail", connections=4, rates=RATES), "gmail")
ROUTE = Destination("smtp://127.0.0.1:2526", Profile("route", connections=None))
THROTTLE = Classification(
    Category.RATE_LIMITED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "google.rate"
)
BLOCK = Classification(
    Category.SENDER_BLOCKED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "google.block"
)
OURS = Classification(Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG, "google.spf")
SIGNING = Classification(
    Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG, f"failure.{FailureKind.SIGNING}"
)
DOWN = Classification(Category.NETWORK, Scope.DESTINATION, Action.RETRY_LATER, "failure.refused")
BUSY = Classification(Category.SERVER_ERROR, Scope.DESTINATION, Action.RETRY_LATER, "code.4")
UNCLEAR = Classification(Category.OTHER, Scope.DESTINATION, Action.RETRY_LATER, "unknown")
LOST = Classification(Category.NETWORK, Scope.MESSAGE, Action.RETRY_LATER, "failure.ambiguous")
GREY = Classification(Category.GREYLISTED, Scope.DESTINATION, Action.RETRY_LATER, "grey")
DEAD = Classification(Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "user")


def no_rates(domain: str) -> tuple[Sum, ...]:
    limit = Sum(f"@{domain}", (Rate(2, timedelta(minutes=1)),))
    return (limit,) if domain == "kampus.ac.id" else ()


def shaper() -> Shaper:
    return Shaper(PauseSettings(), no_rates, is_ramping=False)


def say(
    made: Shaper, read: Classification | None, now: Instant, to: Destination = GMAIL
) -> list[type]:
    return [type(event) for event in made.feedback(to, read, "421 said", now)]


def admit(
    made: Shaper,
    now: Instant,
    to: Destination = GMAIL,
    domain: str = "gmail.com",
    units: int = 1,
    urgency: Urgency = Urgency.TRANSAKSI,
    identity: Identity = NOBODY,
) -> bool:
    """Permit two, what is short being set aside as a store would."""
    for _ in range(2):
        said = made.admit(to, domain, units, now, urgency, identity)
        if said is not SHORT:
            return said is None
        made.set_aside(made.setting_aside(now), now)
    raise AssertionError("what was set aside is short again")


def dial(made: Shaper, to: Destination, now: Instant) -> Wait | None:
    """Permit one, in the same way."""
    for _ in range(2):
        said = made.connect(to, now)
        if said is not SHORT:
            assert not isinstance(said, Short)
            return said
        made.set_aside(made.setting_aside(now), now)
    raise AssertionError("what was set aside is short again")


def state(made: Shaper, now: Instant, key: str = "gmail") -> str:
    return next(s.state for s in made.standings(now) if s.key == key)


def paused_until(made: Shaper, now: Instant, key: str = "gmail") -> Instant:
    until = next(s.paused_until for s in made.standings(now) if s.key == key)
    assert until is not None
    return until


def warmed(letters: int = 30) -> tuple[Shaper, Instant]:
    """Has sent some, half a minute apart."""
    made, now = shaper(), NOW
    for _ in range(letters):
        assert admit(made, now)
        say(made, None, now)
        now += 30 * SECOND
    return made, now
