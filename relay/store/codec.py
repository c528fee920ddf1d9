"""Codec: the house's nouns as rows and back. The numbers here are in databases: only ever add."""

from __future__ import annotations

import json
import sqlite3
import zlib
from functools import lru_cache
from typing import Any, Final, cast

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt, Delivery, Failure, FailureKind, State
from relay.mail.envelope import Message, Options, Particulars, Source
from relay.mail.letter import Letter
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.mail.urgency import Urgency

CATEGORIES: Final[dict[Category, int]] = {
    Category.UNKNOWN_USER: 1,
    Category.INACTIVE_USER: 2,
    Category.MAILBOX_FULL: 3,
    Category.BAD_DOMAIN: 4,
    Category.SENDER_BLOCKED: 5,
    Category.RATE_LIMITED: 6,
    Category.SPAM_CONTENT: 7,
    Category.AUTH_FAILED: 8,
    Category.POLICY: 9,
    Category.MESSAGE_TOO_BIG: 10,
    Category.GREYLISTED: 11,
    Category.NETWORK: 12,
    Category.PROTOCOL: 13,
    Category.SERVER_ERROR: 14,
    Category.OTHER: 15,
}
SCOPES: Final[dict[Scope, int]] = {
    Scope.RECIPIENT: 1,
    Scope.MESSAGE: 2,
    Scope.DESTINATION: 3,
    Scope.SENDER: 4,
    Scope.OURSELVES: 5,
}
ACTIONS: Final[dict[Action, int]] = {
    Action.BOUNCE_ADDRESS: 1,
    Action.BOUNCE_MESSAGE: 2,
    Action.RETRY_LATER: 3,
    Action.SLOW_DOWN_PROVIDER: 4,
    Action.FIX_CONFIG: 5,
}
_CATEGORY_OF: Final = {number: category for category, number in CATEGORIES.items()}
_SCOPE_OF: Final = {number: scope for scope, number in SCOPES.items()}
_ACTION_OF: Final = {number: action for action, number in ACTIONS.items()}
_URGENCIES: Final = tuple(Urgency)  # by number; both count from 0 without a gap
_STATES: Final = tuple(State)

IS_8BIT: Final = 1
NEEDS_UTF8: Final = 2
IS_HELD: Final = 4

WHOLE: Final = 0
BEFORE_HEAD: Final = 1
DEFLATED: Final = 2

Row = tuple[Any, ...]


def text(value: str) -> str:
    """What TEXT can hold: lone surrogates (octets that were no UTF-8) become ``?``."""
    if value.isascii():
        return value
    return value.encode("utf-8", "replace").decode("utf-8")


def text_or_none(value: str | None) -> str | None:
    """The same, None kept."""
    return None if value is None else text(value)


def category_number(category: Category | None) -> int | None:
    """The column's number."""
    return None if category is None else CATEGORIES[category]


def category(number: int | None) -> Category | None:
    """The category of a column's number."""
    return None if number is None else _CATEGORY_OF[number]


# Message and letter.

MESSAGE_COLUMNS: Final = 22
LETTER: Final = (
    "message_id, sender, options, head, body_hash, size, sha256, flags, class, subject, package,"
    " deadline_at, app_user, from_domain, flow, hold_reason, notes, recipients, received_at"
)


@lru_cache(maxsize=1024)
def _options_text(options: Options) -> str | None:
    if options == Options():
        return None
    return json.dumps([options.size, options.body, options.is_smtputf8, options.ret, options.envid])


@lru_cache(maxsize=1024)
def _options(written: str | None) -> Options:
    return Options() if written is None else Options(*json.loads(written))


@lru_cache(maxsize=1024)
def _source_text(source: Source) -> str:
    return json.dumps(
        [
            source.ip,
            source.helo,
            source.tls,
            source.user,
            source.listener,
            source.is_trusted,
            source.port,
        ]
    )


