"""Resending: *Kirim ulang* — a vendor asks for a failed letter of his own once more.

The letter must lie in the mailbox of the session; an address has a few tries a day, so that nobody
makes the relay knock at a dead door all day. It is tried whatever the suppression list says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from relay.clock import Clock
from relay.mail import ids
from relay.mail.delivery import State
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant, millis
from relay.mail.strike import Ref, Resent, key_of
from relay.store.base import InboxRow, Mailbox, QueueRow
from relay.suppression import ResendSettings
from relay.web.guard import is_same_site

FAILED: Final = frozenset({State.BOUNCED, State.EXPIRED, State.SUPPRESSED})
SAID: Final[dict[str, str]] = {
    "again": "Email ini akan dikirim ulang. Silakan lihat statusnya beberapa menit lagi.",
    "too_often": "Batas kirim ulang untuk alamat ini sudah tercapai. Silakan coba lagi besok, atau "
    "hubungi Helpdesk LPSE.",
    "over": "Email ini tidak dapat dikirim ulang: masa berlakunya sudah habis, atau statusnya sudah"
    " berubah. Isi surat tetap dapat dibaca di sini.",
}
RowOf = Callable[[Request, Mailbox], Awaitable[InboxRow]]


class Resends(Protocol):
    """What is asked of the store."""

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        ...

    async def resend(
        self, address: str, ref: Ref, most: int, since: Instant, who: str, now: Instant
    ) -> Resent:
        """See Suppressions.resend."""
        ...


class Resending:
    """Answers the button; `settings` may change with a reload."""

    def __init__(
        self,
        store: Resends,
        row_of: RowOf,
        settings: Callable[[], ResendSettings],
        clock: Clock,
        base_url: str | None,
        prefix: str,
    ) -> None:
        """`row_of` finds the letter that a request names within a mailbox, or raises."""
        self._store = store
        self._row_of = row_of
        self._settings = settings
        self._clock = clock
        self._base_url = base_url
        self._prefix = prefix

    async def again(self, request: Request, mailbox: Mailbox) -> Response:
        """POST `/inbox/ID.n/kirim-ulang`; leads back to the letter, which says what came of it."""
        row = await self._row_of(request, mailbox)
        shown = f"{self._prefix}/inbox/{ids.show(row.message_id, row.n)}"
        if not is_same_site(request, self._base_url):
            return RedirectResponse(shown, 303)
        answer = (
            await self._asked(row, mailbox) if is_offered(row.state, self._settings()) else "over"
        )
        return RedirectResponse(f"{shown}?ulang={answer}", 303)

    async def _asked(self, row: InboxRow, mailbox: Mailbox) -> Resent:
        found = await self._store.find(row.message_id, row.n)
        recipient = found[0].delivery.recipient if found else row.as_given
        settings, now = self._settings(), self._clock.now()
        since = now - millis(settings.within)
        who = f"mailbox {mailbox.id}"
        ref = (row.message_id, row.n)
        return await self._store.resend(key_of(recipient), ref, settings.most, since, who, now)


def is_offered(state: State, settings: ResendSettings) -> bool:
    """True where a letter of that state has the button."""
    return state in FAILED and settings.most > 0


def offer(settings: ResendSettings) -> str:
    """What the button does and how often it may be pressed, in a sentence under it."""
    span = _in_words(millis(settings.within))
    return (
        "Email ini akan dicoba dikirim lagi ke alamat yang sama, "
        f"paling banyak {settings.most} kali {span} untuk satu alamat."
    )


def _in_words(within: int) -> str:
    """A span of milliseconds, in the largest unit that it is made of."""
    if within == DAY:
        return "sehari"
    for unit, name in ((DAY, "hari"), (HOUR, "jam"), (MINUTE, "menit")):
        if within % unit == 0:
            return f"dalam {within // unit} {name}"
    return f"dalam {within // SECOND} detik"


def said(request: Request) -> str:
    """What came of the button that led here; empty where none did."""
    return SAID.get(request.query_params.get("ulang", ""), "")
