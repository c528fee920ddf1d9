"""Oracles: how soon the announcement could have been through, bounded by the configured limits.

The *clairvoyant* knows each quota at each moment, and never exceeds one. The *causal* one knows the
rules of the model, but not its numbers: it goes as fast as the limits allow until its first
refusal, knows the quota from then on, and waits exactly the penalty; that a quota has fallen it
learns by the next refusal. Both try a provider of their own of the same draw, letter by letter,
without scheduler or shaper. Connections and letters a connection are configured limits too: each
letter keeps one busy for as long as the host takes, and the last one is closed to massal.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.lab.quotas.base import Answer, Kind, Provider, Quota, Try
from relay.lab.quotas.drawn import Drawn
from relay.lab.rehearsing.arrivals import Arrival
from relay.lab.rehearsing.dialling import ENCRYPTING, GREETING, OUR_IP
from relay.lab.rehearsing.scoring import SHARE, Progress
from relay.lab.rehearsing.warming import Days
from relay.lab.rehearsing.world import SENDER, Run
from relay.mail.delivery import FailureKind
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant, millis
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.shaping.destination import Profile
from relay.shaping.settings import RetrySettings
from relay.shaping.windows import closed_to_massal

LETTERS_A_SESSION: Final = 4
LOOK: Final = MINUTE  # so often a quota that changes is looked at again
AGAIN: Final = [millis(step) for step in RetrySettings().schedule]  # a letter's own backoff
FOR_EVER: Final = 1 << 30
_OVER: Final = frozenset({Kind.THROTTLED, Kind.BLOCKED, Kind.ADMINISTRATIVE})


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` in any `span`; `closed` of them to massal."""

    count: int
    span: int
    closed: int = 0


@dataclass(order=True, slots=True)
class Letter:
    """One letter in an oracle's queue."""

    number: int
    arrival: Arrival = field(compare=False)
    tries: int = field(default=0, compare=False)


def _lines() -> dict[Urgency, deque[Letter]]:
    return {urgency: deque() for urgency in Urgency}


@dataclass(slots=True)
class Queue:
    """One destination's letters, what was sent to it, and what is known of it."""

    provider: Provider
    limits: tuple[Cap, ...]
    profile: Profile
    coming: deque[Letter] = field(default_factory=deque)
    ready: dict[Urgency, deque[Letter]] = field(
        default_factory=lambda: {u: deque() for u in Urgency}
    )
    again: list[tuple[Instant, Letter]] = field(default_factory=list)
    sent: list[Instant] = field(default_factory=list)
    known: tuple[Quota, ...] | None = None
    shut_until: Instant = 0
    session: tuple[str, int, int] | None = None  # host, number, carried
    busy: list[Instant] = field(default_factory=list)  # until when each connection is
    days: Days | None = None  # of its warm-up
    carried: int = 0


def clairvoyant(run: Run) -> Progress:
    """Nobody could be faster. `run`'s providers are used up by it."""
    return _Oracle(run, is_causal=False).progress()


def causal(run: Run) -> Progress:
    """Nobody who has to learn could be much faster. `run`'s providers are used up by it."""
    return _Oracle(run, is_causal=True).progress()


