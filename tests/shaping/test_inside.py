"""What is written for a domain inside a provider: its warm-up is kept, and what is not is told."""

from __future__ import annotations

from relay.mail.events import Alert
from relay.mail.instant import DAY, HOUR, SECOND
from relay.mail.urgency import Urgency
from relay.shaping import hours
from relay.shaping.base import SHORT, Reason, Short, Wait
from relay.shaping.destination import Destination
from relay.shaping.profiles import Layer, Profiles
from relay.shaping.settings import LimitSettings, ProviderSettings
from relay.shaping.shaper import Shaper
from tests.shaping.house import BLOCK
from tests.shaping.test_profiles import shipped
from tests.shaping.test_sites import NOW, TENANT, book, shaper_of

PLAN = {"warmup": {"start": "5/day", "growth": 2, "end": "40/day"}}


def admitted(
    made: Shaper, to: Destination, domain: str, now: int, urgency: Urgency = Urgency.MASSAL
) -> Wait | None:
    said = made.admit(to, domain, 1, now, urgency)
    if said is SHORT:
        made.set_aside(made.setting_aside(now), now)
        said = made.admit(to, domain, 1, now, urgency)
    assert not isinstance(said, Short)
    return said


def road(*domains: str) -> tuple[Shaper, Destination]:
    profiles = book(dict.fromkeys(domains, PLAN))
    to = profiles.destination_of("a.go.id", TENANT)
    profiles.destination_of("b.go.id", TENANT)
    assert to.key == "m365"
    return shaper_of(profiles), to


def test_the_warm_up_of_a_domain_at_a_provider_holds_its_letters_alone() -> None:
    made, to = road("a.go.id")
    now = NOW
    for n in range(5):
        now += 30 * SECOND
        urgency = Urgency.MENDESAK if n == 0 else Urgency.MASSAL  # exempt, and counted
        assert admitted(made, to, "a.go.id", now, urgency) is None
    wait = admitted(made, to, "a.go.id", now + HOUR)
    assert isinstance(wait, Wait)
    assert (wait.domain, wait.reason) == ("a.go.id", Reason.WARM_UP)
    assert wait.why == "the warm-up of a.go.id: 5 on sending day 1"
    assert wait.until == NOW + 30 * SECOND + DAY
    assert wait.looked_at(now) == now + 5 * SECOND  # an urgent one may come
    assert admitted(made, to, "a.go.id", now + HOUR, Urgency.MENDESAK) is None
    assert admitted(made, to, "b.go.id", now + HOUR + 30 * SECOND) is None
    made.refund(to, "a.go.id", 2, now + HOUR, now + HOUR)
    assert admitted(made, to, "a.go.id", now + 2 * HOUR) is None
    found = made.explain(to, "a.go.id", now + 2 * HOUR, Urgency.MASSAL)
    assert found.inside is not None
    ((whose, ahead),) = found.inside.warmups
    assert (whose, ahead.sent, ahead.plan.start) == ("@a.go.id", 5, 5)
    assert found.inside.places == {"@a.go.id": "relay.yaml:2"}
    assert found.an_hour == 0
    kritis = made.explain(to, "a.go.id", now + 2 * HOUR, Urgency.KRITIS)
    assert kritis.inside is not None and kritis.inside.warmups == ()


def test_it_survives_a_restart_and_is_frozen_by_a_block() -> None:
    made, to = road("a.go.id", f"mx:{TENANT[0]}")
    for n in range(5):
        assert admitted(made, to, "a.go.id", NOW + n * 30 * SECOND) is None
    kept = made.dirty(NOW + HOUR, is_last=True)
    assert {"warmup:@a.go.id", f"warmup:mx:{TENANT[0]}"} <= set(kept)
    again, to = road("a.go.id", f"mx:{TENANT[0]}")
    again.restore(kept, NOW + HOUR)
    assert isinstance(admitted(again, to, "a.go.id", NOW + HOUR), Wait)
    told = again.feedback(to, BLOCK, "550 5.7.1 blocked", NOW + HOUR, domain="a.go.id")
    names = {event.name for event in told if isinstance(event, Alert)}
    assert {"warmup_frozen:a.go.id", f"warmup_frozen:mx:{TENANT[0]}"} <= names


