"""Siblings: how many recipients of one letter are at the provider that a delivery goes to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from relay.clock import Clock
from relay.transports.base import Job

KeyOf = Callable[[str], str | None]
KEPT: Final = 256  # letters
AGAIN: Final = 1.0  # seconds until domains that had no known MX are asked about again


class Domains(Protocol):
    """Where a letter's recipients are."""

    async def domains_of(self, message_id: int) -> Mapping[str, int]:
        """How many there are in each domain; see Queue.domains_of."""
        ...


@dataclass(slots=True)
class _Counted:
    domains: Mapping[str, int]
    sums: dict[str, tuple[int, float | None]] = field(default_factory=dict)  # None: final


class Siblings:
    """Counts by destination. A domain whose MX is not known yet counts everywhere, so the number
    is an upper bound until all are known."""

    def __init__(self, domains: Domains, key_of: KeyOf, clock: Clock) -> None:
        """``key_of``: a domain's destination key, None where it is not known (never waits)."""
        self._domains = domains
        self._key_of = key_of
        self._clock = clock
        self._letters: OrderedDict[int, _Counted] = OrderedDict()

    async def of(self, job: Job) -> int:
        """The number, this delivery itself included. Raises StoreError."""
        letter, key = job.letter, job.route.destination.key
        if letter.recipients <= 1:
            return 1
        counted = self._letters.get(letter.id)
        if counted is None:
            counted = _Counted(await self._domains.domains_of(letter.id))
            self._letters[letter.id] = counted
            if len(self._letters) > KEPT:
                self._letters.popitem(last=False)
        self._letters.move_to_end(letter.id)
        found = counted.sums.get(key)
        now = self._clock.monotonic()
        if found is None or (found[1] is not None and now >= found[1]):
            found = counted.sums[key] = self._sum(counted.domains, key, now)
        return found[0]

    def _sum(self, domains: Mapping[str, int], key: str, now: float) -> tuple[int, float | None]:
        total = 0
        is_final = True
        for domain, count in domains.items():
            there = self._key_of(domain)
            is_final = is_final and there is not None
            if there is None or there == key:
                total += count
        return total, None if is_final else now + AGAIN