class _Oracle:
    def __init__(self, run: Run, is_causal: bool) -> None:
        self._run = run
        self._is_causal = is_causal
        self._taken: list[int] = []
        self._done: list[int] = []  # of the announcement, whatever came of it
        self._sessions = 0
        self._queues: dict[str, Queue] = {}
        providers = {d: one for one in run.providers for d in one.domains}
        places: dict[str, Queue] = {}
        for number, arrival in enumerate(run.arrivals):
            domain = arrival.recipient.rpartition("@")[2]
            if domain not in places:
                places[domain] = self._queue_of(domain, providers[domain])
            places[domain].coming.append(Letter(number, arrival))

    def _queue_of(self, domain: str, provider: Provider) -> Queue:
        hosts = provider.hosts(domain, self._run.start)
        named = () if isinstance(hosts, FailureKind) else hosts
        destination = self._run.book.destination_of(domain, named)
        caps = [
            Cap(rate.count, millis(rate.window), closed_to_massal(rate.count))
            for rate in destination.profile.rates
        ]
        plan = destination.profile.warmup
        days = None if plan is None else Days(plan)
        made = Queue(provider, tuple(caps), destination.profile, days=days)
        return self._queues.setdefault(destination.key, made)

    def progress(self) -> Progress:
        """Step from moment to moment, the earliest destination first."""
        end = self._run.start + self._run.length
        steps = [(self._run.start, n, one) for n, one in enumerate(self._queues.values())]
        heapq.heapify(steps)
        while steps:
            now, n, queue = heapq.heappop(steps)
            at = self._step(queue, now)
            if at is not None and at < end:
                heapq.heappush(steps, (at, n, queue))
        return Progress(tuple(sorted(self._taken)), self._run.length, self._goal())

    def _goal(self) -> int:
        """How many letters were taken when 95 % of the announcement was done with; where it never
        was, 95 % of all that were taken."""
        announced = sum(one.is_announcement for one in self._run.arrivals)
        needed = math.ceil(SHARE * announced)
        if len(self._done) < needed:
            return math.ceil(SHARE * len(self._taken))
        at = sorted(self._done)[needed - 1]
        return sum(time <= at for time in self._taken)

    def _over(self, letter: Letter, now: Instant, is_taken: bool) -> None:
        if is_taken:
            self._taken.append(now - self._run.start)
        if letter.arrival.is_announcement:
            self._done.append(now - self._run.start)

    def _step(self, queue: Queue, now: Instant) -> Instant | None:
        """Send what may go now; the next moment to look, None where all is done."""
        while True:
            self._fetch(queue, now)
            if now < queue.shut_until:
                return queue.shut_until
            first = next((line for line in queue.ready.values() if line), None)
            if first is None:
                return self._next(queue)
            at = self._free_at(queue, first[0], now)
            if at > now:
                return min(at, self._next(queue) or at)
            self._send(queue, first.popleft(), now)

    def _fetch(self, queue: Queue, now: Instant) -> None:
        while queue.coming and queue.coming[0].arrival.at <= now:
            letter = queue.coming.popleft()
            queue.ready[letter.arrival.urgency].append(letter)
        while queue.again and queue.again[0][0] <= now:
            letter = heapq.heappop(queue.again)[1]
            queue.ready[letter.arrival.urgency].append(letter)

    def _next(self, queue: Queue) -> Instant | None:
        coming = [queue.coming[0].arrival.at] if queue.coming else []
        return min([*coming, *(at for at, _ in queue.again[:1])], default=None)

    def _free_at(self, queue: Queue, letter: Letter, now: Instant) -> Instant:
        """When the letter fits into all windows; no later than the next look at the quotas."""
        is_massal = letter.arrival.urgency is Urgency.MASSAL
        at = _connection_at(queue, is_massal, now)
        for cap in queue.limits:
            at = max(at, _room(queue.sent, cap.count - cap.closed * is_massal, cap.span, now))
        if queue.days is not None:
            at = max(at, queue.days.free_at(letter.arrival.urgency, now))
        if at > now:
            return at
        for quota in self._quotas(queue, letter, now):
            at = max(at, min(_room(queue.sent, quota.count, quota.span, now), now + LOOK))
        return at

    def _quotas(self, queue: Queue, letter: Letter, now: Instant) -> Sequence[Quota]:
        """What the oracle knows of the quotas."""
        domain = letter.arrival.recipient.rpartition("@")[2]
        if not self._is_causal:
            return queue.provider.quotas(domain, now)
        if queue.known is None:
            return ()
        now_is = queue.provider.quotas(domain, now)
        pairs = zip(queue.known, now_is, strict=True)
        queue.known = tuple(max(pair, key=lambda quota: quota.count) for pair in pairs)
        return queue.known

    # --- sending

    def _send(self, queue: Queue, letter: Letter, now: Instant) -> None:
        provider, arrival = queue.provider, letter.arrival
        before = len(provider.book.entries)
        answer = self._try(queue, letter, now)
        _keep_busy(queue, now)
        if answer is None:
            return self._over(letter, now, is_taken=True)
        kinds = [entry.kind for entry in provider.book.entries[before:]]
        is_taken = answer is FailureKind.AMBIGUOUS and provider.book.entries[-1].is_taken
        if is_taken or (isinstance(answer, str) and answer[0] == "5" and not _is_over(kinds)):
            return self._over(letter, now, is_taken)
        if _is_over(kinds):
            queue.known = tuple(provider.quotas(arrival.recipient.rpartition("@")[2], now))
            queue.shut_until = now + _penalty(provider, kinds, now)
            queue.ready[arrival.urgency].appendleft(letter)
        elif Kind.DOWN in kinds and queue.session is None:
            queue.shut_until = now + LOOK  # it looks until the host is there again
            queue.ready[arrival.urgency].appendleft(letter)
        else:
            later = AGAIN[min(letter.tries, len(AGAIN) - 1)]
            letter.tries += 1
            heapq.heappush(queue.again, (now + later, letter))
        return None

    def _try(self, queue: Queue, letter: Letter, now: Instant) -> Answer:
        """MAIL, RCPT and the dot at once; the first answer that is one."""
        provider, arrival = queue.provider, letter.arrival
        hosts = provider.hosts(arrival.recipient.rpartition("@")[2], now)
        if isinstance(hosts, FailureKind):
            return hosts
        host, number, carried = queue.session or (hosts[0], 0, 0)
        if not number or host != hosts[0] or carried >= LETTERS_A_SESSION:
            if number:
                provider.closed(host, OUR_IP, number, now)
            queue.session = None
            self._sessions = number = self._sessions + 1
            host, carried = hosts[0], 0
            answer = provider.connect(host, OUR_IP, number, now)
            if answer is not None:
                return answer
        queue.session = (host, number, carried + 1)
        message_id = f"<{letter.number}@lpse.example.go.id>"
        signer = SENDER.rpartition("@")[2]
        tried = Try(OUR_IP, host, number, carried, SENDER, arrival.recipient, signer, message_id)
        queue.sent.append(now)
        if queue.days is not None:
            queue.days.add(arrival.urgency, now)
        for step in (provider.mail, provider.rcpt, provider.end):
            answer = step(tried, now)
            if answer is not None:
                if isinstance(answer, FailureKind) or answer.startswith("421"):
                    provider.closed(host, OUR_IP, number, now)
                    queue.session = None
                return answer
        return None


