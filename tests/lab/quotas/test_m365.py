"""Microsoft 365's rules, one by one."""

from __future__ import annotations

import statistics

from relay.lab.quotas.base import Kind
from relay.lab.quotas.drawn import Drawn
from relay.lab.quotas.m365 import M365
from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.mail.reply import Stage
from tests.lab.quotas.house import START, Sender, provider, starts


def m365(**values: float) -> M365:
    found: Drawn = provider("m365", {"day": 10, "refusing_tenants": 0.0, **values})
    assert isinstance(found, M365)
    return found


def quota(model: M365, now: Instant) -> int:
    return model.quotas(model.domains[0], now)[0].count


def test_a_day_s_quota_and_a_quarter_of_an_hour_that_nothing_renews() -> None:
    sender = Sender(m365())
    answers = [starts(sender.letter(START + n * 2 * HOUR)) for n in range(11)]
    assert answers == [""] * 10 + ["451"]
    # Over it still when the quarter is over; and the window slides.
    refused = START + 20 * HOUR
    for minutes in (5, 14, 16, 29):
        assert starts(sender.letter(refused + minutes * MINUTE)) == "451"
    assert sender.letter(START + DAY) is None


def test_a_penalty_holds_even_where_the_window_is_free_again() -> None:
    sender = Sender(m365(day=1))
    sender.letter(START)
    assert starts(sender.letter(START + DAY - MINUTE)) == "451"
    assert starts(sender.letter(START + DAY + 13 * MINUTE)) == "451"
    assert sender.letter(START + DAY + 14 * MINUTE) is None


def test_the_quota_grows_by_half_after_a_day_with_mail() -> None:
    model = m365(day=100)
    sender = Sender(model)
    grown = []
    for day in range(4):
        sender.letter(START + day * DAY)
        grown.append(quota(model, START + day * DAY))
    assert grown == [100, 150, 225, 337]


def test_it_does_not_grow_after_a_day_with_refusals_or_without_mail() -> None:
    model = m365(day=2)
    sender = Sender(model)
    answers = [starts(sender.letter(START)) for _ in range(3)]
    assert answers == ["", "", "451"]
    assert quota(model, START + DAY) == 2
    assert quota(model, START + 5 * DAY) == 2
    sender.letter(START + 5 * DAY)
    assert quota(model, START + 7 * DAY) == 3


def test_some_tenants_refuse_and_the_others_do_not() -> None:
    model = m365(day=1000, refusing_tenants=0.1)
    sender = Sender(model)
    said = {d: starts(sender.letter(START, f"a@{d}")) for d in model.domains}
    assert sorted(d for d, word in said.items() if word == "550-5.7.1") == sorted(model.refusing)
    assert len(model.refusing) == 5
    assert sender.kinds().count(Kind.CONTENT) == 5


def test_all_tenants_share_the_ip_s_quota_and_another_ip_has_its_own() -> None:
    model = m365(day=3)
    sender = Sender(model)
    answers = [starts(sender.letter(START, f"a@{d}")) for d in model.domains[:4]]
    assert answers == ["", "", "", "451"]
    sender.ip = "192.0.2.2"
    assert sender.letter(START) is None


def test_it_is_slow_for_twenty_minutes_twice_a_day() -> None:
    model = m365()
    for day in range(2):
        slow = [m for m in range(24 * 60) if model.is_slow(START + day * DAY + m * MINUTE)]
        assert len(slow) == 40
    now = START + slow[0] * MINUTE + DAY
    usual = statistics.median(m365().seconds(Stage.RCPT, "", START - 1) for _ in range(99))
    slow_ones = statistics.median(
        [model.seconds(Stage.RCPT, "", now) for _ in range(999) if model.is_slow(now)]
    )
    assert slow_ones > 3 * usual
