"""Noting: what came back is written down beside its delivery, and nothing else is done.

The contract
- A late report touches its own delivery's record and its own address. Nobody here knows a provider
  or a shaper.
- It counts once: the second of its kind on one delivery changes nothing.
- Only a failure that the rules call the address' own, in a report that names the address, and a
  complaint speak against it. `delayed`, `relayed`, `expanded` never do, nor do answering machines.
- The sender is told of a failure as of one in the dialog: by a report of its own in the same
  commit, or by the day's digest, for which it waits from that commit on.
- Whatever no program can read is kept for an administrator, never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from relay.clock import Clock
from relay.filters.base import Alerts
from relay.ingress import late_report
from relay.mail import events
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Delivery
from relay.mail.dsn import ReportedRecipient
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.late import Kept, Kind, Late
from relay.mail.letter import Letter
from relay.mail.reply import Reply
from relay.mail.report_reading import Report
from relay.mail.return_path import Refusal, ReturnPath, ReturnPathError, Token
from relay.mail.strike import CAUSE_OF, Cause, Strike, key_of
from relay.mail.telling import Mode, Telling
from relay.replies.reported import reply_of
from relay.shaping.settings import LifeSettings
from relay.store.base import Entry, QueueRow
from relay.store.returns import Returns

MAX_TEXT: Final = 1_000  # characters of a foreign text that a record holds
MAX_NAME: Final = 320


class Classifier(Protocol):
    """What reads replies."""

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """See replies.classify."""
        ...


class Deliveries(Returns, Protocol):
    """What is asked of the store."""

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        ...

    async def letter(self, message_id: int) -> Letter:
        """See Queue.letter."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """How it came: the client's address, MAIL FROM, and RCPT TO as it was given."""

    client: str
    sender: str
    recipient: str


class Full(Exception):
    """There is no more room for what nobody can read."""