def message_row(message: Message) -> Row:
    """The columns of `message`, in the table's order."""
    content = message.content
    particulars = message.particulars
    flags = (
        (IS_8BIT if content.is_8bit else 0)
        | (NEEDS_UTF8 if content.needs_utf8 else 0)
        | (IS_HELD if particulars.is_held else 0)
    )
    return (
        message.id,
        message.id,
        message.received_at,
        content.size,
        content.head,
        content.body_hash,
        content.sha256,
        flags,
        text(message.envelope.sender),
        _options_text(message.envelope.options),
        _source_text(message.source),
        int(particulars.urgency),
        text(particulars.subject),
        text_or_none(particulars.package),
        particulars.deadline_at,
        text_or_none(particulars.app_user),
        text_or_none(particulars.from_domain),
        text(particulars.flow),
        text_or_none(particulars.hold_reason),
        json.dumps(particulars.notes) if particulars.notes else None,
        len(message.envelope.recipients),
        0,
    )


def letter_of(message: Message) -> Letter:
    """What `letter` will give for a message that is being put."""
    content = message.content
    return Letter(
        id=message.id,
        sender=message.envelope.sender,
        options=message.envelope.options,
        head=content.head,
        body_hash=content.body_hash,
        size=content.size,
        sha256=content.sha256,
        is_8bit=content.is_8bit,
        needs_utf8=content.needs_utf8,
        particulars=message.particulars,
        recipients=len(message.envelope.recipients),
        received_at=message.received_at,
    )


def letter(row: Row) -> Letter:
    """From the columns of :data:`LETTER`."""
    return Letter(
        id=row[0],
        sender=row[1],
        options=_options(row[2]),
        head=row[3],
        body_hash=row[4],
        size=row[5],
        sha256=row[6],
        is_8bit=bool(row[7] & IS_8BIT),
        needs_utf8=bool(row[7] & NEEDS_UTF8),
        particulars=Particulars(
            subject=row[9],
            urgency=Urgency(row[8]),
            package=row[10],
            deadline_at=row[11],
            app_user=row[12],
            from_domain=row[13],
            flow=row[14],
            is_held=bool(row[7] & IS_HELD),
            hold_reason=row[15],
            notes=tuple(json.loads(row[16])) if row[16] else (),
        ),
        recipients=row[17],
        received_at=row[18],
    )


# Delivery.

# Of an inbox row `i`, its delivery row `d` (may be missing), its message `m` and domain `o`.
DELIVERY: Final = (
    "i.message_id, i.n, coalesce(i.address, i.as_given), i.mailbox_id, o.name, m.class,"
    " coalesce(d.state, i.state), coalesce(d.due_at, i.state_at),"
    " coalesce(d.expires_at, i.expires_at),"
    " coalesce(d.tries, (SELECT count(*) FROM attempt t"
    " WHERE t.message_id = i.message_id AND t.n = i.n)), d.turn,"
    " CASE WHEN d.n IS NULL THEN i.why ELSE d.why END, i.notify, i.orcpt, i.as_given,"
    " coalesce(d.is_fixed, 0)"
)
DELIVERY_WIDTH: Final = 16


@lru_cache(maxsize=64)
def notify_text(notify: frozenset[str] | None) -> str | None:
    """RFC 3461's NOTIFY as a column."""
    return None if notify is None else ",".join(sorted(notify))


@lru_cache(maxsize=64)
def _notify(written: str | None) -> frozenset[str] | None:
    return None if written is None else frozenset(filter(None, written.split(",")))


def delivery(row: Row) -> Delivery:
    """From the columns of :data:`DELIVERY`."""
    return Delivery(
        message_id=row[0],
        n=row[1],
        recipient=row[2],
        mailbox_id=row[3] or 0,
        domain=row[4],
        urgency=_URGENCIES[row[5]],
        state=_STATES[row[6]],
        due_at=row[7],
        expires_at=row[8],
        tries=row[9],
        turn=row[10] or 0,
        why=row[11] or "",
        notify=_notify(row[12]),
        orcpt=row[13],
        as_given=row[14],
        is_fixed=bool(row[15]),
    )


# What a sender is to be told of once a day: (message_id, n, when it ended).
OWE: Final = "INSERT OR REPLACE INTO owed VALUES (?, ?, ?)"

# Attempt.

