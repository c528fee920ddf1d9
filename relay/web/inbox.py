"""Inbox: the pages of one mailbox: the list, a letter, its source, its attachments.

Each request names its mailbox by its session alone; a letter is asked of the store within that
mailbox, so that no id, however guessed, shows another vendor's letter.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.parse
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from relay.clock import Clock
from relay.mail import ids
from relay.mail.address import AddressError, parse
from relay.mail.classification import Category
from relay.mail.delivery import Attempt, State
from relay.mail.instant import Instant
from relay.mail.late import Late
from relay.mail.strike import Ref
from relay.store.base import Inbox, InboxRow, Mailbox, QueueRow
from relay.suppression import ResendSettings, since_of
from relay.web import dates, height, reading, resending, returned
from relay.web.clean import cleaned
from relay.web.guard import FILE_POLICY, LETTER_POLICY, SANDBOX
from relay.web.reading import Reading
from relay.web.resending import Resends
from relay.web.settings import InboxSettings
from relay.web.wording import Facts, cause, deadline, provider_words, wording

PAGE: Final = 25  # letters on a page
MAX_PAGE: Final = 400
READERS: Final = 4  # letters taken apart at once: each may be 25 MiB and more
_CHUNK: Final = 500  # rows read at once on the way to a late page
_LAST_N: Final = 1 << 31

logger = logging.getLogger(__name__)
AcceptedBefore = Callable[[str], Awaitable[bool]]  # of an `Address.key`


class Shelf(Inbox, Resends, Protocol):
    """What the pages ask of the store."""

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """Deliveries of one message in any state."""
        ...

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        """All attempts of a delivery, oldest first."""
        ...

    async def late_reports(self, refs: Sequence[Ref]) -> list[Late]:
        """See Returns.late_reports."""
        ...

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """Write down who did what."""
        ...


class NotHere(Exception):
    """There is no such letter in this mailbox."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a list shows: which page, a search, unread ones only."""

    page: int = 1
    search: str = ""
    only_unread: bool = False

    @classmethod
    def of(cls, request: Request) -> Query:
        """From the URL; what is odd there counts as not given."""
        page = request.query_params.get("hal", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 5 else 1
        return cls(
            min(max(number, 1), MAX_PAGE),
            " ".join(request.query_params.get("cari", "").split())[:200],
            request.query_params.get("tampil") == "belum",
        )

    def link(self, page: int, only_unread: bool | None = None) -> str:
        """The query string of another page of the same list."""
        unread = self.only_unread if only_unread is None else only_unread
        parts = {"hal": str(page)} if page > 1 else {}
        if self.search:
            parts["cari"] = self.search
        if unread:
            parts["tampil"] = "belum"
        return urllib.parse.urlencode(parts)


class InboxPages:
    """Makes the pages; the caller has checked the session and hands in the mailbox."""

    def __init__(
        self,
        shelf: Shelf,
        settings: InboxSettings,
        clock: Clock,
        templates: Environment,
        prefix: str,
        accepted_before: AcceptedBefore | None = None,
        resend: Callable[[], ResendSettings] = ResendSettings,
    ) -> None:
        self._shelf = shelf
        self._resend = resend
        self._settings = settings
        self._clock = clock
        self._templates = templates
        self._prefix = prefix
        self._accepted_before = accepted_before
        self._readers = asyncio.Semaphore(READERS)

    async def list(self, request: Request, mailbox: Mailbox) -> Response:
        """`/inbox`."""
        query = Query.of(request)
        rows, has_more = await self._rows(mailbox.id, query)
        total = None
        if not query.search:
            total = await self._shelf.inbox_count(mailbox.id, query.only_unread)
        once = await self._once_accepted(rows)
        late = await self._shelf.late_reports([(row.message_id, row.n) for row in rows])
        first = (query.page - 1) * PAGE + 1
        return self._html(
            "daftar.html",
            mailbox=mailbox,
            query=query,
            letters=[self._listed(row, once, late) for row in rows],
            unread=await self._shelf.inbox_count(mailbox.id, True),
            first=first,
            last=first + len(rows) - 1,
            total=total,
            has_more=has_more,
            contact=self._settings.contact,
        )

    async def letter(self, request: Request, mailbox: Mailbox) -> Response:
        """`/inbox/ID` and `/inbox/ID.n`; the vendor has opened it."""
        row = await self.row(request, mailbox)
        now = self._clock.now()
        octets = await self._shelf.original(row.message_id)
        read = await self._taken_apart(octets)
        late = await self._shelf.late_reports([(row.message_id, row.n)])
        facts = _with_late(await self._facts(row), late)
        if row.read_at is None:
            await self._shelf.mark_read(mailbox.id, row.message_id, row.n, now)
        attempts = await self._shelf.attempts(row.message_id, row.n)
        return self._html(
            "surat.html",
            mailbox=mailbox,
            row=row,
            ref=ids.show(row.message_id, row.n),
            read=read,
            words=wording(facts, self._settings.zone),
            banner=deadline(facts, now, self._settings.zone),
            attempts=[_shown_attempt(attempt, facts) for attempt in attempts],
            late=[returned.shown(one) for one in late],
            is_sent=_is_sent(row.state, attempts),
            may_ask=resending.is_offered(row.state, self._resend()),
            offer=resending.offer(self._resend()),
            said=resending.said(request),
            size=len(octets),
            height=height.narrow(read),
            height_wide=height.wide(read),
            sandbox=SANDBOX,
            contact=self._settings.contact,
        )

    async def content(self, request: Request, mailbox: Mailbox) -> Response:
        """`/inbox/ID/isi`: the letter itself, for the frame; with `?cetak` under its headings."""
        row = await self.row(request, mailbox)
        octets = await self._shelf.original(row.message_id)
        read = await self._taken_apart(octets)
        blocks, hidden = await asyncio.to_thread(_shown_blocks, read, octets)
        page = self._templates.get_template("isi.html").render(
            read=read,
            row=row,
            blocks=blocks,
            hidden=hidden,
            is_print="cetak" in request.query_params,
            received=dates.shown(row.received_at, self._settings.zone),
        )
        headers = {"Content-Security-Policy": LETTER_POLICY, "X-Frame-Options": "SAMEORIGIN"}
        return HTMLResponse(page, headers=headers)

    async def raw(self, request: Request, mailbox: Mailbox) -> Response:
        """`/inbox/ID/raw`: the octets as they came, to download."""
        row = await self.row(request, mailbox)
        octets = await self._shelf.original(row.message_id)
        return _download(octets, f"{ids.show(row.message_id)}.eml", "message/rfc822")

    async def attachment(self, request: Request, mailbox: Mailbox) -> Response:
        """`/inbox/ID/lampiran/K`, K from 1; never shown in the browser, always saved."""
        row = await self.row(request, mailbox)
        read = await self._taken_apart(await self._shelf.original(row.message_id))
        number = request.path_params["number"]
        if read is None or not 1 <= number <= len(read.attachments):
            raise NotHere
        found = read.attachments[number - 1]
        return _download(found.octets, found.name, "application/octet-stream")

    async def _rows(self, mailbox_id: int, query: Query) -> tuple[Sequence[InboxRow], bool]:
        """The rows of a page, and whether there are more; walks in chunks to a late page."""
        skip, before = (query.page - 1) * PAGE, None
        while True:
            limit = min(skip, _CHUNK) if skip else PAGE + 1
            rows = await self._shelf.page(
                mailbox_id, limit, before, query.only_unread, query.search
            )
            if not skip:
                return rows[:PAGE], len(rows) > PAGE
            if len(rows) < limit:
                return [], False
            skip -= limit
            before = (rows[-1].message_id, rows[-1].n)

    async def row(self, request: Request, mailbox: Mailbox) -> InboxRow:
        """The letter that the URL names, in this mailbox; an id alone means its last copy."""
        try:
            message_id, n = ids.read(request.path_params["ref"])
        except ValueError:
            raise NotHere from None
        if n is not None:
            row = await self._shelf.inbox_row(mailbox.id, message_id, n)
        else:
            rows = await self._shelf.page(mailbox.id, 1, (message_id, _LAST_N))
            row = rows[0] if rows and rows[0].message_id == message_id else None
        if row is None:
            raise NotHere
        return row

    def _listed(self, row: InboxRow, once: Collection[str], late: Sequence[Late]) -> dict[str, Any]:
        facts = _facts(row, self._settings.contact, accepted_before=row.as_given in once)
        facts = _with_late(
            facts, [o for o in late if (o.message_id, o.n) == (row.message_id, row.n)]
        )
        return {
            "row": row,
            "ref": ids.show(row.message_id, row.n),
            "words": wording(facts, self._settings.zone),
            "banner": deadline(facts, self._clock.now(), self._settings.zone),
        }

    async def _facts(self, row: InboxRow) -> Facts:
        before = row.as_given in await self._once_accepted([row])
        attempts = await self._shelf.attempts(row.message_id, row.n)
        found = await self._shelf.find(row.message_id, row.n)
        return _facts(row, self._settings.contact, attempts, found, before)

    async def _once_accepted(self, rows: Sequence[InboxRow]) -> set[str]:
        """Of the addresses that are unknown there now, those that a server once took mail for."""
        found = set()
        for given in {row.as_given for row in rows if row.category is Category.UNKNOWN_USER}:
            try:
                key = parse(given).key
            except AddressError:
                continue  # no mailbox at all: nothing was ever taken for it
            if self._accepted_before is not None and await self._accepted_before(key):
                found.add(given)
        return found

    async def _taken_apart(self, octets: bytes) -> Reading | None:
        """The letter read, in a thread; None where our own reader fails: its source is shown."""
        try:
            async with self._readers:
                return await asyncio.to_thread(reading.read, octets)
        except Exception:
            logger.exception("a letter could not be taken apart; its source is shown")
            return None

    def _html(self, template: str, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(**values))


def _facts(
    row: InboxRow,
    contact: str | None,
    attempts: Sequence[Attempt] = (),
    found: Sequence[QueueRow] = (),
    accepted_before: bool = False,
) -> Facts:
    delivery = found[0].delivery if found else None
    last = attempts[-1] if attempts else None
    domain = row.as_given.rpartition("@")[2]
    is_waiting = delivery is not None and delivery.state is State.WAITING
    since = since_of(delivery.why) if delivery is not None else None
    return Facts(
        address=row.as_given,
        state=row.state,
        category=row.category,
        state_at=since if row.state is State.SUPPRESSED and since else row.state_at,
        code=ids.show(row.message_id, row.n),
        sender=row.sender,
        contact=contact,
        provider=provider_words(last.route_key if last else "", domain),
        reply=last.said() if last else "",
        tries=last.number if last else 0,
        next_at=delivery.due_at if delivery is not None and is_waiting else None,
        expires_at=delivery.expires_at if delivery is not None else None,
        deadline_at=row.deadline_at,
        accepted_before=accepted_before,
    )


def _with_late(facts: Facts, late: Sequence[Late]) -> Facts:
    """With what came back after a server took the letter."""
    failed = returned.failed_of(late)
    if failed is None:
        return facts
    return replace(facts, returned_at=failed.at, returned_for=failed.category)


def _shown_attempt(attempt: Attempt, facts: Facts) -> dict[str, Any]:
    """What `Rincian teknis` says of a try; the template escapes it and leaves out the empty."""
    reply, classification = attempt.reply, attempt.classification
    ip = f"[{attempt.ip}]" if attempt.ip else ""
    said = attempt.said()
    if reply is not None:
        said = reply.wire().decode("ascii", "replace").replace("\r\n", "\n").rstrip()
    return {
        "number": attempt.number,
        "at": attempt.started_at,
        "server": f"{attempt.mx} {ip}".strip(),
        "tls": attempt.tls or ("tanpa TLS" if reply is not None else ""),
        "is_reply": reply is not None,
        "said": said,
        "cause": cause(facts, classification.category if classification else None),
    }


def _is_sent(state: State, attempts: Sequence[Attempt]) -> bool:
    """True where the address' own server had, or may have had, this letter offered by us."""
    if state in (State.HELD, State.REMOVED, State.SUPPRESSED):
        return False
    return state is State.DELIVERED or any(attempt.ip for attempt in attempts)


def _shown_blocks(read: Reading | None, octets: bytes) -> tuple[list[tuple[str, str]], int]:
    """What the frame shows, each `html` (harmless) or `text`, and how many images were hidden."""
    if read is None:
        return [("text", octets[: reading.MAX_SHOWN].decode("utf-8", "replace"))], 0
    shown: list[tuple[str, str]] = []
    hidden = 0
    for block in read.blocks:
        made = cleaned(block.text, read.images) if block.kind == "html" else None
        if made is None:
            shown.append(("text", block.text))
        else:
            shown.append(("html", made.html))
            hidden += made.hidden_images
    return shown, hidden


def _download(octets: bytes, name: str, kind: str) -> Response:
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    quoted = urllib.parse.quote(name, safe="")
    headers = {
        "Content-Type": kind,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quoted}",
        "Content-Security-Policy": FILE_POLICY,
    }
    return Response(octets, headers=headers)
