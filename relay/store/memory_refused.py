"""MemoryRefused: letters that were not taken, for the store in memory."""

from __future__ import annotations

from dataclasses import replace

from relay.mail.instant import Instant
from relay.store.refused import deflate
from relay.store.turned_away import RefusedLetter


class MemoryRefused:
    """Implements TurnedAway."""

    def __init__(self) -> None:
        super().__init__()
        self._refused: dict[int, tuple[RefusedLetter, bytes]] = {}

    async def keep_refused(
        self, letter: RefusedLetter, octets: bytes, since: Instant, most: int
    ) -> int:
        """See TurnedAway.keep_refused."""
        for known, kept in self._refused.values():
            if _names(known) == _names(letter):
                last_at = max(known.last_at, letter.last_at)
                again = replace(known, times=known.times + 1, last_at=last_at)
                self._refused[known.id] = (again, kept)
                return known.id
        stored = len(deflate(octets))
        if stored > most:
            octets, stored, letter = b"", 0, replace(letter, is_whole=False)
        self._refused[letter.id] = (replace(letter, stored=stored), octets)
        await self.drop_refused(since, most)
        return letter.id

    async def drop_refused(self, since: Instant, most: int) -> int:
        """See TurnedAway.drop_refused."""
        room, before = most, len(self._refused)
        for one in await self.refused(before):
            room -= one.stored if one.last_at >= since else 0
            if room < 0 or one.last_at < since:
                del self._refused[one.id]
        return before - len(self._refused)

    async def refused(self, limit: int = 100) -> list[RefusedLetter]:
        """See TurnedAway.refused."""
        letters = [letter for letter, _ in self._refused.values()]
        return sorted(letters, key=lambda one: (-one.last_at, -one.id))[:limit]

    async def refused_letter(self, id: int) -> RefusedLetter:
        """See TurnedAway.refused_letter."""
        return self._refused[id][0]

    async def refused_octets(self, id: int) -> bytes:
        """See TurnedAway.refused_octets."""
        return self._refused[id][1]


def _names(letter: RefusedLetter) -> tuple[object, ...]:
    """What makes two letters the same."""
    to = (tuple(letter.recipients), letter.recipient_count)
    return (letter.sha256, letter.sender, letter.reason, *to)
