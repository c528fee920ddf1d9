"""Survey: what the lines of mail logs come to — counts, addresses, deliveries, what is not known.

One pass in bounded memory: a row an address and a group, a few hundred of everything else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from relay.mail.classification import Category
from relay.mail.instant import Instant
from relay.replies import unknown
from relay.replies.classify import SURE
from relay.replies.unknown import Kind
from relay.reports.entries import Aside, Ended, Entry, Refused, Sent
from relay.reports.failing import Addresses, Failure, shown
from relay.reports.grouped import Group, Key, category_word, day_of
from relay.reports.verdicts import Verdict, Verdicts

MOST_WAITING: Final = 500_000  # letters that are deferred at once
MOST_KINDS: Final = 10_000  # kinds of unknown replies, as `replies unknown` has them
ProviderOf = Callable[[str, str], str]  # (domain, host that answered) → name


class Waiting(NamedTuple):
    """A recipient whose letter was deferred, by the last time that it was."""

    refused: Refused
    category: Category
    rule: str
    is_documented: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal with the verdict on its kind, for whoever wants each of them. The verdict's own
    reply is that of the first one of the kind."""

    entry: Refused
    verdict: Verdict


class Survey:
    """One instance a run; `take` for each entry, then read the rest."""

    def __init__(self, verdicts: Verdicts, provider_of: ProviderOf, zone: int) -> None:
        """``zone``: where the days are counted, milliseconds east of UTC."""
        self._verdicts: Final = verdicts
        self._provider_of: Final = provider_of
        self._zone: Final = zone
        self._providers: Final[dict[tuple[bytes, bytes], str]] = {}
        self._arrived: Final[OrderedDict[bytes, Instant]] = OrderedDict()
        self._waiting: Final[OrderedDict[bytes, dict[bytes, Waiting]]] = OrderedDict()
        self.addresses: Final = Addresses()
        self.groups: Final[dict[Key, Group]] = {}
        self.said: Final[Counter[tuple[str, str, str]]] = Counter()  # category, action, rule
        self.unknown: Final[dict[str, Kind]] = {}
        self.delivered = self.failed = self.deferrals = self.not_tried = self.local = 0
        self.forgotten = 0  # deferred letters that were too many to follow
        self.first_at: Instant | None = None
        self.last_at: Instant | None = None

    def take(self, entry: Entry) -> Refusal | None:
        """Count one entry; a refusal comes back with its verdict."""
        kind = type(entry)
        if kind is Sent:
            self._sent(entry)  # type: ignore[arg-type]
        elif kind is Refused:
            return self._refused(entry)  # type: ignore[arg-type]
        elif kind is Ended:
            self._ended(entry)  # type: ignore[arg-type]
        elif entry is Aside.LOCAL:
            self.local += 1
        elif kind is not Aside:
            self._arrive(entry.queue_id, entry.at)  # type: ignore[union-attr]
        return None

    def _arrive(self, queue_id: bytes, at: Instant) -> None:
        self._arrived[queue_id] = at
        if len(self._arrived) > MOST_WAITING:
            self._arrived.popitem(last=False)

    def _sent(self, entry: Sent) -> None:
        at, to, host, took, queue_id = entry
        self._saw(at)
        self.delivered += 1
        if took is None and (arrived := self._arrived.get(queue_id)) is not None:
            took = max(0.0, (at - arrived) / 1000)
        if queue_id in self._waiting:
            self._landed(queue_id, to)
        self.addresses.took(to, at)
        group = self._group(at, took, self._provider(to, host), "")
        group.delivered += 1
        if took is not None:
            group.spread.add(took)

    def _refused(self, entry: Refused) -> Refusal | None:
        self._saw(entry.at)
        if not entry.is_tried and not entry.is_final:
            self.not_tried += 1
            return None
        verdict = self._verdicts.of(entry)
        said = verdict.said
        self.said[said.category.value, said.action.value, said.rule] += 1
        if verdict.is_guess:
            self._note_unknown(entry.at, verdict)
        waiting = Waiting(entry, said.category, said.rule, verdict.is_documented)
        if entry.is_final:
            before = self._landed(entry.queue_id, entry.to)
            if b"retry timeout exceeded" in entry.text and before is not None:
                waiting = before._replace(refused=entry)
            self._give_up(waiting, entry.at, is_sure=said.confidence >= SURE)
        else:
            self.deferrals += 1
            self._defer(waiting)
        return Refusal(entry, verdict)

    def _defer(self, waiting: Waiting) -> None:
        queue_id = waiting.refused.queue_id
        self._waiting.setdefault(queue_id, {})[waiting.refused.to] = waiting
        if len(self._waiting) > MOST_WAITING:
            _, gone = self._waiting.popitem(last=False)
            self.forgotten += len(gone)

    def _landed(self, queue_id: bytes, to: bytes) -> Waiting | None:
        """The recipient waits no more; what it waited for."""
        there = self._waiting.get(queue_id)
        if there is None:
            return None
        before = there.pop(to, None)
        if not there:
            del self._waiting[queue_id]
        return before

    def _ended(self, entry: Ended) -> None:
        if entry.is_expired:
            for waiting in self._waiting.pop(entry.queue_id, {}).values():
                self._give_up(waiting, entry.at, is_sure=True)
        elif self._waiting:  # removed by hand, or its end stands in another file
            self._waiting.pop(entry.queue_id, None)
        if self._arrived:
            self._arrived.pop(entry.queue_id, None)

    def _give_up(self, waiting: Waiting, at: Instant, *, is_sure: bool) -> None:
        self.failed += 1
        refused = waiting.refused
        provider = self._provider(refused.to, refused.host)
        took = refused.took
        if took is None and (arrived := self._arrived.get(refused.queue_id)) is not None:
            took = max(0.0, (refused.at - arrived) / 1000)
        word = category_word(waiting.category)
        self._group(refused.at, took, provider, word).failed += 1
        if is_sure:
            failure = Failure(
                at, waiting.category, waiting.rule, self.failed, waiting.is_documented
            )
            self.addresses.failed(refused, failure, provider)

    def finish(self) -> None:
        """Count what still waits at the end of the log."""
        for recipients in self._waiting.values():
            for waiting in recipients.values():
                refused = waiting.refused
                provider = self._provider(refused.to, refused.host)
                word = category_word(waiting.category)
                self._group(refused.at, refused.took, provider, word).waiting += 1
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        """Recipients that are deferred now."""
        return sum(map(len, self._waiting.values()))

    def _group(self, at: Instant, took: float | None, provider: str, category: str) -> Group:
        """By the day on which the letter came."""
        came = at if took is None else at - int(took * 1000)
        key = (day_of(came, self._zone), provider, "", category)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group()
        return group

    def _provider(self, to: bytes, host: bytes) -> str:
        domain = to[to.rfind(b"@") + 1 :]
        key = (domain, host)
        name = self._providers.get(key)
        if name is None:
            if len(self._providers) >= MOST_KINDS:
                self._providers.clear()
            name = self._provider_of(shown(domain.lower()), shown(host.lower()))
            self._providers[key] = name
        return name

    def _saw(self, at: Instant) -> None:
        if self.first_at is None or at < self.first_at:
            self.first_at = at
        if self.last_at is None or at > self.last_at:
            self.last_at = at

    def _note_unknown(self, at: Instant, verdict: Verdict) -> None:
        shape = unknown.shape(verdict.reply)
        if shape not in self.unknown and len(self.unknown) >= MOST_KINDS:
            shape = "(others)"
        old = self.unknown.get(shape)
        if old is None:
            self.unknown[shape] = Kind(shape, 1, at, at, verdict.reply.code, shape)
        else:
            first, last = min(old.first_at, at), max(old.last_at, at)
            self.unknown[shape] = Kind(shape, old.count + 1, first, last, old.code, old.sample)
