"""Outlook.com's rules, one by one."""

from __future__ import annotations

from relay.lab.quotas.base import Kind
from relay.lab.quotas.drawn import Drawn
from relay.mail.instant import HOUR, MINUTE
from tests.lab.quotas.house import START, Sender, provider, starts

T = START + HOUR


def outlook(**values: float) -> Drawn:
    return provider("outlook", {"per_minute": 6, "refusals": 50, **values})


def test_a_bucket_of_thirty_refuses_and_does_not_punish() -> None:
    sender = Sender(outlook())
    answers = [starts(sender.letter(T)) for _ in range(31)]
    assert answers == [""] * 30 + ["451"]
    assert sender.letter(T + MINUTE // 6) is None
    assert starts(sender.letter(T + MINUTE // 6)) == "451"


def test_both_codes_are_said() -> None:
    sender = Sender(outlook())
    said = [str(sender.letter(T)) for _ in range(34)]
    assert {text[:9] for text in said[30:]} == {"451 4.7.6"}
    assert {text[9:11] for text in said[30:]} == {"50", "52"}


def test_who_is_refused_too_often_is_listed_until_delisted() -> None:
    sender = Sender(outlook(delisted_after=5 * HOUR))
    for _ in range(30):
        sender.letter(T)
    answers = [starts(sender.letter(T)) for _ in range(51)]
    assert answers == ["451"] * 50 + ["550"]
    assert "(S3150)" in str(sender.letter(T + HOUR))
    assert "(S3150)" in str(sender.letter(T + 5 * HOUR - 1))
    assert sender.letter(T + 5 * HOUR) is None
    assert sender.kinds().count(Kind.ADMINISTRATIVE) == 3


def test_refusals_are_counted_within_an_hour() -> None:
    sender = Sender(outlook(refusals=5))
    for _ in range(30):
        sender.letter(T)
    for _ in range(5):
        assert starts(sender.letter(T)) == "451"
    at = T + HOUR
    for _ in range(30):
        assert sender.letter(at) is None
    assert starts(sender.letter(at)) == "451"


def test_delisting_takes_from_four_hours_to_a_day() -> None:
    hours = []
    for seed in range(30):
        sender = Sender(provider("outlook", {"per_minute": 6, "refusals": 1}, seed=seed))
        for _ in range(32):
            sender.letter(T)
        until = getattr(sender.provider, "_records")[sender.ip].listed_until  # noqa: B009
        hours.append((until - T) / HOUR)
    assert 4 <= min(hours) < 9
    assert 19 < max(hours) <= 24


def test_the_eleventh_connection_is_refused_in_the_banner() -> None:
    sender = Sender(outlook())
    sessions = [sender.dial(T) for _ in range(11)]
    assert [starts(answer) for _, answer in sessions] == [""] * 10 + ["421"]
    assert "RP-003" in str(sessions[10][1])
    sender.hang_up(sessions[0][0], T)
    assert sender.dial(T)[1] is None


def test_one_address_gets_thirty_an_hour() -> None:
    sender = Sender(outlook(per_minute=40, depth=100))
    answers = [starts(sender.letter(T, "one@outlook.com")) for _ in range(31)]
    assert answers == [""] * 30 + ["554"]
    assert sender.letter(T, "two@outlook.com") is None
    assert sender.letter(T + HOUR, "one@outlook.com") is None


def test_the_window_that_it_tells_to_oracles_is_borne_in_bursts_for_ever() -> None:
    for rate in (5, 17, 40):
        sender = Sender(outlook(per_minute=rate))
        (quota,) = sender.provider.quotas("outlook.com", T)
        for n in range(10):
            for _ in range(quota.count):
                assert sender.letter(T + n * quota.span) is None
        assert quota.count / quota.span * MINUTE > rate * 0.99
