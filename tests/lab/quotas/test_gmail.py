"""Gmail's rules, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.lab.quotas.base import Kind
from relay.lab.quotas.drawn import Drawn
from relay.lab.quotas.gmail import TELLING
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from tests.lab.quotas.house import START, Sender, provider, starts

WIDE = {"minute": 10_000, "hour": 10_000, "day": 10_000}
QUIET = {"warns": 0.0, "names_no_key": 0.0, "names_signer": 0.0}
T = START + HOUR


def gmail(**values: float) -> Drawn:
    return provider("gmail", {**WIDE, **QUIET, **values})


def broken(at: Instant = T, **values: float) -> Sender:
    """A sender that has just broken a quota of three a minute."""
    sender = Sender(gmail(**{"minute": 3, **values}))
    answers = [starts(sender.letter(at)) for _ in range(4)]
    assert answers == ["", "", "", "421-4.7.28"]
    return sender


@pytest.mark.parametrize(
    ("key", "span"), [("minute", MINUTE), ("hour", HOUR), ("day", DAY)], ids=["60s", "1h", "24h"]
)
def test_each_window_slides(key: str, span: int) -> None:
    sender = Sender(gmail(**{key: 3}))
    for n in range(3):
        assert sender.letter(T + n * SECOND) is None
    assert sender.letter(T + span) is None  # the first is just out
    assert starts(sender.letter(T + span)) == "421-4.7.28"


def test_the_signer_s_window_is_wider_and_counts_over_all_ips() -> None:
    sender = Sender(gmail(day=4, signer_day=1.5))
    answers = []
    for n in range(7):
        sender.ip = f"192.0.2.{1 + n % 2}"
        answers.append(sender.letter(T))
    assert [starts(answer) for answer in answers] == [""] * 6 + ["421-4.7.28"]
    assert "DKIM domain lpse.example.go.id" in str(answers[-1])
    sender.ip = "192.0.2.9"
    assert starts(sender.letter(T + SECOND)) == "421-4.7.28"
    sender.signed_by = "other.example.go.id"
    assert sender.letter(T + SECOND) is None


def test_a_penalty_ends_after_its_time_and_every_attempt_renews_it() -> None:
    sender = broken()
    assert starts(sender.letter(T + 10 * MINUTE - 1)) == "421-4.7.28"
    assert starts(sender.letter(T + 10 * MINUTE)) == "421-4.7.28"
    assert sender.letter(T + 20 * MINUTE) is None


def test_a_dead_address_inside_a_penalty_renews_it_too() -> None:
    sender = Sender(provider("gmail", {**WIDE, **QUIET, "minute": 3}, common={"dead": 0.5}))
    is_dead = sender.provider.is_dead
    dead = next(a for n in range(99) if is_dead(a := f"x{n}@gmail.com"))
    alive = [a for n in range(99) if not is_dead(a := f"x{n}@gmail.com")]
    assert [starts(sender.letter(T, a)) for a in alive[:4]] == ["", "", "", "421-4.7.28"]
    assert starts(sender.letter(T + 9 * MINUTE, dead)) == "550-5.1.1"
    assert sender.kinds()[-2:] == [Kind.DEAD, Kind.INSIDE]
    assert starts(sender.letter(T + 18 * MINUTE, alive[4])) == "421-4.7.28"


def test_what_is_in_flight_sees_the_refusal_and_is_no_trying_inside() -> None:
    sender = Sender(gmail(minute=3))
    model = sender.provider
    flying, _ = sender.dial(T)
    tried = sender.tried(flying)
    assert model.mail(tried, T) is None
    assert model.rcpt(tried, T) is None
    for _ in range(3):
        sender.letter(T + SECOND)
    assert starts(model.end(tried, T + 2 * SECOND)) == "421-4.7.28"
    assert Kind.INSIDE not in sender.kinds()
    late = T + SECOND + TELLING
    assert starts(sender.letter(late)) == "421-4.7.28"
    assert sender.kinds()[-2:] == [Kind.INSIDE, Kind.THROTTLED]


def test_after_a_penalty_one_connection_and_a_second_starts_it_again() -> None:
    sender = broken()
    after = T + 10 * MINUTE
    first, _ = sender.dial(after)
    assert sender.carry(sender.tried(first), after) is None
    sender.dial(after + MINUTE)
    assert starts(sender.carry(sender.tried(first), after + MINUTE)) == "421-4.7.28"
    assert Kind.INSIDE not in sender.kinds()  # nobody had been told
    assert starts(sender.letter(after + 10 * MINUTE)) == "421-4.7.28"


def test_one_connection_after_another_is_one() -> None:
    sender = broken()
    for n in range(5):
        assert sender.letter(T + 10 * MINUTE + n * MINUTE) is None


def test_a_second_connection_is_borne_after_the_time_of_one() -> None:
    sender = broken()
    after = T + 20 * MINUTE
    first, _ = sender.dial(after)
    sender.dial(after)
    assert sender.carry(sender.tried(first), after) is None


def test_a_second_connection_counts_even_if_it_says_nothing() -> None:
    sender = broken()
    after = T + 10 * MINUTE
    first, _ = sender.dial(after)
    second, _ = sender.dial(after)
    sender.hang_up(second, after)
    assert starts(sender.carry(sender.tried(first), after)) == "421-4.7.28"


def test_two_connections_kept_open_through_a_penalty_start_it_again() -> None:
    sender = Sender(gmail(minute=3))
    one, _ = sender.dial(T)
    two, _ = sender.dial(T)
    assert [starts(sender.carry(sender.tried(one), T)) for _ in range(4)][-1] == "421-4.7.28"
    after = T + 11 * MINUTE
    assert starts(sender.carry(sender.tried(two), after)) == "421-4.7.28"


def test_the_third_penalty_in_a_day_is_the_notice_s_block_for_an_hour() -> None:
    sender = broken()
    for at in (T + HOUR, T + 2 * HOUR):
        answers = [starts(sender.letter(at)) for _ in range(4)]
    assert answers == ["", "", "", "550-5.7.1"]
    at += HOUR
    assert starts(sender.letter(at - 1)) == "550-5.7.1"  # renews
    assert starts(sender.letter(at)) == "550-5.7.1"
    assert sender.letter(at + HOUR) is None
    assert sender.provider.book.count(Kind.BLOCKED) == 3
    assert Kind.INSIDE not in sender.kinds()  # a block's length is published nowhere


def test_the_third_penalty_counts_within_a_day_only() -> None:
    sender = broken()
    for at in (T + 13 * HOUR, T + DAY):
        answers = [starts(sender.letter(at)) for _ in range(4)]
    assert answers[-1] == "421-4.7.28"


def blocked(sender: Sender, at: Instant) -> Instant:
    """Break the quota at that moment and be blocked; returns when the block ends.

    The end is read from the model: to try it from outside would renew it.
    """
    refused = [starts(sender.letter(at)) for _ in range(4)]
    assert refused == ["", "", "", "550-5.7.1"]
    ends: Instant = getattr(sender.provider, "_penalties")[sender.ip].until  # noqa: B009
    return ends


def test_blocks_grow_to_a_day_and_one_level_is_forgotten_per_clean_day() -> None:
    sender = broken()
    assert [starts(sender.letter(T + HOUR)) for _ in range(4)][-1] == "421-4.7.28"
    at = T + 2 * HOUR
    lengths = []
    for _ in range(3):
        ends = blocked(sender, at)
        lengths.append((ends - at) // HOUR)
        at = ends
    assert lengths == [1, 4, 24]
    # The day-long block over, earlier penalties are a day old: a 421 again, then a third.
    clean = at + DAY
    for gap in (0, HOUR):
        assert [starts(sender.letter(clean + gap)) for _ in range(4)][-1] == "421-4.7.28"
    at = clean + 2 * HOUR
    # One clean day took level three down to two; the strike takes it up again: a day.
    assert (blocked(sender, at) - at) // HOUR == 24


def test_after_a_block_connections_are_not_counted() -> None:
    sender = broken()
    assert [starts(sender.letter(T + HOUR)) for _ in range(4)][-1] == "421-4.7.28"
    ends = blocked(sender, T + 2 * HOUR)
    sender.dial(ends)
    assert sender.letter(ends) is None


def test_going_on_inside_a_block_leads_to_the_next() -> None:
    sender = broken()
    for n in range(21):
        sender.letter(T + n)
    levels = [(T + 21, 1), (T + 42, 4), (T + 63, 24)]
    for at, hours in levels:
        penalty = getattr(sender.provider, "_penalties")[sender.ip]  # noqa: B009
        assert penalty.length == hours * HOUR
        for n in range(20):
            sender.letter(at + n)
        assert penalty.length == hours * HOUR
        sender.letter(at + 20)


def test_a_clean_week_forgets_all() -> None:
    sender = broken()
    assert [starts(sender.letter(T + HOUR)) for _ in range(4)][-1] == "421-4.7.28"
    at = T + 2 * HOUR
    for _ in range(2):
        at = blocked(sender, at)
    at += 7 * DAY
    for gap in (0, HOUR):
        assert [starts(sender.letter(at + gap)) for _ in range(4)][-1] == "421-4.7.28"
    at += 2 * HOUR
    assert (blocked(sender, at) - at) // HOUR == 1


def test_more_than_twenty_attempts_inside_one_are_a_block() -> None:
    sender = broken()
    answers = [starts(sender.letter(T + n * SECOND)) for n in range(1, 23)]
    assert answers == ["421-4.7.28"] * 20 + ["550-5.7.1"] * 2
    assert starts(sender.letter(T + 30 * MINUTE)) == "550-5.7.1"


@pytest.mark.parametrize(
    ("names_no_key", "names_signer", "says", "frees"),
    [
        (0.0, 0.0, "IP\r\n421-4.7.28 address 192.0.2.1", "ip"),
        (0.0, 1.0, "DKIM domain lpse.example.go.id", "signer"),
        (1.0, 0.0, "unusual rate of email. To protect", ""),
    ],
    ids=["ip", "signer", "none"],
)
def test_what_it_names_is_punished(
    names_no_key: float, names_signer: float, says: str, frees: str
) -> None:
    sender = Sender(gmail(minute=3, names_no_key=names_no_key, names_signer=names_signer))
    for _ in range(3):
        sender.letter(T)
    assert says in str(sender.letter(T))
    at = T + 2 * MINUTE
    sender.ip = "192.0.2.2"
    by_another_ip = starts(sender.letter(at))
    sender.ip, sender.signed_by = "192.0.2.1", "other.example.go.id"
    by_another_signer = starts(sender.letter(at))
    assert (by_another_ip == "") is (frees == "ip")
    assert (by_another_signer == "") is (frees == "signer")


def test_one_address_gets_five_a_minute() -> None:
    sender = Sender(gmail())
    answers = [starts(sender.letter(T, "one@gmail.com")) for _ in range(6)]
    assert answers == [""] * 5 + ["450-4.2.1"]
    assert sender.letter(T, "two@gmail.com") is None
    assert sender.letter(T + MINUTE, "one@gmail.com") is None


def test_one_message_id_goes_a_hundred_times_an_hour() -> None:
    sender = Sender(gmail())
    answers = [sender.letter(T, message_id="<same@x>") for _ in range(101)]
    assert answers[:100] == [None] * 100
    assert "same Message-ID" in str(answers[100])
    assert sender.kinds()[-1] is Kind.CONTENT
    assert sender.letter(T, message_id="<other@x>") is None
    assert sender.letter(T + HOUR, message_id="<same@x>") is None


def test_it_wants_tls() -> None:
    sender = Sender(gmail(), is_encrypted=False)
    assert starts(sender.letter(T)) == "421-4.7.29"


def test_half_of_the_draws_warn() -> None:
    warns = sum(
        1
        for seed in range(200)
        if getattr(provider("gmail", seed=seed), "_warns")  # noqa: B009
    )
    assert 75 <= warns <= 125


def test_it_warns_on_a_few_attempts_near_the_quota_and_never_before() -> None:
    sender = Sender(gmail(warns=1.0, warn_share=0.5, day=100))
    answers = [starts(sender.letter(T + n * MINUTE)) for n in range(200)]
    assert answers[:85] == [""] * 85
    near = answers[85:98]
    assert {"", "421-4.7.0"} == set(near)
    assert sender.provider.book.count(Kind.WARNED) == answers.count("421-4.7.0")


def test_inside_a_penalty_it_does_not_warn() -> None:
    sender = Sender(gmail(minute=3, warns=1.0, warn_share=0.5, attempts=1000))
    answers = [starts(sender.letter(T + n)) for n in range(60)]
    first = answers.index("421-4.7.28")
    assert answers[first:] == ["421-4.7.28"] * (60 - first)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 20_000), min_size=1, max_size=120),
    st.integers(1, 20),
    st.integers(1, 60),
)
def test_it_never_takes_more_than_its_windows(gaps: list[int], minute: int, hour: int) -> None:
    sender = Sender(gmail(minute=minute, hour=hour))
    now = T
    for gap in gaps:
        now += gap
        sender.letter(now)
    taken = [entry.at for entry in sender.provider.book.entries if entry.kind is Kind.ACCEPTED]
    for quota in sender.provider.quotas("gmail.com", now):
        for at in taken:
            assert sum(1 for other in taken if at - quota.span < other <= at) <= quota.count
    assert taken  # the first is always borne
