"""Listing: what `queue ls` and `queue show` tell, of a running relay's store or of a file at rest.

Pages are counted and read in pieces, so that a listing of a million deliveries is slow, not large.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from relay.mail.delivery import Attempt, State
from relay.mail.instant import iso
from relay.mail.late import Late
from relay.mail.strike import Ref
from relay.service import shapes
from relay.service.shapes import ProviderOf, WhyNow
from relay.store.base import Depth, QueueRow, Selector

LookUp = Callable[[Iterable[str]], Awaitable[None]]  # see Directory.look_up_new

PIECE: Final = 2_000  # rows that are read at once to be counted
AT_ONCE: Final = 100  # of them are shown in a turn of the loop: 5 ms
OTHER: Final = "other"  # the sites without a provider


class Reads(Protocol):
    """What a listing asks of a store."""

    async def count(self, selector: Selector) -> dict[State, int]:
        """See Queue.count."""
        ...

    async def rows(
        self, selector: Selector, limit: int = 100, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.rows."""
        ...

    async def depths(self) -> list[Depth]:
        """See Queue.depths."""
        ...

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        ...

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        """See Queue.attempts."""
        ...

    async def late_reports(self, refs: Sequence[Ref]) -> list[Late]:
        """See Returns.late_reports."""
        ...


async def waiting(
    store: Reads,
    wanted: Selector,
    limit: int,
    provider_of: ProviderOf,
    why_now: WhyNow | None = None,
    look_up: LookUp | None = None,
) -> dict[str, Any]:
    """`queue ls`: totals of what is meant, and the oldest of it. `look_up`: where mail goes is
    asked for first, so that it is known what a letter waits for."""
    rows = await store.rows(wanted, limit)
    await _looked_up(rows, look_up)
    if len(rows) < limit:  # these are all: what is counted is what is listed, at one moment
        counts, by_domain = _of_rows(rows)
    elif wanted == Selector(states=wanted.states):  # all of a large queue is counted once
        counts, by_domain = _of_depths(await store.depths(), wanted)
    else:
        counts, by_domain = await store.count(wanted), await _by_domain(store, wanted)
    shown = []
    for n, row in enumerate(rows, 1):
        shown.append(shapes.delivery(row, provider_of, why_now))
        if n % AT_ONCE == 0:
            await asyncio.sleep(0)
    by_word = {state.word: count for state, count in counts.items()}
    return _document(by_word, by_domain, shown, provider_of)


async def letter(
    store: Reads,
    message_id: int,
    n: int | None,
    provider_of: ProviderOf,
    why_now: WhyNow | None = None,
    look_up: LookUp | None = None,
) -> dict[str, Any]:
    """`queue show`: the same shape for one letter's deliveries in any state, each with attempts."""
    shown = []
    by_state: Counter[str] = Counter()
    by_domain: Counter[str] = Counter()
    rows = await store.find(message_id, n)
    await _looked_up(rows, look_up)
    for row in rows:
        made = await store.attempts(message_id, row.delivery.n)
        shape = shapes.delivery(row, provider_of, why_now) | shapes.hints(row)
        said = await store.late_reports([(message_id, row.delivery.n)])
        shape |= {"attempts": _attempts(made)}
        shown.append(shape | ({"late": [shapes.late(one) for one in said]} if said else {}))
        by_state[row.delivery.state.word] += 1
        by_domain[row.delivery.domain] += 1
    return _document(by_state, by_domain, shown, provider_of)


def _attempts(made: Sequence[Attempt]) -> list[dict[str, Any]]:
    """With `again_after`, the moment of the one before, where that was refused there under a block
    that people end: such a letter goes again only once the destination takes mail again."""
    shown = [shapes.attempt(one) for one in made]
    for before, now, shape in zip(made, made[1:], shown[1:], strict=False):
        if now.route_key == before.route_key and _met_a_block(before):
            shape["again_after"] = iso(before.started_at)
    return shown


def _met_a_block(made: Attempt) -> bool:
    if made.reply is None or made.classification is None:
        return False
    # Only where a letter was tried again: a listing at rest needs no shaping.
    from relay.shaping.meaning import Kind, Meaning, kind_of, meaning

    is_refusal = meaning(made.classification, is_probing=False) is Meaning.REFUSAL
    return is_refusal and kind_of(made.classification, made.said()) is Kind.ADMINISTRATIVE


async def _looked_up(rows: Iterable[QueueRow], look_up: LookUp | None) -> None:
    if look_up is not None:
        await look_up({one.delivery.domain for one in rows if one.delivery.state is State.READY})


def _document(
    by_state: Mapping[str, int],
    by_domain: Mapping[str, int],
    deliveries: list[dict[str, Any]],
    provider_of: ProviderOf,
) -> dict[str, Any]:
    return {
        "total": sum(by_state.values()),
        "by_state": {word: count for word, count in by_state.items() if count},
        "by_provider": by_provider(by_domain, provider_of),
        "deliveries": deliveries,
    }


def by_provider(by_domain: Mapping[str, int], provider_of: ProviderOf) -> dict[str, int]:
    """Deliveries by provider, the most first; `other` holds the sites."""
    counts: Counter[str] = Counter()
    for domain, count in by_domain.items():
        counts[provider_of(domain) or OTHER] += count
    return dict(counts.most_common())


async def _by_domain(store: Reads, wanted: Selector) -> Counter[str]:
    """From the depths where domain and state are all that is asked for, else row by row."""
    if wanted == Selector(domains=wanted.domains, states=wanted.states):
        return _of_depths(await store.depths(), wanted)[1]
    found: Counter[str] = Counter()
    after: tuple[int, int] | None = None
    while rows := await store.rows(wanted, PIECE, after):
        found.update(row.delivery.domain for row in rows)
        after = rows[-1].delivery.message_id, rows[-1].delivery.n
    return found


def _of_rows(rows: Iterable[QueueRow]) -> tuple[dict[State, int], Counter[str]]:
    """By state and by domain, of the rows themselves."""
    by_state: Counter[State] = Counter()
    by_domain: Counter[str] = Counter()
    for row in rows:
        by_state[row.delivery.state] += 1
        by_domain[row.delivery.domain] += 1
    return dict(sorted(by_state.items())), by_domain


def _of_depths(depths: Iterable[Depth], wanted: Selector) -> tuple[dict[State, int], Counter[str]]:
    """By state and by domain, of what is meant."""
    by_state: Counter[State] = Counter()
    by_domain: Counter[str] = Counter()
    for depth in depths:
        if (wanted.domains is None or depth.domain in wanted.domains) and (
            wanted.states is None or depth.state in wanted.states
        ):
            by_state[depth.state] += depth.count
            by_domain[depth.domain] += depth.count
    return dict(sorted(by_state.items())), by_domain
