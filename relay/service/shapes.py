"""The JSON shapes of queue, attempts, providers and inbox that scripts and monitors hold on to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from relay.mail import ids, misspelt
from relay.mail.classification import Category
from relay.mail.delivery import Attempt, State
from relay.mail.instant import Instant, iso
from relay.mail.late import Kept, Kind, Late
from relay.mail.urgency import Urgency
from relay.store.base import Depth, InboxRow, QueueRow

if TYPE_CHECKING:  # what lists letters at rest needs no shaping
    from relay.shaping.base import Standing

ProviderOf = Callable[[str], str | None]  # domain → label; None where it is not known yet
# Domain, class, sender, From domain → what binds now; empty: nothing.
WhyNow = Callable[[str, Urgency, str, str], str]


def moment(at: Instant | None) -> str | None:
    """ISO 8601, or None."""
    return None if at is None else iso(at)


def delivery(
    row: QueueRow, provider_of: ProviderOf, why_now: WhyNow | None = None
) -> dict[str, Any]:
    """One row of `queue ls`; `why` of a ready one is what it waits for now, where that is known."""
    job = row.delivery
    why = job.why
    if why_now is not None and job.state is State.READY:
        why = why_now(job.domain, job.urgency, row.sender, row.from_domain) or why
    return {
        "id": job.ref,
        "recipient": job.recipient,
        "sender": row.sender,
        "subject": row.subject,
        "class": job.urgency.word,
        "provider": provider_of(job.domain),
        "state": job.state.word,
        "tries": job.tries,
        "due_at": moment(None if job.state.is_final else job.due_at),
        "expires_at": moment(None if job.state.is_final else job.expires_at),
        "why": why,
        "category": row.category.value if row.category else None,
        "rule": row.rule,
    }


def hints(row: QueueRow) -> dict[str, list[str]]:
    """`hints` of `queue show`: what may have been meant by an address that does not exist; there
    only where there is one."""
    if row.category not in (Category.UNKNOWN_USER, Category.BAD_DOMAIN):
        return {}
    found = list(misspelt.meant(row.delivery.recipient))
    return {"hints": found} if found else {}


def attempt(made: Attempt) -> dict[str, Any]:
    """One attempt of `queue show`; a failure without a reply has no code. `route` is there only
    where a host of relay.yaml was asked instead of an MX."""
    reply, reading = made.reply, made.classification
    said = reply.text if reply else made.failure.text if made.failure else ""
    return {
        "mx": made.mx,
        "ip": made.ip,
        "tls": made.tls,
        "stage": made.stage.word,
        "code": reply.code if reply else None,
        "enhanced": str(reply.enhanced) if reply and reply.enhanced else None,
        "text": said,
        "category": reading.category.value if reading else None,
        "rule": reading.rule if reading else None,
        "started_at": iso(made.started_at),
        "took_ms": round(made.took_us / 1000, 3),
    } | ({"route": made.route_key} if "://" in made.route_key else {})


def late(said: Late) -> dict[str, Any]:
    """One late report of `queue show`: what came back after a server took the letter."""
    return {
        "kind": said.kind.value,
        "at": iso(said.at),
        "category": said.category.value if said.category else None,
        "rule": said.rule or None,
        "text": said.text,
        "named": said.named or None,
        "reporter": said.reporter,
    }


def kept(letter: Kept) -> dict[str, Any]:
    """One row of `returns ls`."""
    return {
        "id": ids.show(letter.id),
        "at": iso(letter.at),
        "client": letter.client,
        "from": letter.sender,
        "to": letter.recipient,
        "subject": letter.subject,
        "octets": letter.size,
        "why": letter.why,
    }


def returned_at(said: Iterable[Late]) -> str | None:
    """When a delivered letter was returned after all; None where it was not."""
    return next((iso(one.at) for one in said if one.kind is Kind.FAILED), None)


def inbox_row(row: InboxRow, said: Iterable[Late] = ()) -> dict[str, Any]:
    """One row of `inbox ls`; `returned_at` only where `said` late of its delivery says so."""
    at = returned_at(said)
    shape = {
        "id": ids.show(row.message_id, row.n),
        "received_at": iso(row.received_at),
        "subject": row.subject,
        "class": row.urgency.word,
        "state": row.state.word,
        "category": row.category.value if row.category else None,
        "read_at": moment(row.read_at),
    }
    return shape if at is None else shape | {"returned_at": at}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much mail waits somewhere, and since when the oldest of it does; None: there is none."""

    count: int
    oldest_at: Instant | None

    def more(self, depth: Depth) -> Waiting:
        """With what the store counts besides."""
        oldest_at = depth.oldest_at if self.oldest_at is None else self.oldest_at
        return Waiting(self.count + depth.count, min(oldest_at, depth.oldest_at))


NOTHING: Final = Waiting(0, None)


def provider(standing: Standing, waiting: Waiting, now: Instant, step: int = 0) -> dict[str, Any]:
    """One row of `providers`. `step`: by so many milliseconds the wall clock was set forward since
    the start, which shaping did not see.

    `why` is for people: `providers --json` leaves it out.
    """
    until = standing.paused_until
    return {
        "provider": standing.key,
        "state": standing.state,
        "paused_until": moment(None if until is None else until + step),
        "limits": [str(limit) for limit in standing.limits],
        "rate_now": standing.rate_now,
        "queued": waiting.count,
        "oldest_s": 0 if waiting.oldest_at is None else (now - waiting.oldest_at) // 1000,
        "last_reply": standing.last_reply,
        "why": standing.why,
    }