def _connection_at(queue: Queue, is_massal: bool, now: Instant) -> Instant:
    """When a connection is free."""
    allowed = queue.profile.connections
    if allowed is None:
        return now
    if is_massal and allowed > 1:
        allowed -= 1
    while queue.busy and queue.busy[0] <= now:
        heapq.heappop(queue.busy)
    return now if len(queue.busy) < allowed else sorted(queue.busy)[len(queue.busy) - allowed]


def _keep_busy(queue: Queue, now: Instant) -> None:
    """A letter has been given to a connection, which may have been dialled for it."""
    if queue.profile.connections is None or queue.session is None:
        return
    host, provider = queue.session[0], queue.provider
    stages = [Stage.RCPT, Stage.EOD]
    if queue.carried % (queue.profile.messages_per_connection or FOR_EVER) == 0:
        stages += [*GREETING, *ENCRYPTING]
    queue.carried += 1
    seconds = sum(provider.seconds(stage, host, now) for stage in stages)
    heapq.heappush(queue.busy, now + int(seconds * SECOND))


def _room(sent: list[Instant], count: int, span: int, now: Instant) -> Instant:
    """When one more fits among at most `count` in any `span`."""
    inside = len(sent) - bisect_right(sent, now - span)
    if inside < count:
        return now
    return sent[len(sent) - max(count, 1)] + span


def _is_over(kinds: Sequence[Kind]) -> bool:
    return any(kind in _OVER for kind in kinds)


def _penalty(provider: Provider, kinds: Sequence[Kind], now: Instant) -> int:
    """How long it takes exactly, where trying would renew it; else it is tried once a minute."""
    if not isinstance(provider, Drawn) or "block_1" not in provider.keys:
        return LOOK if Kind.ADMINISTRATIVE not in kinds else HOUR
    key = "block_1" if Kind.BLOCKED in kinds else "penalty"
    return provider.draw.count(key) + SECOND
