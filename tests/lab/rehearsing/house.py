"""What these tests share: a provider that does as it is told, and a run of a few letters to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.lab.quotas.base import Answer, Book, Kind, Quota, Try
from relay.lab.rehearsing.arrivals import Arrival
from relay.lab.rehearsing.cases import BEGINS, book_with
from relay.lab.rehearsing.world import Run
from relay.mail.delivery import FailureKind
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency

HOSTS: Final = ("mx1.warung.example.co.id", "mx2.warung.example.co.id")
DOMAIN: Final = "warung.example.co.id"
BUSY: Final = "451 4.7.1 Too much mail from your address, try again later"


@dataclass
class Stub:
    """Takes everything, unless `says` says otherwise: (stage, try or None, now) → answer."""

    says: Callable[[Stage, Try | None, Instant], Answer] = lambda stage, tried, now: None
    refuses: frozenset[str] = frozenset()  # hosts that do not answer
    banner: str = ""  # of the first host
    name: str = "stub"
    book: Book = field(default_factory=Book)
    dialled: list[str] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    most_open: int = 0
    quota: tuple[Quota, ...] = ()

    @property
    def domains(self) -> Sequence[str]:
        return (DOMAIN,)

    def hosts(self, domain: str, now: Instant) -> tuple[str, ...] | FailureKind:
        return HOSTS if domain == DOMAIN else FailureKind.NXDOMAIN

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        self.dialled.append(host)
        if host in self.refuses:
            return FailureKind.REFUSED
        if self.banner and host == HOSTS[0]:
            return self.banner
        self.open.add(session)
        self.most_open = max(self.most_open, len(self.open))
        return None

    def closed(self, host: str, ip: str, session: int, now: Instant) -> None:
        self.open.remove(session)

    def mail(self, tried: Try, now: Instant) -> Answer:
        return self.says(Stage.MAIL, tried, now)

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        return self.says(Stage.RCPT, tried, now)

    def end(self, tried: Try, now: Instant) -> Answer:
        answer = self.says(Stage.EOD, tried, now)
        kind = Kind.ACCEPTED if answer is None else Kind.THROTTLED
        if isinstance(answer, str) and answer.startswith("550"):
            kind = Kind.DEAD
        self.book.note(now, kind, tried, is_taken=answer is None)
        return answer

    def seconds(self, stage: Stage, host: str, now: Instant) -> float:
        return 0.1

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        return self.quota


def letters(count: int, every: int = 0, urgency: Urgency = Urgency.MASSAL) -> list[Arrival]:
    return [
        Arrival(BEGINS + n * every, f"a{n}@{DOMAIN}", urgency, urgency is Urgency.MASSAL)
        for n in range(count)
    ]


def run_of(
    provider: Stub,
    arrivals: Sequence[Arrival],
    rate: str = "60/min",
    length: int = HOUR,
    restart_at: Instant | None = None,
) -> Run:
    book = book_with("small", (rate,))
    return Run((provider,), book, arrivals, BEGINS, length, restart_at)


__all__ = ["BUSY", "DOMAIN", "HOSTS", "HOUR", "MINUTE", "SECOND", "Stub", "letters", "run_of"]
