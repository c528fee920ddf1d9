"""One event of each kind, and a clock that is turned by hand."""

from __future__ import annotations

from dataclasses import dataclass

from relay.mail import events
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt, Failure, FailureKind
from relay.mail.envelope import Source
from relay.mail.events import Event
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.mail.urgency import Urgency

NOW = 1_317_712_260_000  # 4 Oct 2011 07:11 UTC
ID = 1_317_712_260_000 << 20
SOURCE = Source("192.0.2.9", "[127.0.0.1]", "TLSv1.3", "spse", "door", True, 40_000)


@dataclass
class HandClock:
    """A clock that stands still until it is turned."""

    at: int = NOW

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


def attempt(text: str = "dd This user doesn't have an account (vendor@yahoo.com) [0]") -> Attempt:
    return Attempt(
        ID,
        3,
        2,
        NOW - 500,
        120_900,
        "192.0.2.1",
        "mta7.example.net",
        "198.51.100.7",
        "TLSv1.3",
        Stage.EOD,
        Reply(554, EnhancedCode(5, 1, 1), text, Stage.EOD),
        None,
    )


def failed() -> Attempt:
    failure = Failure(FailureKind.TIMEOUT, "no banner within 300 s", Stage.CONNECT)
    return Attempt(ID, 3, 1, NOW, 9, "", "mx.example.net", "", None, Stage.CONNECT, None, failure)


CLASSIFIED = Classification(
    Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "yahoo.no-account", 0.98
)
WHO = "vendor@example.co.id"
EVENTS: tuple[Event, ...] = (
    events.Received(
        NOW, ID, SOURCE, "lpse@lpse.example.go.id", 2, 4096, Urgency.MASSAL, "LPSE Pengumuman",
        "000000", b"\x01" * 32, ("headers: Date added",),
    ),
    events.Refused(NOW, SOURCE, "rcpt", 554, "not_allowed", "no", "a@b.example", WHO),
    events.Attempted(NOW, ID, 3, WHO, "yahoo", attempt(), CLASSIFIED),
    events.Delivered(NOW, ID, 3, WHO, "gmail", "mx.example.net", "250 2.0.0 OK", 1500),
    events.Deferred(NOW, ID, 3, WHO, "gmail", NOW + 300_000, "450 4.2.0", Category.GREYLISTED),
    events.Bounced(NOW, ID, 3, WHO, "yahoo", "554 5.1.1", Category.UNKNOWN_USER),
    events.Expired(NOW, ID, 3, WHO, "other", "too long", None),
    events.Suppressed(NOW, ID, 3, WHO, "unknown_user"),
    events.Returned(
        NOW, ID, 3, "failed", "192.0.2.9", "", WHO, Category.UNKNOWN_USER, "gmail-5.1.1", "550 no"
    ),
    events.Returned(NOW, None, None, "forged", "192.0.2.9", "x@y.example", "b+a@bounce.example"),
    events.Held(NOW, ID, None, "ceiling", count=7),
    events.Released(NOW, None, None, "root", "all well", 7),
    events.Removed(NOW, ID, 3, "root", "wrong letter"),
    events.Paused(NOW, "gmail", "gmail", NOW + 600_000, "550-5.7.1 unusual rate"),
    events.Resumed(NOW, "gmail", "gmail", "one letter passed"),
    events.Alert(NOW, "disk_low", "900 MB free"),
)  # fmt: skip