ATTEMPT_COLUMNS: Final = 27
# A number that is taken already gives way to the next free one: an attempt is never lost.
_FREE: Final = "1 + coalesce((SELECT max(try) FROM attempt WHERE message_id = ? AND n = ?), 0)"
_REST: Final = ", ".join("?" * (ATTEMPT_COLUMNS - 3))
INSERT_ATTEMPT: Final = f"INSERT INTO attempt VALUES (?, ?, max({_FREE}, ?), {_REST})"  # noqa: S608
ATTEMPT: Final = "a.*, m.head"
_MIN_WINDOW: Final = 10  # bits; zlib itself needs 9
_MEMORY: Final = 5  # zlib's memLevel, 1–9: what deflate sets up for each head


def attempt_row(attempt: Attempt, head: bytes | None, node: int) -> Row:
    """The values of :data:`INSERT_ATTEMPT`; `head`: the stored head, if it is at hand."""
    form, sent = _sent(attempt.sent_head, head)
    return (
        attempt.message_id,
        attempt.n,
        attempt.message_id,
        attempt.n,
        attempt.number,
        attempt.started_at,
        attempt.took_us,
        node,
        attempt.source_ip,
        attempt.mx,
        attempt.ip,
        attempt.tls,
        int(attempt.stage),
        *_reply_row(attempt.reply),
        *_failure_row(attempt.failure),
        *_classification_row(attempt.classification),
        attempt.route_key,
        form,
        sent,
        attempt.sent_sha256,
    )


def _reply_row(reply: Reply | None) -> Row:
    if reply is None:
        return None, None, None, None
    enhanced = None if reply.enhanced is None else str(reply.enhanced)
    stage = None if reply.stage is None else int(reply.stage)
    return reply.code, enhanced, text(reply.text), stage


def _failure_row(failure: Failure | None) -> Row:
    if failure is None:
        return None, None, None
    return failure.kind.value, text(failure.text), int(failure.stage)


def _classification_row(read: Classification | None) -> Row:
    if read is None:
        return None, None, None, None, None
    numbers = CATEGORIES[read.category], SCOPES[read.scope], ACTIONS[read.action]
    return *numbers, text(read.rule), float(read.confidence)


def _sent(sent: bytes | None, head: bytes | None) -> tuple[int | None, bytes | None]:
    """The header block as sent, without what the stored one says already."""
    if sent is None or head is None:
        return (None if sent is None else WHOLE), sent
    if sent.endswith(head):
        return BEFORE_HEAD, sent[: len(sent) - len(head)]
    # A window that just holds both: one of the full size is made four times as slowly.
    window = min(zlib.MAX_WBITS, max(_MIN_WINDOW, (len(head) + len(sent)).bit_length()))
    deflate = zlib.compressobj(1, wbits=window, memLevel=_MEMORY, zdict=head)
    return DEFLATED, deflate.compress(sent) + deflate.flush()


def _sent_head(form: int | None, sent: bytes | None, head: bytes) -> bytes | None:
    if form is None or sent is None or form == WHOLE:
        return sent
    if form == BEFORE_HEAD:
        return sent + head
    return zlib.decompressobj(zdict=head).decompress(sent)


def attempt(row: Row) -> Attempt:
    """From the columns of :data:`ATTEMPT`."""
    return Attempt(
        message_id=row[0],
        n=row[1],
        number=row[2],
        started_at=row[3],
        took_us=row[4],
        source_ip=row[6],
        mx=row[7],
        ip=row[8],
        tls=row[9],
        stage=Stage(row[10]),
        reply=_reply(row[11:15]),
        failure=None if row[15] is None else Failure(FailureKind(row[15]), row[16], Stage(row[17])),
        classification=None
        if row[18] is None
        else Classification(
            _CATEGORY_OF[row[18]], _SCOPE_OF[row[19]], _ACTION_OF[row[20]], row[21], row[22]
        ),
        route_key=row[23],
        sent_head=_sent_head(row[24], row[25], row[27]),
        sent_sha256=row[26],
    )


def _reply(row: Row) -> Reply | None:
    code, enhanced, said, stage = row
    if code is None:
        return None
    return Reply(
        code,
        None if enhanced is None else EnhancedCode(*map(int, enhanced.split("."))),
        said,
        None if stage is None else Stage(stage),
    )


def one(connection: sqlite3.Connection, sql: str, *values: Any) -> Row | None:
    """The first row of a query, if any."""
    return cast("Row | None", connection.execute(sql, values).fetchone())
