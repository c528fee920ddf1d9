"""The road from the queue to the outcome, in virtual time with the real shaper and settle."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, Failure, FailureKind, State
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.store.memory import MemoryStore
from tests.scheduling import (
    BLOCKED,
    OK,
    SENDER,
    Answer,
    accept,
    house,
    most_in,
    per_minute,
    profiles,
)

UNKNOWN = "550-5.1.1 The email account that you tried to reach does not exist. gsmtp"


def test_a_letter_is_delivered_and_told_once() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            one = await h.put("vendor@gmail.com")
            await asyncio.sleep(5)
            assert await h.state(one) is State.DELIVERED
            assert len(h.of(events.Delivered)) == 1
            assert [a.is_accepted for a in await h.store.attempts(one, 0)] == [True]
            assert not h.of(events.Alert)

    run(main)


def test_a_limit_is_kept_exactly_and_used_up() -> None:
    async def main(clock: VirtualClock) -> list[Instant]:
        async with house(clock, accept, book=profiles(gmail_com=per_minute(20))) as h:
            for n in range(100):
                await h.put(f"v{n}@gmail.com")
            await asyncio.sleep(5 * 60 + 10)
            return h.written()

    written = run(main)
    assert len(written) == 100
    assert most_in(written, timedelta(minutes=1)) <= 20


def test_sixty_letters_arrive_though_gmail_blocks_in_the_middle() -> None:
    """A block for 10 minutes that each attempt within it renews."""
    block: list[Instant] = [0]
    seen: list[Instant] = []
    tried_inside: list[Instant] = []

    def gmail(delivery: Delivery, now: Instant) -> Answer:
        if now < block[0]:
            tried_inside.append(now)
            block[0] = now + 10 * MINUTE
            return BLOCKED
        seen.append(now)
        if len([at for at in seen if at > now - MINUTE]) > 15:
            block[0] = now + 10 * MINUTE
            return BLOCKED
        return OK

    async def main(clock: VirtualClock) -> None:
        async with house(clock, gmail, book=profiles(gmail_com=per_minute(60))) as h:
            for n in range(60):
                await h.put(f"v{n}@gmail.com", urgency=Urgency.MASSAL)
            await asyncio.sleep(6 * 3600)
            assert await h.states() == {State.DELIVERED: 60}
            paused = h.of(events.Paused)
            assert 1 <= len(paused) <= 3
            assert len(h.of(events.Resumed)) == len(paused)
            assert h.of(events.Alert)
            assert "gmail" in h.transport.hung_up
            assert len(tried_inside) <= 2  # what was in flight when it began
            tries = [d.tries for _, d in h.transport.written]
            assert max(tries) == 0  # a provider's block never advances a letter's own backoff

    run(main)


def test_a_refused_letter_does_not_ask_again_while_another_can() -> None:
    poison = "v0@gmail.com"
    asked: list[str] = []

    def gmail(delivery: Delivery, now: Instant) -> Answer:
        asked.append(delivery.recipient)
        return BLOCKED if delivery.recipient == poison else OK

    async def main(clock: VirtualClock) -> None:
        async with house(clock, gmail, book=profiles(gmail_com=per_minute(20))) as h:
            for n in range(5):
                await h.put(f"v{n}@gmail.com")
            await asyncio.sleep(2 * 3600)
            states = await h.states()
            assert states[State.DELIVERED] == 4

    run(main)
    assert asked[0] == poison


def test_a_critical_letter_overtakes_what_was_claimed() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, book=profiles(gmail_com=per_minute(20))) as h:
            for n in range(300):
                await h.put(f"v{n}@gmail.com", urgency=Urgency.MASSAL)
            await asyncio.sleep(60)
            began = clock.now()
            one = await h.put("direktur@gmail.com", urgency=Urgency.KRITIS)
            await asyncio.sleep(10)
            assert await h.state(one) is State.DELIVERED
            at = next(at for at, d in h.transport.written if d.message_id == one)
            assert at - began <= 5 * SECOND

    run(main)


def test_a_restart_remembers_what_was_written() -> None:
    async def main(clock: VirtualClock) -> list[Instant]:
        store = MemoryStore()
        book = profiles(gmail_com=per_minute(5))
        written: list[Instant] = []
        for _ in range(6):
            async with house(clock, accept, book=book, store=store) as h:
                for n in range(10):
                    await h.put(f"v{n}@gmail.com")
                await asyncio.sleep(17)
                written += h.written()
        return written

    written = run(main)
    assert len(written) >= 8
    assert most_in(written, timedelta(minutes=1)) <= 5


def test_a_pause_survives_a_restart() -> None:
    answers = {"gmail": BLOCKED}

    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        async with house(clock, lambda d, now: answers["gmail"], store=store) as h:
            await h.put("vendor@gmail.com")
            await asyncio.sleep(5)
            assert h.shaper.is_paused("gmail", clock.now())
        answers["gmail"] = OK
        async with house(clock, lambda d, now: answers["gmail"], store=store) as h:
            await asyncio.sleep(9 * 60)
            assert not h.transport.written
            await asyncio.sleep(4 * 60)
            assert len(h.transport.written) == 1
            assert (await h.states())[State.DELIVERED] == 1

    run(main)


def test_a_dead_site_rests_as_one_and_bounces_nobody() -> None:
    async def main(clock: VirtualClock) -> None:
        down = Failure(FailureKind.REFUSED, "connection refused")
        up_at = clock.now() + 3 * HOUR

        def site(delivery: Delivery, now: Instant) -> Answer:
            return OK if now >= up_at else down

        async with house(clock, site) as h:
            for n in range(40):
                await h.put(f"v{n}@dinas.example.go.id")
            await asyncio.sleep(3 * 3600)
            assert len(h.transport.written) < 60  # not forty each five minutes
            assert h.of(events.Paused)
            assert not h.of(events.Bounced)
            await asyncio.sleep(6 * 3600)
            assert await h.states() == {State.DELIVERED: 40}

    run(main)


@pytest.mark.parametrize("lookups_back", [2, 20])
def test_a_missing_domain_bounces_only_after_long_and_often(lookups_back: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            missing = Failure(FailureKind.NXDOMAIN, "gmial.com does not exist")
            h.router.failures["gmial.com"] = missing
            one = await h.put("vendor@gmial.com")
            await asyncio.sleep(3.9 * 3600)
            assert await h.state(one) is State.WAITING
            assert h.router.asked["gmial.com"] >= 3
            if lookups_back == 2:
                del h.router.failures["gmial.com"]
                await asyncio.sleep(5 * 3600)
                assert await h.state(one) is State.DELIVERED
            else:
                await asyncio.sleep(5 * 3600)
                assert await h.state(one) is State.BOUNCED
                assert h.of(events.Bounced)

    run(main)


def test_a_null_mx_bounces_at_once_with_a_report() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.router.failures["nomail.example.co.id"] = Failure(FailureKind.NULL_MX, "null MX")
            one = await h.put("vendor@nomail.example.co.id", urgency=Urgency.MENDESAK)
            await asyncio.sleep(10)
            assert await h.state(one) is State.BOUNCED
            sent = [d for _, d in h.transport.written]
            assert [d.recipient for d in sent] == [SENDER]
            letter = await h.store.letter(sent[0].message_id)
            assert letter.sender == ""
            assert sent[0].urgency is Urgency.TRANSAKSI

    run(main)


@pytest.mark.parametrize(
    ("sender", "notify", "reports"),
    [
        (SENDER, None, 1),
        (SENDER, frozenset({"FAILURE"}), 1),
        (SENDER, frozenset({"NEVER"}), 0),
        (SENDER, frozenset({"SUCCESS"}), 0),
        ("", None, 0),
    ],
)
def test_who_is_told_of_a_bounce(sender: str, notify: frozenset[str] | None, reports: int) -> None:
    def everywhere(delivery: Delivery, now: Instant) -> Answer:
        return UNKNOWN  # the report bounces, too

    async def main(clock: VirtualClock) -> None:
        async with house(clock, everywhere) as h:
            one = await h.put(
                "dead@gmail.com", sender=sender, notify=notify, urgency=Urgency.MENDESAK
            )
            await asyncio.sleep(60)
            assert await h.state(one) is State.BOUNCED
            told = [d for _, d in h.transport.written if d.message_id != one]
            assert len(told) == reports  # and no report on a report

    run(main)


def test_a_letter_whose_time_is_over_is_never_sent() -> None:
    answers: dict[str, Answer] = {"now": "451 4.3.0 try again later"}

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: answers["now"]) as h:
            one = await h.put("direktur@dinas.example.go.id", urgency=Urgency.KRITIS, life=DAY)
            await asyncio.sleep(86_000)
            tried = len(h.transport.written)
            assert tried >= 5
            answers["now"] = OK
            h.scheduler.parts.shaper.pause("*", None, "administrator", clock.now())
            await asyncio.sleep(500)
            assert await h.state(one) is State.EXPIRED
            h.scheduler.parts.shaper.resume("*", "administrator", clock.now())
            await asyncio.sleep(DAY / 1000)
            assert [d.message_id for _, d in h.transport.written].count(one) == tried
            (expired,) = h.of(events.Expired)
            assert isinstance(expired, events.Expired)
            assert "4.3.0" in expired.why

    run(main)


def test_lost_after_the_dot_waits_a_quarter_of_an_hour() -> None:
    lost = Failure(FailureKind.AMBIGUOUS, "lost after the final dot", Stage.EOD)
    answers: list[Answer] = [lost, OK]

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: answers.pop(0)) as h:
            await h.put("vendor@gmail.com")
            other = await h.put("lain@gmail.com")
            answers.append(OK)
            await asyncio.sleep(20 * 60)
            at = h.written()
            assert len(at) == 3
            assert at[2] - at[0] >= 15 * MINUTE
            assert await h.state(other) is State.DELIVERED

    run(main)


def test_a_letter_that_cannot_be_signed_waits_alone_and_alerts_once() -> None:
    unsigned = Failure(FailureKind.SIGNING, "the key is missing", Stage.MAIL)

    def gmail(delivery: Delivery, now: Instant) -> Answer:
        return unsigned if delivery.recipient.startswith("x") else OK

    async def main(clock: VirtualClock) -> None:
        async with house(clock, gmail) as h:
            bad = [await h.put(f"x{n}@gmail.com") for n in range(5)]
            good = [await h.put(f"v{n}@gmail.com") for n in range(5)]
            await asyncio.sleep(60)
            assert {await h.state(one) for one in good} == {State.DELIVERED}
            assert {await h.state(one) for one in bad} == {State.WAITING}
            assert len(h.of(events.Alert)) == 1
            assert not h.of(events.Paused)

    run(main)


def test_our_own_fault_that_a_provider_names_pauses_it_and_keeps_the_mail() -> None:
    spf = "550 5.7.27 This message was blocked because it didn't pass SPF authentication. gsmtp"

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: spf if d.domain == "gmail.com" else OK) as h:
            for n in range(20):
                await h.put(f"v{n}@gmail.com")
            other = await h.put("v@yahoo.com")
            await asyncio.sleep(9 * 60)
            assert len(h.written("gmail.com")) <= 2
            assert h.shaper.is_paused("gmail", clock.now())
            assert await h.state(other) is State.DELIVERED
            assert not h.of(events.Bounced)
            alerts = [e.name for e in h.events if isinstance(e, events.Alert)]
            assert any("fix_config" in name for name in alerts)

    run(main)


def test_goodbyes_are_said_to_all_hosts_at_once() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            said: list[tuple[str, ...]] = []

            async def hang_up(*destinations: str) -> None:
                said.append(destinations)

            h.transport.hang_up = hang_up  # type: ignore[method-assign]
            await h.scheduler.hang_up(["gmail", "yahoo"])
            assert said == [("gmail", "yahoo")]

    run(main)
