"""Pipeline: asks the filters in YAML's order, each within its deadline, and applies what they say.

The contract
- A filter proposes; only the pipeline changes a `Transaction`. Its edits are applied in their
  order before its verdict counts, and each filter that edited is named in the notes.
- The first final verdict (Reject, Defer, Discard) ends the stage. Accept ends it too, and wins
  over nothing. Hold does not end it: the letter will be queued as held, and a later refusal wins.
- A filter that raises, or that is not done within its deadline, has failed: `on_error: defer`
  answers 451 4.3.0 and loses nothing, `on_error: accept` goes on as if it were not there. Either
  way an alert names it.
- Only hooks that a filter overrides are called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from relay.filters.base import Alerts, Departure, Filter, Transaction
from relay.filters.bounded import within
from relay.mail.envelope import Recipient, Source
from relay.mail.headers import Headers
from relay.mail.reply import EnhancedCode, Reply
from relay.mail.verdict import (
    NOTHING,
    Accept,
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    Defer,
    Edit,
    Hold,
    Proposal,
    RemoveRecipient,
    RenameHeader,
    SetParticulars,
    Verdict,
)

STAGES: Final = ("connect", "helo", "mail", "rcpt", "data", "depart")
FILTER_FAILED: Final = Reply(451, EnhancedCode(4, 3, 0), "Temporary failure, nothing was taken")
_Hook = Callable[..., Awaitable[Proposal]]


class FilterFailed(Exception):
    """A filter with `on_error: defer` failed at departure; the delivery stays in the queue."""


@dataclass(frozen=True, slots=True)
class Step:
    """One filter in its place."""

    name: str
    filter: Filter
    deadline: float = 5.0  # seconds
    on_error: Literal["defer", "accept"] = "defer"


class Pipeline:
    """The filters of one configuration; a reload builds another."""

    def __init__(self, steps: Sequence[Step], alerts: Alerts) -> None:
        self.names = tuple(step.name for step in steps)
        self._alerts = alerts
        self._hooks: dict[str, tuple[tuple[Step, _Hook], ...]] = {
            stage: tuple(
                (step, getattr(step.filter, stage))
                for step in steps
                if getattr(type(step.filter), stage) is not getattr(Filter, stage)
            )
            for stage in STAGES
        }

    async def connect(self, source: Source) -> Verdict | None:
        """A client connected; None: go on. Edits have nothing to change here."""
        return await self._judge("connect", source)

    async def helo(self, source: Source) -> Verdict | None:
        """HELO or EHLO was said."""
        return await self._judge("helo", source)

    async def mail(self, transaction: Transaction) -> Verdict | None:
        """MAIL FROM; edits may change the sender."""
        return await self._judge("mail", transaction, transaction=transaction)

    async def rcpt(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        """RCPT TO; an Accept or None means that the recipient may be added."""
        return await self._judge("rcpt", transaction, recipient, transaction=transaction)

    async def data(self, transaction: Transaction) -> Verdict | None:
        """The whole letter; asked once, before it is put into the queue."""
        return await self._judge("data", transaction, transaction=transaction)

    async def depart(self, departure: Departure) -> Headers:
        """The headers that a delivery leaves with, not yet signed. Raises FilterFailed.

        Verdicts and edits of anything but headers have no meaning here: they are a failure of
        the filter that gave them.
        """
        for step, hook in self._hooks["depart"]:
            proposal = await self._asked(step, hook, departure)
            if proposal is None:
                raise FilterFailed(f"filter {step.name} failed at departure")
            try:
                headers = _departing(departure.headers, proposal)
            except ValueError as error:
                self._failed(step, "depart", error)
                if step.on_error == "defer":
                    raise FilterFailed(f"filter {step.name}: {error}") from None
                continue
            if headers is not departure.headers:
                departure = replace(departure, headers=headers)
        return departure.headers

    async def _judge(
        self, stage: str, *subject: Any, transaction: Transaction | None = None
    ) -> Verdict | None:
        held: Hold | None = None
        for step, hook in self._hooks[stage]:
            proposal = await self._asked(step, hook, *subject)
            if proposal is NOTHING:
                continue
            if proposal is not None and proposal.edits and transaction is not None:
                try:
                    _apply(transaction, step.name, proposal.edits)
                except (ValueError, IndexError) as error:
                    self._failed(step, stage, error)
                    proposal = None if step.on_error == "defer" else NOTHING
            if proposal is None:
                return Defer(FILTER_FAILED, "filter_failed")
            verdict = proposal.verdict
            if isinstance(verdict, Hold):
                held = held or verdict
                if transaction is not None:
                    _hold(transaction, verdict)
            elif isinstance(verdict, Accept):
                return held or verdict
            elif verdict is not None:
                return verdict
        return held

    async def _asked(self, step: Step, hook: _Hook, *subject: Any) -> Proposal | None:
        """What the filter says; a failure that is forgiven says NOTHING, another None."""
        try:
            return await within(step.deadline, hook(*subject))
        except Exception as error:
            self._failed(step, hook.__name__, error)
            return NOTHING if step.on_error == "accept" else None

    def _failed(self, step: Step, stage: str, error: Exception) -> None:
        why = f"took over {step.deadline:g} s" if isinstance(error, TimeoutError) else repr(error)
        self._alerts.alert("filter_failed", f"filter {step.name} at {stage}: {why}")


def _hold(transaction: Transaction, verdict: Hold) -> None:
    particulars = transaction.particulars
    if not particulars.is_held:
        why = verdict.reason
        transaction.particulars = replace(particulars, is_held=True, hold_reason=why)


def _departing(headers: Headers, proposal: Proposal) -> Headers:
    if proposal.verdict is not None and not isinstance(proposal.verdict, Accept):
        raise ValueError("a verdict has no meaning at departure")
    for edit in proposal.edits:
        if not isinstance(edit, AddHeader | ChangeHeader | RenameHeader):
            raise ValueError(f"{type(edit).__name__} has no meaning at departure")
        headers = headers.apply(edit)
    return headers


def _apply(transaction: Transaction, name: str, edits: tuple[Edit, ...]) -> None:
    """All edits or none: they are tried on copies. Raises ValueError, IndexError."""
    headers = transaction.headers
    sender, particulars = transaction.sender, transaction.particulars
    said: list[str] = []
    # Numbers mean the envelope as the filter saw it, so what goes is taken out at the end.
    gone: set[int] = set()
    added: list[Recipient] = []
    for edit in edits:
        match edit:
            case AddHeader() | ChangeHeader() | RenameHeader():
                if headers is None:
                    raise ValueError("there are no headers before the data stage")
                headers = headers.apply(edit)
            case AddRecipient(address):
                added.append(Recipient(as_given=str(address), address=address))
            case RemoveRecipient(n):
                if not 0 <= n < len(transaction.recipients):
                    raise IndexError(f"there is no recipient {n}")
                gone.add(n)
            case ChangeSender(changed):
                sender = changed
            case SetParticulars(replaced):
                # Notes are the pipeline's own: a filter may add to them, under its name.
                before = transaction.particulars.notes
                said += replaced.notes[len(before) :]
                has_said = replaced.notes != before
                particulars = replace(replaced, notes=before) if has_said else replaced
        note = _note(edit)
        if note and note not in said:
            said.append(note)
    if said:
        notes = (*particulars.notes, f"{name}: {', '.join(said)}")
        particulars = replace(particulars, notes=notes)
    transaction.headers = headers
    if gone or added:
        kept = [r for n, r in enumerate(transaction.recipients) if n not in gone]
        transaction.recipients = kept + added
    transaction.sender, transaction.particulars = sender, particulars


def _note(edit: Edit) -> str:
    match edit:
        case AddHeader(name):
            return f"added {name}"
        case ChangeHeader(name, value):
            return f"{'removed' if value is None else 'changed'} {name}"
        case RenameHeader(name, new_name):
            return f"renamed {name} to {new_name}"
        case AddRecipient(address):
            return f"added recipient {address}"
        case RemoveRecipient(n):
            return f"removed recipient {n}"
        case ChangeSender():
            return "changed the sender"
        case SetParticulars():
            return ""