def test_what_is_not_obeyed_is_alerted_once_and_after_a_reload() -> None:
    profiles = book({"a.go.id": {"connections": 1, "rate": "9/min"}})
    to, made = profiles.destination_of("a.go.id", TENANT), shaper_of(profiles)
    (alert,) = made.feedback(to, None, "250 OK", NOW, domain="a.go.id")
    assert isinstance(alert, Alert)
    assert (alert.name, alert.detail) == (
        "not_in_force:a.go.id",
        "not in force: connections of a.go.id (relay.yaml:2), for its mail goes to m365: "
        "write it for m365",
    )
    assert made.feedback(to, None, "250 OK", NOW, domain="a.go.id") == []
    made.use(made._pauses, profiles.within, profiles.names)
    assert len(made.feedback(to, None, "250 OK", NOW, domain="a.go.id")) == 1
    own = profiles.destination_of("a.go.id", ["mx.a.go.id"])
    assert shaper_of(profiles).feedback(own, None, "250 OK", NOW, domain="a.go.id") == []


def test_each_word_of_a_limit_has_a_place_of_its_own() -> None:
    """shipped < relay.yaml < site.d/*.yaml, word by word; the last wins."""
    said = LimitSettings.model_validate({"rate": "9/min", "hours": "06:00-22:00 WIB"})
    lines = {"limits.gmail.com": 4, "limits.gmail.com.rate": 5, "limits.gmail.com.hours": 6}
    main = Layer({"gmail.com": said}, {}, "relay.yaml", lines)
    later = Layer(
        {"gmail.com": LimitSettings.model_validate({"connections": 1})},
        {"gmail": ProviderSettings.model_validate({"tls": "required"})},
        "site.d/a.yaml",
        {"limits.gmail.com": 9, "providers.gmail": 2},
    )
    every = LimitSettings.model_validate({"rate": "900/day", "messages_per_connection": 2})
    last = Layer({"*": every}, {}, "site.d/b.yaml", {"limits.*": 3})
    gmail = Profiles(shipped(), [main, later, last]).items()["gmail"]
    words = ("rates", "hours", "connections", "tls", "messages_per_connection", "pipelining")
    assert [gmail.place(word) for word in words] == [
        "relay.yaml:5",
        "relay.yaml:6",
        "site.d/a.yaml:9",
        "site.d/a.yaml:2",
        "site.d/b.yaml:3",
        gmail.where,
    ]
    lowered = Profiles(shipped(), [last]).items()["gmail"]
    (day,) = (rate for rate in lowered.rates if rate.count == 900)
    assert lowered.place("rates", day) == "site.d/b.yaml:3"
    assert lowered.place("rates", lowered.rates[0]).endswith("gmail.yaml")


def test_hours_that_are_shared() -> None:
    one, other = hours.parse("06:00-12:00 UTC"), hours.parse("10:00-22:00 UTC")
    midnight = NOW - NOW % DAY
    both = hours.shared(one, other, one, None)
    assert both is not None and str(both) == "06:00-12:00 UTC and 10:00-22:00 UTC"
    ten = midnight + 10 * HOUR
    assert both.open_at(midnight) == ten and both.open_at(ten + HOUR) == ten + HOUR
    assert both.closes_at(ten) == ten + 2 * HOUR
    assert both.after(midnight, 3 * HOUR) == ten + DAY + HOUR
    assert both.within(midnight, midnight + DAY) == [2 * HOUR]
    never = hours.shared(one, hours.parse("20:00-21:00 UTC"))
    assert never is not None
    assert never.open_at(midnight) == midnight + hours.NEVER
    assert never.after(midnight, HOUR) >= midnight + hours.NEVER
    assert never.within(midnight, midnight + DAY) == []
    assert hours.shared(None, one) is one and hours.shared(None) is None
