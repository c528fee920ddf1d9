"""What these tests share: a model with numbers of one's own, and a sender that tries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from relay.lab.quotas.base import Answer, Kind, Try
from relay.lab.quotas.drawn import COMMON, Drawn
from relay.lab.quotas.draws import draw, shipped_ranges
from relay.lab.quotas.ranges import Range, Ranges
from relay.mail.delivery import FailureKind
from relay.mail.instant import HOUR, Instant

START: Final = 1_800_000_000_000
LENGTH: Final = 48 * HOUR
IP: Final = "192.0.2.1"
SENDER: Final = "pengumuman@lpse.example.go.id"
SIGNER: Final = "lpse.example.go.id"
_SOUND: Final = {"dead": 0.0, "full": 0.0, "lost_after_dot": 0.0}


def with_values(model: str, values: Mapping[str, float]) -> Ranges:
    """The shipped ranges with some of them fixed."""
    ranges = shipped_ranges()[model]
    fixed = {key: Range(value, value, ranges.values[key].unit) for key, value in values.items()}
    return Ranges(model, {**ranges.values, **fixed})


def provider(
    model: str,
    values: Mapping[str, float] | None = None,
    variant: str = "steady",
    seed: int = 1,
    common: Mapping[str, float] | None = None,
) -> Drawn:
    """A provider whose named numbers are these; nobody dead or full, nothing lost, unless said."""
    others = {
        model: with_values(model, values or {}),
        COMMON: with_values(COMMON, {**_SOUND, **(common or {})}),
    }
    return draw(model, variant, seed, START, LENGTH, others)


@dataclass(slots=True)
class Sender:
    """Tries letters, each by default on a connection of its own, to an address of its own."""

    provider: Drawn
    ip: str = IP
    signed_by: str = SIGNER
    is_encrypted: bool = True
    sessions: int = 0
    letters: int = 0
    carried: dict[int, int] = field(default_factory=dict)

    def dial(self, now: Instant, host: str | None = None) -> tuple[int, Answer]:
        """Open a connection and leave it open."""
        self.sessions += 1
        answer = self.provider.connect(host or self.host(), self.ip, self.sessions, now)
        return self.sessions, answer

    def hang_up(self, session: int, now: Instant, host: str | None = None) -> None:
        """Close one."""
        self.provider.closed(host or self.host(), self.ip, session, now)

    def host(self, domain: str | None = None, now: Instant = START) -> str:
        """A domain's first MX."""
        found = self.provider.hosts(domain or self.provider.domains[0], now)
        assert not isinstance(found, FailureKind)
        return found[0]

    def tried(
        self, session: int, recipient: str = "", message_id: str | None = None, sender: str = SENDER
    ) -> Try:
        """One recipient's try."""
        self.letters += 1
        recipient = recipient or f"a{self.letters}@{self.provider.domains[0]}"
        return Try(
            self.ip,
            self.host(recipient.rpartition("@")[2]),
            session,
            self.carried.get(session, 0),
            sender,
            recipient,
            self.signed_by,
            f"<{self.letters}@x>" if message_id is None else message_id,
            self.is_encrypted,
        )

    def carry(self, tried: Try, now: Instant) -> Answer:
        """MAIL, RCPT, the dot: the first answer that is one."""
        self.carried[tried.session] = tried.carried + 1
        for step in (self.provider.mail, self.provider.rcpt, self.provider.end):
            answer = step(tried, now)
            if answer is not None:
                return answer
        return None

    def letter(
        self,
        now: Instant,
        recipient: str = "",
        message_id: str | None = None,
        sender: str = SENDER,
    ) -> Answer:
        """A connection, a letter, and gone."""
        host = self.host(recipient.rpartition("@")[2] or None)
        session, answer = self.dial(now, host)
        if answer is None:
            answer = self.carry(self.tried(session, recipient, message_id, sender), now)
            self.hang_up(session, now, host)
        return answer

    def kinds(self) -> list[Kind]:
        """The book so far."""
        return [entry.kind for entry in self.provider.book.entries]


def starts(answer: Answer) -> str:
    """An answer's beginning, for comparing: `421-4.7.28`, `lost`, or nothing."""
    return "" if answer is None else str(answer).split(" ", 1)[0]
