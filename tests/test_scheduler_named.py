"""Named: a destination refuses one of our domains by name, and letters of all others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from relay.lab.rehearsing.store import IndexedStore
from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Attempt, Delivery, Failure, FailureKind, State
from relay.mail.instant import MINUTE, SECOND, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.shaping.settings import PauseSettings
from relay.store.base import Selector
from relay.store.memory import MemoryStore
from relay.transports.base import Job, NotYet, Permits
from tests.scheduling import OK, Answer, House, house, per_minute, profiles

ONE, TWO, SIX = "lpse.one.go.id", "lpse.two.go.id", "lpse.six.go.id"
RATE = (
    "421 4.7.28 Gmail has detected an unusual rate of unsolicited email originating from your"
    " {} domain {}. To protect our users from spam, email has been temporarily rate limited."
)
DEAD = "550 5.1.1 The email account that you tried to reach does not exist."
PAUSES = PauseSettings(
    throttle=timedelta(minutes=1), block=timedelta(minutes=1), administrative=timedelta(minutes=1)
)
FAST = profiles(gmail_com=per_minute(6_000))


class Refusing:
    """A peer that refuses letters of some names by name for a while, and what it was sent."""

    def __init__(self, until: Instant = 0, *names: str, kind: str = "DKIM") -> None:
        self.until = until
        self.names = names
        self.kind = kind
        self.house: House | None = None
        self.seen: list[tuple[Instant, str, Urgency, str]] = []
        self.dialled: list[tuple[Instant, str]] = []
        self.answers: dict[str, Answer] = {}  # by local part, instead

    def name(self, delivery: Delivery) -> str:
        assert self.house is not None
        return self.house.store._messages[delivery.message_id].particulars.from_domain or ""

    def __call__(self, delivery: Delivery, now: Instant) -> Answer:
        name = self.name(delivery)
        local = delivery.recipient.partition("@")[0]
        said = self.answers.get(local)
        if said is None:
            is_refused = name in self.names and now < self.until
            said = RATE.format(self.kind, name) if is_refused else OK
        self.seen.append((now, name, delivery.urgency, local))
        return said

    def attend(self, h: House) -> None:
        """Look on, and note who is dialled for."""
        self.house = h
        carried = h.transport.deliver

        async def deliver(job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
            self.dialled.append((h.clock.now(), self.name(job.deliveries[0])))
            return await carried(job, permits)

        h.transport.deliver = deliver  # type: ignore[method-assign]

    def times(self, name: str) -> list[Instant]:
        return [at for at, whose, _, _ in self.seen if whose == name]


async def put(
    h: House, name: str, local: str = "v", urgency: Urgency = Urgency.TRANSAKSI, subject: str = "S"
) -> int:
    sender, to = f"panitia@{name}", f"{local}@gmail.com"
    return await h.put(to, urgency=urgency, sender=sender, from_domain=name, subject=subject)


async def both_known(h: House, peer: Refusing) -> None:
    """Two names are seen there, so that what is refused of one is not taken for the other."""
    peer.attend(h)
    until, peer.until = peer.until, 0
    for name in (ONE, TWO):
        await put(h, name, "before")
    await asyncio.sleep(1)
    assert len(peer.seen) == 2
    peer.until = until
    peer.seen.clear()


@pytest.mark.parametrize("kind", ["DKIM", "SPF"])
@pytest.mark.parametrize("make", [MemoryStore, IndexedStore])
def test_letters_of_other_names_go_on_and_one_letter_asks(
    kind: str, make: Callable[[], MemoryStore]
) -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + MINUTE, ONE, kind=kind)
        async with house(clock, peer, book=FAST, pauses=PAUSES, store=make()) as h:
            await both_known(h, peer)
            for n in range(30):
                await put(h, ONE, f"one{n}")
            await asyncio.sleep(5)
            under_way = len(peer.times(ONE))
            assert under_way < 30
            refused_at = clock.now()
            dialled = len(peer.dialled)
            for n in range(30):
                await put(h, TWO, f"two{n}", Urgency.MASSAL)
                await put(h, ONE, f"new{n}", Urgency.KRITIS)
            await put(h, TWO, "urgent", Urgency.KRITIS)
            await asyncio.sleep(10)
            assert len(peer.times(TWO)) == 31
            assert max(peer.times(TWO)) - refused_at < 10 * SECOND
            assert len(peer.times(ONE)) == under_way
            assert {name for _, name in peer.dialled[dialled:]} == {TWO}  # nor dialled for
            await asyncio.sleep(600)
            assert await h.states() == {State.DELIVERED: 93}

    run(main)


def test_one_letter_asks_while_others_go_and_none_beside_it() -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + 2 * SECOND, ONE)
        async with house(clock, peer, book=FAST, pauses=PAUSES) as h:
            await both_known(h, peer)
            await put(h, ONE, "first")
            await asyncio.sleep(2)
            assert len(peer.times(ONE)) == 1
            h.transport.after_dot = 45  # each answer is long in coming
            for n in range(20):
                await put(h, ONE, f"one{n}")
                await put(h, TWO, f"two{n}", subject=f"{n}")
            await asyncio.sleep(40)
            others = len(peer.times(TWO))
            assert others == h.shaper.connections(h.router.routes["gmail.com"].destination, 0)
            await asyncio.sleep(70)
            assert len(peer.times(ONE)) == 2  # the one that asks
            asked_at = peer.times(ONE)[1]
            assert [name for at, name in peer.dialled if at >= asked_at - SECOND].count(ONE) == 1
            h.transport.after_dot = 0
            await asyncio.sleep(60)
            assert len(peer.times(ONE)) > 2
            assert peer.times(ONE)[2] >= asked_at + 45 * SECOND

    run(main)


def test_hundreds_of_the_refused_name_in_front_are_no_hindrance_and_classes_share() -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + 10 * MINUTE, ONE)
        book = profiles(gmail_com=per_minute(60))
        async with house(clock, peer, book=book, pauses=PAUSES, store=IndexedStore()) as h:
            await both_known(h, peer)
            for n in range(500):
                await put(h, ONE, f"one{n}", Urgency.KRITIS)
            await asyncio.sleep(3)
            for n in range(300):
                await put(h, TWO, f"t{n}", Urgency.TRANSAKSI)
                await put(h, SIX, f"m{n}", Urgency.MASSAL)
            before = len(peer.seen)
            await asyncio.sleep(4 * 60)
            sent = [urgency for _, name, urgency, _ in peer.seen[before:] if name != ONE]
            assert len(sent) > 3 * 50
            massal = sent.count(Urgency.MASSAL)
            assert len(sent) / 20 < massal < len(sent) / 8  # every tenth, as ever
            transaksi = [local for _, name, _, local in peer.seen if name == TWO]
            assert transaksi == [f"t{n}" for n in range(len(transaksi))]

    run(main)


def test_a_letter_that_is_no_answer_lets_the_next_one_ask() -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + 2 * SECOND, ONE)
        async with house(clock, peer, book=FAST, pauses=PAUSES) as h:
            await both_known(h, peer)
            await put(h, ONE, "first")
            await asyncio.sleep(2)
            peer.answers = {"first": DEAD, "down": Failure(FailureKind.LOST, "lost", Stage.MAIL)}
            for local in ("dead", "down"):
                peer.answers[local] = peer.answers.get(local, DEAD)
                await put(h, ONE, local)
            for n in range(10):
                await put(h, ONE, f"one{n}")
            await asyncio.sleep(80)
            assert (await h.states())[State.DELIVERED] == 12
            key = f"gmail|dkim={ONE}"
            (standing,) = [s for s in h.shaper.standings(h.scheduler.steady.now()) if s.key == key]
            assert standing.state in ("slow", "ok")

    run(main)


def test_a_pause_of_a_name_survives_a_restart_and_resume_ends_it() -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        peer = Refusing(clock.now() + 5 * SECOND, ONE)
        long = PAUSES.model_copy(update={"throttle": timedelta(hours=2)})
        async with house(clock, peer, book=FAST, pauses=long, store=store) as h:
            await both_known(h, peer)
            await put(h, ONE, "one")
            await asyncio.sleep(2)
        async with house(clock, peer, book=FAST, pauses=long, store=store) as h:
            peer.attend(h)
            await asyncio.sleep(5)
            for n in range(5):
                await put(h, ONE, f"one{n}")
                await put(h, TWO, f"two{n}")
            await asyncio.sleep(1800)
            assert len(peer.times(ONE)) == 1
            assert len(peer.times(TWO)) == 5
            assert h.scheduler._lanes.rows == 0  # they wait where they can be seen and held
            assert await h.store.count(Selector()) == {State.READY: 6}
            h.shaper.resume(f"gmail|dkim={ONE}", "siti", h.scheduler.steady.now())
            h.scheduler.nudge()
            await asyncio.sleep(5)
            assert await h.states() == {State.DELIVERED: 13}

    run(main)


def test_where_all_carry_one_domain_in_mail_from_its_pause_holds_all() -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + 5 * SECOND, "bounce.example", kind="SPF")
        peer.answers = {"first": RATE.format("SPF", "bounce.example")}
        async with house(clock, peer, book=FAST, pauses=PAUSES) as h:
            await both_known(h, peer)
            h.scheduler.parts.tuning = replace(
                h.scheduler.parts.tuning, return_domain="bounce.example"
            )
            await put(h, ONE, "first")
            await asyncio.sleep(2)
            peer.answers = {}
            await put(h, ONE)
            await put(h, TWO)
            await asyncio.sleep(40)
            assert len(peer.seen) == 1
            await asyncio.sleep(60)
            assert await h.states() == {State.DELIVERED: 5}

    run(main)


def test_what_ends_unsent_says_whether_it_waited_for_its_name() -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + 5 * SECOND, ONE)
        book = profiles(gmail_com=per_minute(6_000))
        async with house(clock, peer, book=book) as h:
            await both_known(h, peer)
            await put(h, ONE, "first")
            await asyncio.sleep(2)
            over = [
                await h.put(
                    "v@gmail.com",
                    sender=f"a@{name}",
                    from_domain=name,
                    life=life,
                    is_fixed=True,
                    urgency=Urgency.KRITIS,
                )
                for name, life in ((ONE, MINUTE), (TWO, -1))
            ]
            await asyncio.sleep(90)
            whys = [(await h.store.find(one))[0].delivery.why for one in over]
            assert f"gmail|dkim={ONE} is paused: 421 4.7.28 Gmail has detected" in whys[0]
            assert whys[1] == "its time was over"

    run(main)


PUTS = st.lists(
    st.tuples(
        st.sampled_from((ONE, TWO, TWO, SIX)),
        st.sampled_from(tuple(Urgency)),
        st.integers(0, 20_000),  # milliseconds until the next
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(puts=PUTS, open_after=st.integers(0, 300), slow=st.floats(0, 5))
def test_others_go_at_once_and_of_the_refused_name_none_but_probes(
    puts: list[tuple[str, Urgency, int]], open_after: int, slow: float
) -> None:
    async def main(clock: VirtualClock) -> None:
        peer = Refusing(clock.now() + open_after * SECOND, ONE)
        async with house(clock, peer, book=FAST, pauses=PAUSES, store=IndexedStore()) as h:
            await both_known(h, peer)
            h.transport.after_dot = slow
            given_at: dict[str, Instant] = {}
            await put(h, ONE, "first")
            for n, (name, urgency, wait) in enumerate(puts):
                given_at[f"n{n}"] = clock.now()
                await put(h, name, f"n{n}", urgency)
                await asyncio.sleep(wait / 1000)
            await asyncio.sleep(2400)
            assert set(await h.states()) == {State.DELIVERED}
            for at, name, _, local in peer.seen:
                if name != ONE:
                    assert at - given_at[local] <= (len(puts) * (slow + 1) + 1) * SECOND
            paused = [e for e in h.of(events.Paused) if isinstance(e, events.Paused)]
            times = peer.times(ONE)
            for event in paused:
                assert event.destination == f"gmail|dkim={ONE}"
                assert event.until is not None
                held = [at for at in times if event.at < at < event.until]
                assert held == []
            refusals = [at for at in times if at < peer.until]
            for one, other in pairwise(refusals):  # what was under way came at once
                assert other - one <= 3 * SECOND or other - one >= MINUTE
            probes = [at for at in times if paused and at >= max(e.until or 0 for e in paused)]
            if len(probes) > 1:  # none beside the first before it was answered
                assert probes[1] >= probes[0] + slow * SECOND

    run(main)
