"""MemoryWishes: what operators ask of deliveries, for the store in memory; see wishes.py."""

from __future__ import annotations

from collections.abc import Iterable

from relay.mail.delivery import Delivery, State, released_until
from relay.mail.instant import Instant
from relay.store.terms import Change


class MemoryWishes:
    """By delivery."""

    def __init__(self) -> None:
        self._asked: dict[tuple[int, int], tuple[Change, str]] = {}

    def note(self, what: Change, meant: Iterable[Delivery], reason: str) -> None:
        """Of the leased ones among them; a release takes a hold back."""
        for one in meant:
            key = (one.message_id, one.n)
            if one.state is not State.LEASED:
                continue
            if what in ("hold", "remove"):
                self._asked[key] = (what, reason)
            elif what == "release" and key in self._asked and self._asked[key][0] == "hold":
                del self._asked[key]

    def obeyed(self, landed: Delivery) -> Delivery:
        """The delivery as it was asked for, where it stayed in the queue."""
        what, reason = self._asked.pop((landed.message_id, landed.n), ("", ""))
        if what == "remove" and not landed.state.is_final:
            return landed.moved(State.REMOVED, why=reason)
        if what == "hold" and landed.state in (State.READY, State.WAITING):
            return landed.moved(State.HELD, why=reason)
        return landed


def ended(delivery: Delivery, at: Instant) -> Delivery:
    """One that left the queue."""
    return delivery.changed(due_at=at, turn=0, is_fixed=False)


def changed_by(what: Change, one: Delivery, since: Instant, reason: str, now: Instant) -> Delivery:
    """The delivery after an operator's change; `since` its state stood."""
    match what:
        case "hold":
            return one.moved(State.HELD, why=reason)
        case "release":
            until = released_until(one, since, now)
            return one.moved(State.READY, due_at=now, why="", expires_at=until)
        case "retry":
            return one.moved(State.READY, due_at=min(one.due_at, now))
        case "remove":
            return ended(one.moved(State.REMOVED, why=reason), now)
