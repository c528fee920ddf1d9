"""A rehearsal: letters leave under the limits, sessions are kept, and all ends well."""

from __future__ import annotations

import pytest

from relay.lab.quotas.base import Answer, Try
from relay.lab.rehearsing import loop
from relay.lab.rehearsing.cases import BEGINS
from relay.lab.rehearsing.playing import played
from relay.lab.rehearsing.scoring import score
from relay.lab.rehearsing.sides import OURS
from relay.lab.virtual_time import Stalled, VirtualClock
from relay.mail.delivery import FailureKind, State
from relay.mail.instant import Instant
from relay.mail.reply import Stage
from tests.lab.rehearsing.house import BUSY, HOSTS, HOUR, MINUTE, Stub, letters, run_of


def _states(outcome_ends: object) -> set[State]:
    return {end.state for end in outcome_ends.values()}  # type: ignore[attr-defined]


def test_all_letters_go_and_no_limit_is_exceeded() -> None:
    provider = Stub()
    outcome = played(run_of(provider, letters(100)), OURS)
    found = score(outcome)
    assert _states(outcome.ends) == {State.DELIVERED}
    assert (found.delivered, found.tried, found.over, found.lost) == (100, 100, 0, 0)
    assert len(found.announced) == 100
    assert not provider.open


def test_sessions_are_kept_for_as_many_letters_as_one_may_carry() -> None:
    provider = Stub()
    played(run_of(provider, letters(40)), OURS)
    assert len(provider.dialled) == 4  # ten letters each
    assert set(provider.dialled) == {HOSTS[0]}


def test_an_idle_session_is_hung_up() -> None:
    provider = Stub()
    played(run_of(provider, letters(5, every=MINUTE)), OURS)
    assert len(provider.dialled) == 5


def test_the_next_host_is_tried_after_a_refused_connection() -> None:
    provider = Stub(refuses=frozenset({HOSTS[0]}))
    outcome = played(run_of(provider, letters(1)), OURS)
    assert provider.dialled == list(HOSTS)
    assert _states(outcome.ends) == {State.DELIVERED}


@pytest.mark.parametrize(
    ("banner", "falls_over"),
    [
        ("554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", False),
        ("421 4.7.0 Too many connections from your host", False),
        ("554 no such thing here", True),
    ],
)
def test_after_a_refusing_banner_only_where_its_words_are_unknown(
    banner: str, falls_over: bool
) -> None:
    provider = Stub(banner=banner)
    played(run_of(provider, letters(1), length=MINUTE), OURS)
    assert (HOSTS[1] in provider.dialled) is falls_over


def test_a_session_closed_without_a_word_costs_neither_letter_nor_unit() -> None:
    def closes(stage: Stage, tried: Try | None, now: Instant) -> Answer:
        is_spent = tried is not None and tried.carried >= 3
        return FailureKind.LOST if stage is Stage.MAIL and is_spent else None

    provider = Stub(closes)
    outcome = played(run_of(provider, letters(9)), OURS)
    assert _states(outcome.ends) == {State.DELIVERED}
    assert score(outcome).tried == 9
    assert len(provider.dialled) == 3


def test_a_throttle_hangs_up_and_no_letter_goes_meanwhile() -> None:
    refused: list[Instant] = []

    def once(stage: Stage, tried: Try | None, now: Instant) -> Answer:
        if stage is Stage.EOD and now > BEGINS + 10_000 and not refused:
            refused.append(now)
            return BUSY
        return None

    provider = Stub(once)
    outcome = played(run_of(provider, letters(200), length=2 * HOUR), OURS)
    written = next(iter(outcome.written.values()))
    after = [at for at in written if at > refused[0]]
    assert after[1] - refused[0] >= 10 * MINUTE  # one more may have been under way
    assert score(outcome).throttled == 1
    assert len(provider.open) == 0


def test_a_restart_loses_nothing_and_sends_nothing_twice() -> None:
    provider = Stub()
    run = run_of(provider, letters(300), rate="10/min", restart_at=BEGINS + 7 * MINUTE)
    outcome = played(run, OURS)
    found = score(outcome)
    assert (found.delivered, found.twice, found.over, found.lost) == (300, 0, 0, 0)


def test_a_lost_letter_is_found() -> None:
    provider = Stub()
    outcome = played(run_of(provider, letters(3)), OURS)
    provider.book.entries.pop()
    assert score(outcome).lost == 1


def test_time_that_stands_still_is_told() -> None:
    async def main(clock: VirtualClock) -> None:
        import asyncio

        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stalled, match="stands still"):
        loop.run(main, BEGINS)


def test_days_pass_at_once_on_the_swift_loop() -> None:
    import asyncio

    async def main(clock: VirtualClock) -> int:
        asyncio.get_running_loop().call_later(5, lambda: None).cancel()
        await asyncio.sleep(86_400)
        return clock.now()

    assert loop.run(main, BEGINS) == BEGINS + 24 * HOUR
