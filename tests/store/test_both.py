"""The two stores, driven alike by hypothesis, must answer alike after every step."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay.mail.classification import Category
from relay.mail.delivery import (
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    Held,
    Outcome,
    State,
    Suppressed,
)
from relay.mail.instant import HOUR, MINUTE
from relay.mail.urgency import Urgency
from relay.store import sqlite
from relay.store.base import (
    Change,
    Named,
    Ready,
    Selector,
    Settlement,
    Store,
    StoreError,
    Unsent,
)
from relay.store.memory import MemoryStore
from tests.store.letters import START, UNKNOWN, Post, SteppingClock, attempt, lost

ADDRESSES = ("a@one.example", "b@one.example", "A@two.example", "c@three.example")
SUBJECTS = ("Pengumuman", "Undangan", "pengumuman 2")
OUTCOMES: tuple[Outcome, ...] = (
    Delivered(),
    Deferred(START + HOUR, "later", Category.GREYLISTED),
    Deferred(START + MINUTE, "paused", None, counts=False),
    Deferred(START + HOUR, "the last", expires_at=START + HOUR),
    Deferred(START + MINUTE, "longer", expires_at=START + 2 * HOUR),
    Held("key", Category.AUTH_FAILED),
    Bounced("unknown", Category.UNKNOWN_USER),
    Expired("late"),
    Suppressed("not tried", "a rule", START, Category.UNKNOWN_USER),
)
SENDERS = ("no-reply@lpse.example.go.id", "panitia@ulp.example.go.id", "")
NAMED = (
    None,
    Named(signers=frozenset({"ulp.example.go.id"})),
    Named(senders=frozenset({"lpse.example.go.id"})),
    Named(frozenset({"lpse.example.go.id"}), frozenset({"bounce.example"}), "bounce.example"),
)
SELECTORS = st.builds(
    Selector,
    subject=st.sampled_from((None, "*umum*", "und", "2")),
    urgency=st.sampled_from((None, *Urgency)),
    domains=st.sampled_from((None, frozenset({"one.example", "none.example"}))),
    recipient=st.sampled_from((None, "a@two.example")),
    why=st.sampled_from((None, None, "k", "why")),
    states=st.sampled_from((None, frozenset({State.HELD}), frozenset({State.READY, State.LEASED}))),
)


def _known(delivery: Delivery) -> Delivery:
    """Mailboxes are numbered by each store as it likes."""
    return replace(delivery, mailbox_id=0)


class Both(RuleBasedStateMachine):
    """Every answer and every refusal of the one is the other's."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()  # a Runner sets SIGINT's handler at every call
        self.folder = tempfile.TemporaryDirectory()
        self.memory = MemoryStore()
        self.sqlite = self.loop.run_until_complete(
            sqlite.open(Path(self.folder.name), SteppingClock())
        )
        self.heard: tuple[list[Ready], list[Ready]] = ([], [])
        self.memory.subscribe(self.heard[0].extend)
        self.sqlite.subscribe(self.heard[1].extend)
        self.post = Post()
        self.now = START
        self.ids: list[int] = []
        self.leased: list[Delivery] = []

    def teardown(self) -> None:
        self.loop.run_until_complete(self.sqlite.close())
        self.loop.close()
        self.folder.cleanup()

    def ask(self, question: Any) -> Any:
        """The answer of both, which must be one; a refusal counts as an answer."""

        async def answer(store: Store) -> Any:
            work: Coroutine[Any, Any, Any] = question(store)
            try:
                return await work
            except (StoreError, KeyError) as error:
                return StoreError if isinstance(error, StoreError) else KeyError

        async def answers() -> tuple[Any, Any]:
            return await answer(self.memory), await answer(self.sqlite)

        first, second = self.loop.run_until_complete(answers())
        assert _plain(first) == _plain(second)
        return second

    @rule(
        to=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3),
        subject=st.sampled_from(SUBJECTS),
        urgency=st.sampled_from(Urgency),
        state=st.sampled_from((State.READY, State.READY, State.WAITING, State.HELD, State.BOUNCED)),
        has_inbox=st.booleans(),
        life=st.sampled_from((MINUTE, HOUR)),
        is_fixed=st.booleans(),
        deadline_at=st.sampled_from((None, None, START + HOUR, START + HOUR + 1, START)),
        sender=st.sampled_from(SENDERS),
    )
    def put(
        self,
        to: list[str],
        subject: str,
        urgency: Urgency,
        state: State,
        has_inbox: bool,
        life: int,
        is_fixed: bool,
        deadline_at: int | None,
        sender: str,
    ) -> None:
        entry = self.post.entry(
            to,
            state=state,
            has_inbox=has_inbox,
            life=life,
            is_fixed=is_fixed,
            subject=subject,
            urgency=urgency,
            deadline_at=deadline_at,
            sender=sender,
            from_domain=sender.rpartition("@")[2] or None,
        )
        self.ids.append(entry.message.id)
        self.ask(lambda store: store.put(entry))

    @rule()
    def put_again(self) -> None:
        if self.ids:
            entry = self.post.entry()
            (placement,) = entry.placements
            old = self.ids[-1]
            delivery = replace(placement.delivery, message_id=old)
            twice = replace(
                entry,
                message=replace(entry.message, id=old),
                placements=(replace(placement, delivery=delivery),),
            )
            assert self.ask(lambda store: store.put(twice)) is StoreError

    @rule(
        domains=st.lists(
            st.sampled_from(("one.example", "two.example", "three.example", "no.example")),
            max_size=3,
        ),
        limit=st.integers(0, 5),
        not_of=st.sampled_from(NAMED),
    )
    def claim(self, domains: list[str], limit: int, not_of: Named | None) -> None:
        until = self.now + 9
        self.leased += self.ask(
            lambda store: store.claim(domains, limit, self.now, until, not_of=not_of)
        )

    @rule()
    def give_back(self) -> None:
        back, self.leased = self.leased[:2], self.leased[2:]
        self.ask(lambda store: store.give_back(back))

    @rule()
    def recover(self) -> None:
        self.leased = []
        self.ask(lambda store: store.recover(self.now))

    @rule(
        outcome=st.sampled_from(OUTCOMES),
        has_attempt=st.booleans(),
        count=st.integers(1, 3),
        owes=st.booleans(),
    )
    def settle(self, outcome: Outcome, has_attempt: bool, count: int, owes: bool) -> None:
        some, self.leased = self.leased[:count], self.leased[count:]
        settlements = [
            Settlement(
                one,
                outcome,
                lost(one, classification=UNKNOWN) if has_attempt else None,
                owes_report=owes,
            )
            for one in some
        ]
        self.ask(lambda store: store.settle(settlements, self.now))

    @rule(outcome=st.sampled_from(OUTCOMES), at=st.integers(0, 5), has_report=st.booleans())
    def settle_anything(self, outcome: Outcome, at: int, has_report: bool) -> None:
        """Not leased perhaps, or at its end: refused by both, or by none."""
        rows = self.loop.run_until_complete(self.memory.rows(Selector()))
        if len(rows) > at:
            one = _known(rows[at].delivery)
            report = self.post.entry(has_inbox=False) if has_report else None
            settlement = Settlement(one, outcome, attempt(one), report)
            told = self.ask(lambda store: store.settle([settlement], self.now))
            if report is not None and told is None:
                self.ids.append(report.message.id)
            self.leased = [d for d in self.leased if d.ref != one.ref]

    @rule(passed=st.sampled_from((-MINUTE, 1, MINUTE, HOUR)), limit=st.integers(1, 3))
    def wake(self, passed: int, limit: int) -> None:
        self.now += passed
        self.ask(lambda store: store.next_due_at())
        self.ask(lambda store: store.overdue(self.now))
        # A portion of equal due times is any of them: only the whole is compared.
        self.ask(lambda store: store.wake(self.now, 5000))

    @rule(what=st.sampled_from(("hold", "release", "retry", "remove")), selector=SELECTORS)
    def change(self, what: Change, selector: Selector) -> None:
        changed = self.ask(lambda store: store.change(what, selector, "t", "why", self.now))
        assert changed is not StoreError

    @rule(back=st.integers(1, 4))
    def requeue(self, back: int) -> None:
        refs = [(one, n) for one in self.ids[-back:] for n in (1, 2)]
        self.ask(lambda store: store.requeue(refs, "requeue", "t", "why", self.now))
        self.ask(lambda store: store.last_accepted_at(ADDRESSES[back - 1].lower()))

    @rule(selector=SELECTORS, limit=st.integers(1, 4))
    def look(self, selector: Selector, limit: int) -> None:
        self.ask(lambda store: store.count(selector))
        self.ask(lambda store: store.rows(selector, limit))

    @rule(
        wanted=st.builds(
            Unsent,
            subject=st.sampled_from((None, "*umum*", "2")),
            domains=st.sampled_from((None, frozenset({"one.example", "none.example"}))),
            category=st.sampled_from((None, None, Category.UNKNOWN_USER, Category.AUTH_FAILED)),
            rule=st.sampled_from((None, None, UNKNOWN.rule)),
            since=st.sampled_from((None, START + MINUTE)),
        ),
        limit=st.integers(1, 4),
    )
    def find_unsent(self, wanted: Unsent, limit: int) -> None:
        self.ask(lambda store: store.tallies(wanted, self.now))
        rows = self.ask(lambda store: store.unsent(wanted, limit))
        if rows:
            after = (rows[-1].delivery.message_id, rows[-1].delivery.n)
            self.ask(lambda store: store.unsent(wanted, limit, after))

    @rule(pays=st.booleans(), limit=st.integers(1, 3))
    def owe(self, pays: bool, limit: int) -> None:
        owed = self.ask(lambda store: store.owed(self.now))
        if owed:
            sender, flow = owed[0].sender, owed[0].flow
            self.ask(lambda store: store.owed_rows(sender, flow, self.now, limit))
            self.ask(lambda store: store.owed_rows(sender, None, self.now, limit))
            if pays:
                self.ask(lambda store: store.report_owed(sender, flow, self.now, None))

    @rule(at=st.integers(0, 3), limit=st.integers(1, 3), search=st.sampled_from(("", "umum", "%")))
    def read_an_inbox(self, at: int, limit: int, search: str) -> None:
        async def read(store: Store) -> Any:
            mailbox = await store.mailbox(ADDRESSES[at].lower())
            if mailbox is None:
                return None
            rows = await store.page(mailbox.id, limit, search=search)
            if rows:
                key = (rows[-1].message_id, rows[-1].n)
                await store.mark_read(mailbox.id, *key, self.now)
                rows += await store.page(mailbox.id, limit, before=key, only_unread=True)
            return rows, await store.inbox_count(mailbox.id, only_unread=True)

        self.ask(read)

    @invariant()
    def agree(self) -> None:
        self.ask(lambda store: store.count(Selector()))
        self.ask(lambda store: store.depths())
        self.ask(lambda store: store.backlog(["one.example", "two.example"]))
        self.ask(lambda store: store.inbox_rows())
        self.ask(lambda store: store.accepted_since(START + 2))
        for message_id in self.ids[-3:]:
            self.ask(lambda store, one=message_id: store.find(one))
            self.ask(lambda store, one=message_id: store.domains_of(one))
            self.ask(lambda store, one=message_id: store.attempts(one, 1))
            self.ask(lambda store, one=message_id: store.letter(one))
        self.loop.run_until_complete(asyncio.sleep(0))
        first, second = (
            sorted((r.domain, r.urgency, r.is_dated) for r in one) for one in self.heard
        )
        assert first == second
        assert self.sqlite.dead.is_set() is False


def _plain(answer: Any) -> Any:
    """Without the mailboxes' numbers; lists of Ready and of overdue ones in one order."""
    if isinstance(answer, list):
        items = [_plain(one) for one in answer]
        if items and isinstance(items[0], Ready):
            return sorted(items, key=lambda ready: ready.domain)
        if items and isinstance(items[0], Delivery) and items[0].state is not State.LEASED:
            return sorted(items, key=lambda one: (one.expires_at, one.ref))
        return items
    if isinstance(answer, Delivery):
        return _known(answer)
    if hasattr(answer, "delivery"):
        return replace(answer, delivery=_known(answer.delivery))
    return answer


TestBoth = Both.TestCase
TestBoth.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
