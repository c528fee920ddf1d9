"""Letters, entries and settlements for the store's tests and measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.mail import ids
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import (
    Attempt,
    Deferred,
    Delivered,
    Delivery,
    Failure,
    FailureKind,
    Outcome,
    State,
)
from relay.mail.envelope import Content, Envelope, Message, Options, Particulars, Recipient, Source
from relay.mail.instant import DAY
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.mail.urgency import Urgency
from relay.store.base import Entry, Placement, Settlement

START = 1_764_000_000_000
SOURCE = Source("127.0.0.1", "spse", None, None, "127.0.0.1:2525", True, 50000)


@dataclass
class SteppingClock:
    """A wall clock that a test sets; its monotonic part goes on by a thousandth a reading."""

    at: int = START
    passed: float = 0.0

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        self.passed += 0.001
        return self.passed


def _head(subject: str, sender: str, to: str) -> bytes:
    """As long as those of real letters."""
    told = f"Subject: {subject}\r\nFrom: {sender}\r\nTo: {to}\r\n"
    return told.encode("utf-8", "surrogateescape") + b"X-Filler: " + b"x" * 300 + b"\r\n"


@dataclass
class Post:
    """Makes messages with growing ids."""

    at: int = START
    ids: ids.Ids = field(default_factory=ids.Ids)

    def message(
        self,
        to: Sequence[str] = ("vendor@example.co.id",),
        subject: str = "Pengumuman Tender",
        body: bytes = b"Yth. Penyedia\r\n",
        urgency: Urgency = Urgency.MASSAL,
        received: bytes | None = None,
        sender: str = "no-reply@lpse.example.go.id",
        flow: str | None = None,
        options: Options | None = None,
        **particulars: Any,
    ) -> Message:
        self.at += 1
        head = _head(subject, sender, to[0] if to else "")
        return Message(
            id=self.ids.next(self.at),
            envelope=Envelope(
                sender, tuple(Recipient(one, None) for one in to), options or Options()
            ),
            content=Content(
                head=head,
                body=body,
                body_hash=hashlib.sha256(body).digest(),
                sha256=hashlib.sha256(head + body).digest(),
                received=received,
            ),
            source=SOURCE,
            received_at=self.at,
            particulars=Particulars(
                subject=subject,
                urgency=urgency,
                flow=f"{sender}\n{subject}" if flow is None else flow,
                **particulars,
            ),
        )

    def entry(
        self,
        to: Sequence[str] = ("vendor@example.co.id",),
        state: State = State.READY,
        has_inbox: bool = True,
        due_at: int | None = None,
        life: int = 5 * DAY,
        is_fixed: bool = False,
        **message: Any,
    ) -> Entry:
        made = self.message(to, **message)
        return Entry(
            made,
            tuple(
                Placement(
                    Delivery(
                        message_id=made.id,
                        n=n,
                        recipient=address,
                        mailbox_id=0,
                        domain=address.rpartition("@")[2].lower(),
                        urgency=made.particulars.urgency,
                        state=state,
                        due_at=made.received_at if due_at is None else due_at,
                        expires_at=made.received_at + life,
                        as_given=address,
                        is_fixed=is_fixed,
                    ),
                    address.lower(),
                )
                for n, address in enumerate(to, 1)
            ),
            has_inbox,
        )


NO_USER = Reply(550, EnhancedCode(5, 1, 1), "No such user here", Stage.RCPT)
UNKNOWN = Classification(
    Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "gmail-5.1.1", 0.9
)
ACCEPTED = Reply(250, EnhancedCode(2, 0, 0), "OK 1700 gsmtp", Stage.EOD)


def attempt(delivery: Delivery, number: int | None = None, **changes: Any) -> Attempt:
    """An accepted attempt, unless `changes` say otherwise."""
    values: dict[str, Any] = {
        "message_id": delivery.message_id,
        "n": delivery.n,
        "number": delivery.tries + 1 if number is None else number,
        "started_at": START + 1000,
        "took_us": 81_000,
        "source_ip": "192.0.2.7",
        "mx": "gmail-smtp-in.l.google.com",
        "ip": "198.51.100.9",
        "tls": "TLSv1.3",
        "stage": Stage.EOD,
        "reply": ACCEPTED,
        "failure": None,
        "sent_sha256": b"\x07" * 32,
        "route_key": "gmail",
    }
    return Attempt(**(values | changes))


def lost(delivery: Delivery, **changes: Any) -> Attempt:
    """An attempt without a reply."""
    failure = Failure(FailureKind.TIMEOUT, "no banner in 5 min", Stage.CONNECT)
    return attempt(
        delivery, **({"reply": None, "failure": failure, "stage": Stage.CONNECT} | changes)
    )


def blocked(delivery: Delivery, said: str = "on our block list (S3140)") -> Settlement:
    """Refused for our sake; it waits for the destination, and no longer."""
    read = Classification(
        Category.SENDER_BLOCKED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "microsoft.block-list"
    )
    reply = Reply(550, EnhancedCode.parse("5.7.1"), said, Stage.MAIL)
    made = attempt(delivery, reply=reply, stage=Stage.MAIL, classification=read)
    outcome = Deferred(START + 1000, str(reply), Category.SENDER_BLOCKED, counts=False)
    return Settlement(delivery, outcome, made)


def delivered(delivery: Delivery) -> Settlement:
    return Settlement(delivery, Delivered(), attempt(delivery))


def deferred(delivery: Delivery, until: int, counts: bool = True) -> Settlement:
    outcome: Outcome = Deferred(until, "timed out", Category.NETWORK, counts)
    return Settlement(delivery, outcome, lost(delivery))
