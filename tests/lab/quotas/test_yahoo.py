"""Yahoo's rules, one by one."""

from __future__ import annotations

import pytest

from relay.lab.quotas.base import Kind
from relay.lab.quotas.drawn import Drawn
from relay.mail.delivery import FailureKind
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from tests.lab.quotas.house import START, Sender, provider, starts

T = START + HOUR
WIDE = {"five_minutes": 10_000, "hour": 10_000, "penalty": 2 * HOUR}


def yahoo(dead: float = 0.0, **values: float) -> Drawn:
    return provider("yahoo", {**WIDE, **values}, common={"dead": dead})


@pytest.mark.parametrize(("key", "span"), [("five_minutes", 5 * MINUTE), ("hour", HOUR)])
def test_each_window_slides(key: str, span: int) -> None:
    sender = Sender(yahoo(**{key: 3}))
    for n in range(3):
        assert sender.letter(T + n * SECOND) is None
    assert sender.letter(T + span) is None
    assert starts(sender.letter(T + span)) == "421"


def test_it_says_tss04_at_mail_and_trying_renews_nothing() -> None:
    sender = Sender(yahoo(five_minutes=3))
    for _ in range(3):
        sender.letter(T)
    session, _ = sender.dial(T)
    assert "[TSS04] Messages from 192.0.2.1" in str(sender.provider.mail(sender.tried(session), T))
    for minute in range(1, 120, 7):
        assert "[TSS04]" in str(sender.letter(T + minute * MINUTE))
    assert sender.letter(T + 2 * HOUR) is None


def test_a_penalty_takes_from_half_an_hour_to_four() -> None:
    lengths = set()
    for seed in range(40):
        model = provider("yahoo", {"five_minutes": 1, "hour": 10_000}, seed=seed)
        sender = Sender(model)
        sender.letter(T)
        assert starts(sender.letter(T)) == "421"
        assert starts(sender.letter(T + 30 * MINUTE - 1)) == "421"
        assert sender.letter(T + 4 * HOUR) is None
        lengths.add(getattr(model, "_records")[sender.ip].until)  # noqa: B009
    assert len(lengths) == 40


def test_the_third_in_a_day_is_tss09_for_four_hours() -> None:
    sender = Sender(yahoo(five_minutes=3))
    for at in (T, T + 2 * HOUR):
        assert "[TSS04]" in str([sender.letter(at) for _ in range(4)][-1])
    at = T + 4 * HOUR
    assert "[TSS09]" in str([sender.letter(at) for _ in range(4)][-1])
    assert starts(sender.letter(at + 4 * HOUR - 1)) == "553"
    assert sender.letter(at + 4 * HOUR) is None
    assert sender.kinds().count(Kind.BLOCKED) == 2


def test_the_third_counts_within_a_day_only() -> None:
    sender = Sender(yahoo(five_minutes=3))
    for at in (T, T + 2 * HOUR, T + DAY):
        last = [sender.letter(at) for _ in range(4)][-1]
    assert "[TSS04]" in str(last)


def test_it_closes_without_a_word_after_so_many_letters() -> None:
    sender = Sender(yahoo(per_connection=5))
    session, _ = sender.dial(T)
    answers = [sender.carry(sender.tried(session), T) for _ in range(6)]
    assert answers == [None] * 5 + [FailureKind.LOST]
    assert sender.letter(T) is None


def test_unknown_users_are_said_after_the_dot_without_an_enhanced_code() -> None:
    sender = Sender(yahoo(dead=1.0))
    session, _ = sender.dial(T)
    tried = sender.tried(session, "gone@yahoo.com")
    assert sender.provider.mail(tried, T) is None
    assert sender.provider.rcpt(tried, T) is None
    said = str(sender.provider.end(tried, T))
    assert said.startswith("554 delivery error: dd This user doesn't have a yahoo.com account")
    assert "(gone@yahoo.com)" in said


def test_too_many_dead_among_the_last_five_hundred_halve_the_quota_for_a_day() -> None:
    sender = Sender(yahoo(dead=0.5))
    model = sender.provider
    dead = [a for n in range(200) if model.is_dead(a := f"x{n}@yahoo.com")]
    alive = [a for n in range(2000) if not model.is_dead(a := f"x{n}@yahoo.com")]
    for n in range(459):
        sender.letter(T, alive[n % len(alive)])
    for address in dead[:40]:
        sender.letter(T, address)
    assert model.quotas("yahoo.com", T)[0].count == 10_000
    sender.letter(T, alive[0])  # 500 now, 40 of them dead: 8 %, and not more
    assert model.quotas("yahoo.com", T)[0].count == 10_000
    sender.letter(T, dead[40])
    assert model.quotas("yahoo.com", T)[0].count == 5_000
    for n in range(500):
        sender.letter(T + MINUTE, alive[n % len(alive)])
    assert model.quotas("yahoo.com", T + DAY - 1)[0].count == 5_000
    assert model.quotas("yahoo.com", T + DAY)[0].count == 10_000


def test_the_halved_quota_is_what_is_borne() -> None:
    sender = Sender(yahoo(dead=1.0, dead_among=1, five_minutes=10))
    answers = [starts(sender.letter(T)) for _ in range(6)]
    assert answers == ["554"] * 5 + ["421"]


def test_a_lying_directory_costs_no_quota() -> None:
    model = provider("yahoo", WIDE, "false-dead")
    sender = Sender(model)
    at = model.draw.variant.false_from
    for _ in range(600):
        assert starts(sender.letter(at)) == "554"
    assert model.quotas("yahoo.com", at)[0].count == 10_000
