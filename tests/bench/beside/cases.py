"""Cases: what is sent, how, and over how many sessions; each in a full and in a quick size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `letters` are sent in a run, `quick` of them in a quick one.

    `is_one`: a connection a letter, else as many letters a connection as it takes. `is_waiting`:
    the next hop is closed, and what is measured is the room that a waiting letter takes.
    """

    name: str
    says: str
    sessions: int
    letters: int
    quick: int
    octets: int = 4 * KIB
    is_one: bool = False
    recipients: int = 1
    domains: int = 1
    is_tls_out: bool = False
    is_auth_in: bool = False
    is_waiting: bool = False
    is_in_quick: bool = False

    @property
    def warming(self) -> int:
        """Letters sent first, and not measured: processes and connections are there after them."""
        return min(self.letters, 2 * self.sessions)

    @property
    def probes(self) -> int:
        """Letters sent after the measured ones, to time the 250 after each one's dot."""
        return self.letters if self.needs_our_source else max(self.letters // 4, 4 * self.sessions)

    @property
    def needs_our_source(self) -> bool:
        """smtp-source speaks neither TLS nor AUTH, and knows one domain only."""
        return self.is_auth_in or self.domains > 1

    def quickly(self) -> Case:
        """The same in the quick size."""
        shrunk = max(1, self.domains * self.quick // self.letters)
        return replace(self, letters=self.quick, domains=shrunk)


CASES: Final = (
    Case("1-many", "1 session, many letters", 1, 2000, 300, is_in_quick=True),
    Case("10-many", "10 sessions, many letters", 10, 8000, 1500, is_in_quick=True),
    Case("50-many", "50 sessions, many letters", 50, 8000, 1500, is_in_quick=True),
    Case("1-one", "1 session, a connection a letter", 1, 1500, 200, is_one=True),
    Case(
        *("10-one", "10 sessions, a connection a letter", 10, 6000, 1000),
        is_one=True,
        is_in_quick=True,
    ),
    Case("50-one", "50 sessions, a connection a letter", 50, 6000, 1000, is_one=True),
    Case("100k", "10 sessions, 100 KiB", 10, 2000, 300, 100 * KIB, is_in_quick=True),
    Case("5m", "10 sessions, 5 MiB", 10, 80, 20, 5 * MIB),
    Case("tls-out", "10 sessions, STARTTLS out", 10, 4000, 600, is_tls_out=True),
    Case("auth-in", "10 sessions, STARTTLS and AUTH in", 10, 4000, 600, is_auth_in=True),
    Case("recipients", "10 sessions, 100 recipients a letter", 10, 150, 20, recipients=100),
    Case("domains", "10 sessions, 10,000 domains", 10, 20_000, 1000, domains=10_000),
    Case(
        "waiting", "queued, the next hop closed", 10, 5000, 1000, is_waiting=True, is_in_quick=True
    ),
)


class Unknown(ValueError):
    """No such case or side; the text names those there are."""


def chosen(names: Sequence[str], is_quick: bool) -> list[Case]:
    """The cases of these names, all of the size's where none is named. Raises Unknown."""
    known = {case.name: case for case in CASES}
    for name in names:
        if name not in known:
            raise Unknown(f"{name}: no such case; there are {', '.join(known)}")
    if not is_quick:
        return [known[name] for name in names] or list(CASES)
    cases = [known[name] for name in names] or [case for case in CASES if case.is_in_quick]
    return [case.quickly() for case in cases]
