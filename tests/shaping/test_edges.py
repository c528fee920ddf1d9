"""The rarer corners of shaping: connections, units given back late, states not understood."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import MINUTE
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.profiles import Layer, Profiles, parse
from relay.shaping.settings import LimitSettings, PauseSettings, rate, rates
from relay.shaping.shaper import Shaper
from relay.shaping.windows import Window
from tests.shaping.house import admit

NOW = 1_700_000_000_000
PLAIN = Destination("mx1.example.co.id", Profile("mx1.example.co.id", connections=2))


def shaper() -> Shaper:
    """A shaper whose domains have no limits of their own."""
    return Shaper(PauseSettings(), lambda domain: ())


def test_connections_are_counted_down_one_by_one() -> None:
    made = shaper()
    assert made.connect(PLAIN, NOW) is None
    assert made.connect(PLAIN, NOW) is None
    assert made.connect(PLAIN, NOW) is not None
    made.disconnected(PLAIN, NOW)
    assert made.standings(NOW)[0].connections_open == 1
    assert made.connect(PLAIN, NOW) is None
    for _ in range(3):
        made.disconnected(PLAIN, NOW)
    assert made.standings(NOW)[0].connections_open == 0


def test_a_destination_without_limits_spends_and_gives_back_freely() -> None:
    made = shaper()
    assert admit(made, NOW, PLAIN, "example.co.id", 5)
    made.refund(PLAIN, "example.co.id", 5, NOW)
    assert made.dirty(NOW) == {}
    assert made.standings(NOW)[0].rate_now is None


def test_a_state_by_hand_alone_is_shown_before_its_destination_is_known() -> None:
    made = shaper()
    made.pause("mx9.example.co.id", None, "maintenance", NOW)
    (standing,) = made.standings(NOW)
    assert (standing.key, standing.state, standing.limits) == ("mx9.example.co.id", "paused", ())


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("state:x", "{}", "state:x: KeyError"),
        ("state:x", "not json", "state:x: JSONDecodeError"),
        ("learned:x", "[]", "learned:x: TypeError"),
        ("moon:x", "{}", "moon:x: ValueError: neither a state nor what was learned"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_is_taken(
    name: str, text: str, says: str
) -> None:
    before = shaper()
    before.pause("gmail", None, "by hand", NOW)
    kept = dict(before.dirty(NOW))
    after = shaper()
    with pytest.raises(ValueError, match=says):
        after.restore({name: text} | kept, NOW)
    assert after.is_paused("gmail", NOW)


def test_units_given_back_late_come_from_their_own_moment() -> None:
    window = Window(Rate(3, timedelta(minutes=1)))
    for at in (NOW, NOW + 10, NOW + 20):
        window.add(1, at)
    window.take_back(1, NOW + 10)
    assert window.free_at(1, NOW + 30) == NOW + 30
    window.add(1, NOW + 30)
    window.take_back(1, NOW - MINUTE)  # forgotten already: it stays spent
    assert NOW + MINUTE <= window.free_at(1, NOW + 40) <= NOW + MINUTE + 1
    window.take_back(1, NOW + 15)  # nothing was counted at that moment
    assert NOW + MINUTE <= window.free_at(1, NOW + 40) <= NOW + MINUTE + 1
    Window(Rate(3, timedelta(minutes=1))).take_back(1, NOW)


def test_some_of_a_transactions_units_come_back() -> None:
    window = Window(Rate(3, timedelta(minutes=1)))
    window.add(3, NOW)
    window.take_back(2, NOW)
    assert window.free_at(2, NOW + 1) == NOW + 1
    assert window.free_at(3, NOW + 1) > NOW + 1


def test_a_probe_that_is_never_heard_of_again_does_not_shut_the_door() -> None:
    made = shaper()
    block = Classification(Category.SENDER_BLOCKED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "x")
    made.feedback(PLAIN, block, "550 5.7.1 blocked", NOW)
    made.resume(PLAIN.key, "root", NOW)
    assert admit(made, NOW, PLAIN, "example.co.id", 1)
    assert not admit(made, NOW + 29 * MINUTE, PLAIN, "example.co.id", 1)
    assert admit(made, NOW + 30 * MINUTE, PLAIN, "example.co.id", 1)


def test_a_site_that_fails_under_a_pause_by_hand_keeps_the_hands_reason() -> None:
    made = shaper()
    down = Classification(
        Category.NETWORK, Scope.DESTINATION, Action.RETRY_LATER, "failure.refused"
    )
    made.pause(PLAIN.key, None, "root: maintenance", NOW)
    for _ in range(3):  # sessions that were under way
        made.feedback(PLAIN, down, "connection refused", NOW)
    (standing,) = made.standings(NOW)
    assert (standing.state, standing.why) == ("paused", "root: maintenance")


def test_a_laboratorys_longest_pause_bounds_a_rest_too() -> None:
    made = Shaper(PauseSettings(longest=timedelta(seconds=2)), lambda domain: ())
    down = Classification(Category.NETWORK, Scope.DESTINATION, Action.RETRY_LATER, "refused")
    for _ in range(3):
        made.feedback(PLAIN, down, "connection refused", NOW)
    assert made.standings(NOW)[0].paused_until == NOW + 2000


def test_words_of_rates() -> None:
    assert rate(Rate(1, timedelta(seconds=1))) == Rate(1, timedelta(seconds=1))
    assert rate("300/5m") == Rate(300, timedelta(minutes=5))
    assert rates(None) is None
    for wrong in ("0/min", "20", 20, "20/0m", "-1/min", "20/fortnight"):
        with pytest.raises(ValueError, match=r"rate|window"):
            rate(wrong)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("20/mnt", "did you mean 20/min?"),
        ("20 / Menit", "did you mean 20/min?"),
        ("20 per minute", "did you mean 20/min?"),
        ("9/jam", "did you mean 9/hour?"),
        ("9/hari.", "did you mean 9/day?"),
        ("9/hr", "did you mean 9/hour?"),
        ("9/week", "did you mean 9/7d?"),
        ("9/months", "did you mean 9/30d?"),
        ("20/fortnight", "write 20/min, 300/5m, 1500/day"),
        ("twenty", "write 20/min, 300/5m, 1500/day"),
        (20, "write 20/min, 300/5m, 1500/day"),
    ],
)
def test_what_was_meant_by_what_is_no_rate(written: object, hint: str) -> None:
    with pytest.raises(ValueError, match="not a rate") as caught:
        rate(written)
    assert str(caught.value) == f"not a rate: {written!r} ({hint})"


def test_many_own_sites_are_forgotten_before_they_fill_the_memory() -> None:
    profiles = Profiles([parse("name: default\nrate: 10/min\n", "default.yaml")])
    first = profiles.destination_of("d0.example.id", ("mx0.example.id",))
    for n in range(50_002):
        profiles.destination_of(f"d{n}.example.id", (f"mx{n}.example.id",))
    again = profiles.destination_of("d0.example.id", ("mx0.example.id",))
    assert again == first
    assert again.profile == first.profile


def test_a_route_is_unlimited_unless_named() -> None:
    url = "smtp://127.0.0.1:2526"
    named = Layer({url: LimitSettings.model_validate({"rate": "5/min"})}, {})
    shipped = parse("name: default\nrate: 10/min\n", "default.yaml")
    assert Profiles([shipped]).route_destination(url).profile.rates == ()
    limited = Profiles([shipped], [named]).route_destination(url)
    assert limited.profile.rates == (Rate(5, timedelta(minutes=1)),)
