"""Hops: the table of what our own next hop says, and the queue behind one that denies relaying."""

from __future__ import annotations

import asyncio

import pytest

from relay.config.shipped import shipped_classifier
from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Scope
from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import Instant
from relay.mail.reply import Stage
from relay.scheduler import hops
from relay.shaping.destination import Destination, Profile
from relay.transports.base import Host, Route
from tests.scheduling import OK, Answer, house

HOP = Destination("smtp://192.0.2.7:25", Profile("route"))
MX = Destination("mx.example.co.id", Profile("mx.example.co.id"))
DENIED = "554 5.7.1 <v@example.co.id>: Relay access denied"


def said(text: str, stage: Stage) -> Attempt:
    reply = replies.parse(text, stage)
    return Attempt(77, 0, 1, 0, 1, "", "smart.example.go.id", "", None, stage, reply, None)


@pytest.mark.parametrize(
    ("text", "stage", "is_ours"),
    [
        (DENIED, Stage.RCPT, True),
        ("454 4.7.1 <v@example.co.id>: Relay access denied", Stage.RCPT, True),
        ("550 5.7.1 Unable to relay", Stage.RCPT, True),
        ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", Stage.RCPT, True),
        ("550 relay not permitted", Stage.RCPT, True),
        ("550 5.7.1 Command rejected", Stage.RCPT, True),
        (
            "554 5.7.1 <v@example.co.id>: Recipient address rejected: Access denied",
            Stage.RCPT,
            True,
        ),
        ("530 5.7.0 Authentication required", Stage.MAIL, True),
        ("535 5.7.8 Authentication failed", Stage.AUTH, True),
        ("553 5.7.1 sender address rejected: not owned by user", Stage.RCPT, True),
        ("550 5.1.1 no such user", Stage.RCPT, False),
        ("452 4.2.2 mailbox full", Stage.RCPT, False),
        ("450 4.2.0 Greylisted, wait 5 minutes", Stage.RCPT, False),
        ("552 5.3.4 message too big", Stage.MAIL, False),
        ("550 5.7.1 refused by policy", Stage.EOD, False),
        ("554 5.7.1 Message rejected as spam by Content Filtering", Stage.EOD, False),
    ],
)
def test_what_our_own_hop_says(text: str, stage: Stage, is_ours: bool) -> None:
    attempt = said(text, stage)
    assert attempt.reply is not None
    read = shipped_classifier().classify(attempt.reply, attempt.mx)
    assert hops.reading(read, attempt, MX) is read
    at_hop = hops.reading(read, attempt, HOP)
    if not is_ours:
        assert at_hop is read
        return
    assert at_hop.keeps_the_mail
    decided = (at_hop.action, at_hop.scope, at_hop.category)
    assert decided == (Action.FIX_CONFIG, Scope.OURSELVES, Category.AUTH_FAILED)
    assert at_hop.rule == f"hop.{read.rule}"


def test_a_hop_that_denies_relaying_bounces_nobody_and_is_asked_one_letter_at_a_time() -> None:
    answers: dict[str, Answer] = {"now": DENIED}

    def hop(delivery: Delivery, now: Instant) -> Answer:
        return answers["now"]

    async def main(clock: VirtualClock) -> None:
        async with house(clock, hop) as h:
            h.transport.stage = Stage.RCPT
            h.router.routes["gmail.com"] = Route(HOP, (Host("192.0.2.7", 25),))
            for n in range(50):
                await h.put(f"v{n}@gmail.com")
            await asyncio.sleep(2 * 3600)
            assert not h.of(events.Bounced)
            assert not any_final(await h.states())
            assert len(h.transport.written) < 12
            alerts = {e.name for e in h.events if isinstance(e, events.Alert)}
            assert alerts == {f"fix_config:{HOP.key}"}
            assert {d.tries for _, d in h.transport.written} == {0}
            answers["now"] = OK
            h.transport.stage = Stage.EOD
            h.shaper.resume(HOP.key, "root: the hop knows us again", clock.now())
            h.scheduler.nudge()
            await asyncio.sleep(12 * 3600)
            assert await h.states() == {State.DELIVERED: 50}

    run(main)


def any_final(states: dict[State, int]) -> bool:
    return any(state.is_final for state in states)
