"""MemorySuppressing: strikes and the list of suppressed addresses, for the store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from relay.mail import ids
from relay.mail.instant import Instant
from relay.mail.strike import (
    MOST_STRIKES,
    Cause,
    Doubt,
    History,
    Listed,
    Ref,
    Resent,
    Strike,
    key_of,
)
from relay.store.suppressing import Audited
from relay.store.terms import Changed, QueueRow

_ABOUT_THE_ADDRESS = (Cause.UNKNOWN, Cause.INACTIVE)
_PROVED_WRONG = (*_ABOUT_THE_ADDRESS, Cause.FULL)


class MemorySuppressing:
    """Implements Suppressions; what it asks of the queue stands below."""

    audits: list[tuple[Instant, str, str, str, str, str]]  # of MemoryKept

    def __init__(self) -> None:
        super().__init__()
        self._strikes: dict[str, list[Strike]] = {}
        self._noted: set[tuple[object, ...]] = set()  # healed ones too: none comes twice
        self._listed: dict[str, Listed] = {}
        self._resent: list[tuple[str, Instant, Ref]] = []

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        raise NotImplementedError

    async def last_accepted_at(self, address: str) -> Instant | None:
        """See Queue.last_accepted_at."""
        raise NotImplementedError

    async def requeue(
        self, refs: Sequence[Ref], action: str, who: str, reason: str, now: Instant
    ) -> Changed:
        """See Queue.requeue."""
        raise NotImplementedError

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """See Queue.audit."""
        raise NotImplementedError

    async def strike(self, *strikes: Strike) -> int:
        """See Suppressions.strike."""
        return sum(self.note(one) for one in strikes)

    def note(self, one: Strike) -> bool:
        """True where it is new."""
        name = _name(one)
        if name in self._noted:
            return False
        self._noted.add(name)
        kept = self._strikes.setdefault(one.address, [])
        kept.append(one)
        kept.sort(key=_order)
        return True

    def mend(self, address: str) -> None:
        """A success heals what was said in the dialog, or by a person of its mailbox."""
        left = [one for one in self._strikes.get(address, ()) if one.source != "reply"]
        self._left(address, left)
        row = self._listed.get(address)
        if row is not None and row.cause in _PROVED_WRONG:
            del self._listed[address]

    def _left(self, address: str, strikes: list[Strike]) -> None:
        if strikes:
            self._strikes[address] = strikes
        else:
            self._strikes.pop(address, None)

    async def struck(self) -> set[str]:
        """See Suppressions.struck."""
        return self._strikes.keys() | self._listed.keys()

    async def history(self, address: str) -> History:
        """See Suppressions.history."""
        resent = frozenset(ref for known, _, ref in self._resent if known == address)
        return replace(await self._history(address), resent=resent)

    async def _history(self, address: str) -> History:
        strikes = tuple(self._strikes.get(address, ())[-MOST_STRIKES:])
        accepted_at = await self.last_accepted_at(address)
        return History(address, strikes, self._listed.get(address), accepted_at)

    async def histories(self, limit: int = 1000, after: str = "") -> list[History]:
        """See Suppressions.histories."""
        found = sorted(one for one in await self.struck() if one > after)
        return [await self._history(address) for address in found[:limit]]

    async def audited(self, address: str, limit: int = 50) -> list[Audited]:
        """See Suppressions.audited."""
        rows = [
            Audited(at, who, action, reason, detail)
            for at, who, action, subject, reason, detail in reversed(self.audits)
            if subject == address
        ]
        return rows[:limit]

    async def enlist(self, listed: Sequence[Listed], who: str, reason: str, now: Instant) -> None:
        """See Suppressions.enlist."""
        for one in listed:
            before = self._listed.get(one.address)
            self._listed[one.address] = one
            stood = "" if before is None else f"in the place of: {before.reason}"
            await self.audit(who, "suppression.add", one.address, reason, now, stood)

    async def heal(self, addresses: Sequence[str], who: str, reason: str, now: Instant) -> int:
        """See Suppressions.heal."""
        count = 0
        for address in dict.fromkeys(addresses):
            strikes = len(self._strikes.pop(address, ()))
            listed = int(self._listed.pop(address, None) is not None)
            if strikes or listed:
                count += 1
                detail = f"{strikes} strikes, {listed} by hand"
                await self.audit(who, "suppression.rm", address, reason, now, detail)
        return count

    async def doubt(self, doubt: Doubt) -> None:
        """See Suppressions.doubt."""
        self.doubted((doubt,))

    def doubted(self, doubts: Iterable[Doubt]) -> None:
        """The same, of several."""
        for doubt in doubts:
            for address, strikes in self._strikes.items():
                self._strikes[address] = [
                    replace(one, pending=doubt.fuse) if _is_meant(one, doubt) else one
                    for one in strikes
                ]

    async def decide(self, fuse: str, is_right: bool) -> list[str]:
        """See Suppressions.decide."""
        decided = []
        for address, strikes in list(self._strikes.items()):
            if not any(one.pending == fuse for one in strikes):
                continue
            decided.append(address)
            kept = [one for one in strikes if is_right or one.pending != fuse]
            firm = [replace(one, pending="") if one.pending == fuse else one for one in kept]
            self._left(address, firm)
        return sorted(decided)

    async def pending(self) -> dict[str, int]:
        """See Suppressions.pending."""
        named = Counter(
            fuse
            for strikes in self._strikes.values()
            for fuse in {one.pending for one in strikes if one.pending}
        )
        return dict(named)

    async def forgive(self, refs: Sequence[Ref], now: Instant) -> None:
        """See Suppressions.forgive."""
        for ref in dict.fromkeys(refs):
            for row in await self.find(*ref):
                address = key_of(row.delivery.recipient)
                strikes = self._strikes.get(address, [])
                left = [one for one in strikes if one.ref != ref or one.source != "reply"]
                self._left(address, left)
                self._resent.append((address, 0, ref))

    async def resend(
        self, address: str, ref: Ref, most: int, since: Instant, who: str, now: Instant
    ) -> Resent:
        """See Suppressions.resend."""
        if sum(one == address and at > since for one, at, _ in self._resent) >= most:
            return "too_often"
        reason = f"asked for by the owner of {address}"
        if not (await self.requeue([ref], "suppression.resend", who, reason, now)).moved:
            return "over"
        self._resent.append((address, now, ref))
        return "again"

    async def drop_outlived(self, before: Instant, complaints_end: bool) -> int:
        """See Suppressions.drop_outlived."""
        count = 0
        for address, strikes in list(self._strikes.items()):
            is_over = all(one.at < before for one in strikes)
            gone = [
                one
                for one in strikes
                if is_over
                and not one.pending
                and (complaints_end or one.cause is not Cause.COMPLAINT)
            ]
            self._noted -= {_name(one) for one in gone}
            self._left(address, [one for one in strikes if one not in gone])
            count += len(gone)
        kept = [one for one in self._resent if not await self._is_through(*one[1:], before)]
        count += len(self._resent) - len(kept)
        self._resent = kept
        return count

    async def _is_through(self, at: Instant, ref: Ref, before: Instant) -> bool:
        if at >= before or ref[0] >= ids.first_of(before):
            return False
        return all(row.delivery.state.is_final for row in await self.find(*ref))


def _name(one: Strike) -> tuple[object, ...]:
    """What makes two strikes the same one."""
    moment = (one.address, one.at) if one.source == "reply" else ()
    return *moment, *one.ref, one.cause, one.source


def _order(one: Strike) -> tuple[object, ...]:
    return one.at, one.message_id, one.n, list(Cause).index(one.cause), one.source != "reply"


def _is_meant(one: Strike, doubt: Doubt) -> bool:
    return (
        one.key == doubt.key
        and one.at >= doubt.since
        and one.source == "reply"
        and not one.pending
        and one.cause in _ABOUT_THE_ADDRESS
    )