class Noting:
    """One a door. `classifier`, `hostname`, `life` and `mode` may be replaced at any time; `struck`
    hears of addresses that something speaks against now."""

    def __init__(
        self,
        store: Deliveries,
        path: ReturnPath,
        classifier: Classifier,
        clock: Clock,
        names: Ids,
        emit: Emit,
        alerts: Alerts,
        struck: Callable[[Sequence[str]], None],
        hostname: str,
        life: LifeSettings,
        mode: Mode = "digest",
    ) -> None:
        self._store = store
        self._path = path
        self.classifier = classifier
        self._clock = clock
        self._ids = names
        self._emit = emit
        self._alerts = alerts
        self._struck = struck
        self.hostname = hostname
        self.life = life
        self.mode: Mode = mode

    async def note(
        self, report: Report, letter: bytes, token: Token | None, arrival: Arrival
    ) -> None:
        """One letter to one recipient of ours; `token` None: to fbl@, postmaster@, abuse@.

        Returns when it is on disk. Raises StoreError; Full where it cannot be kept.
        """
        if report.kind is Kind.AUTO_REPLY:
            self._tell(Kind.AUTO_REPLY.value, arrival, token)
            return
        why = "no report in it that can be read"
        if report.kind is not Kind.OTHER:
            token, why = (token, "") if token is not None else self._within(report)
        if why or token is None:
            await self._keep(report, letter, arrival, why)
            return
        found = await self._store.find(token.message_id, token.n)
        if not found:
            self._tell("unknown", arrival, token, why="the store knows no such delivery")
            return
        await self._about(report, found[0], arrival)

    def _within(self, report: Report) -> tuple[Token | None, str]:
        """The delivery whose address stands in the report; else why there is none."""
        refusals = []
        for address in report.addresses:
            try:
                return self._path.read(address, self._clock.now()), ""
            except ReturnPathError as error:
                refusals.append(error.refusal)
        worst = min(refusals, key=list(Refusal).index, default=None)
        shown = f" ({worst.value} ones)" if worst is not None else ""
        return None, f"no return address of ours in it{shown}"

    async def _about(self, report: Report, row: QueueRow, arrival: Arrival) -> None:
        delivery = row.delivery
        told = report.about(delivery.recipient)
        kind, one, is_ours = told
        read = self._classified(kind, one)
        late = self._late(report, told, read, delivery, arrival)
        strike = _strike(late, delivery, read) if is_ours else None
        telling, to_sender = late_report.telling(row.sender, delivery, late, self.mode), None
        if one is not None and telling is Telling.NOW:
            to_sender = await self._to_sender(delivery, late, one)
        is_owed = telling is Telling.DAILY
        is_new = await self._store.note_late(late, strike, to_sender, owes_report=is_owed)
        if is_new and strike is not None:
            self._struck([strike.address])
        self._emit(
            events.Returned(
                late.at,
                delivery.message_id,
                delivery.n,
                kind.value if is_new else "repeated",
                arrival.client,
                arrival.sender,
                delivery.recipient,
                late.category,
                late.rule,
                late.text,
            )
        )

    async def _to_sender(
        self, delivery: Delivery, late: Late, one: ReportedRecipient
    ) -> Entry | None:
        try:
            letter = await self._store.letter(delivery.message_id)
        except KeyError:
            return None
        reply, _ = reply_of(one)
        name = self._ids.next(late.at)
        return late_report.made(letter, delivery, late, reply, self.hostname, name, self.life)

    def _late(
        self,
        report: Report,
        told: tuple[Kind, ReportedRecipient | None, bool],
        read: Classification | None,
        delivery: Delivery,
        arrival: Arrival,
    ) -> Late:
        kind, one, is_ours = told
        text, named, reporter = "", "", arrival.client
        if one is not None:
            status = str(one.status or "")
            text = one.diagnostic if status in one.diagnostic else f"{status} {one.diagnostic}"
            named = "" if is_ours else one.recipient
            reporter = one.remote_mta or reporter
        elif report.feedback_type:
            text, named = report.feedback_type, report.complainant
        return Late(
            delivery.message_id,
            delivery.n,
            kind,
            self._clock.now(),
            read.category if read is not None else None,
            read.rule if read is not None else "",
            text[:MAX_TEXT],
            named[:MAX_NAME],
            reporter[:MAX_NAME],
        )

    def _classified(self, kind: Kind, one: ReportedRecipient | None) -> Classification | None:
        if one is None or kind not in (Kind.FAILED, Kind.DELAYED):
            return None
        return self.classifier.classify(*reply_of(one))

    async def _keep(self, report: Report, letter: bytes, arrival: Arrival, why: str) -> None:
        now = self._clock.now()
        kept = Kept(
            self._ids.next(now),
            now,
            arrival.client,
            arrival.sender[:MAX_NAME],
            arrival.recipient[:MAX_NAME],
            report.subject[:MAX_TEXT],
            why,
            len(letter),
        )
        if not await self._store.keep_return(kept, letter):
            self._alerts.alert("returns_full", f"from {arrival.client}, to {arrival.recipient}")
            self._tell("full", arrival, None, why=why)
            raise Full
        self._alerts.alert("returns_kept", f"a letter to {arrival.recipient} waits: {why}")
        self._tell("kept", arrival, None, why=why)

    def _tell(self, outcome: str, arrival: Arrival, token: Token | None, why: str = "") -> None:
        """An event of something that changed no delivery."""
        self._emit(
            events.Returned(
                self._clock.now(),
                token.message_id if token is not None else None,
                token.n if token is not None else None,
                outcome,
                arrival.client,
                arrival.sender,
                arrival.recipient,
                why=why,
            )
        )


def _strike(late: Late, delivery: Delivery, read: Classification | None) -> Strike | None:
    """What it says against the address, if anything."""
    address = key_of(delivery.recipient)
    ref = (delivery.message_id, delivery.n)
    if late.kind is Kind.COMPLAINT:
        rule = f"complaint:{late.text or 'forwarded'}"[:80]
        return Strike(address, late.at, Cause.COMPLAINT, rule, *ref, False, "complaint")
    if late.kind is not Kind.FAILED or read is None or not _is_the_address_own(read):
        return None
    cause = CAUSE_OF[read.category]
    return Strike(address, late.at, cause, read.rule, *ref, False, "late")


def _is_the_address_own(read: Classification) -> bool:
    """A failure for good of the recipient itself. A full mailbox need not be called so: that the
    other side gave up is said by the report."""
    if read.category not in CAUSE_OF or read.scope is not Scope.RECIPIENT:
        return False
    return read.category is Category.MAILBOX_FULL or read.action is Action.BOUNCE_ADDRESS
