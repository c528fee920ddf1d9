"""App: the vendor's inbox as an application: a link is swapped for a session, then it reads.

`/masuk?t=…` only shows a button, so that what looks ahead of the vendor (a mail scanner, a chat's
preview) does not burn the link; the button's POST uses it, once. The session is a signed cookie
bound to the mailbox; without one every page answers 401 and says how to come back.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from relay.clock import Clock
from relay.mail.instant import Instant, millis
from relay.store.base import Mailbox, StoreError
from relay.suppression import ResendSettings
from relay.web import dates, links
from relay.web.guard import COMMON, Guard, form, is_same_site, prefix_of
from relay.web.inbox import AcceptedBefore, InboxPages, NotHere, Shelf
from relay.web.links import LinkError, Scope
from relay.web.resending import Resending
from relay.web.settings import InboxSettings, WebSettings

COOKIE: Final = "lpse_inbox"
_KINDS: Final = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_YEAR: Final = "public, max-age=31536000, immutable"

logger = logging.getLogger(__name__)
Page = Callable[[Request, Mailbox], Awaitable[Response]]


def inbox_app(
    store: Shelf,
    web: WebSettings,
    inbox: InboxSettings,
    clock: Clock,
    keys: Sequence[bytes],
    accepted_before: AcceptedBefore | None = None,
    resend: Callable[[], ResendSettings] = ResendSettings,
) -> Starlette:
    """The application. `keys` sign links and sessions, the first one new ones (>= 32 octets each).

    `accepted_before`: did this address ever take our mail? Then an unknown user is an inactive one.
    `resend`: how often a vendor may ask for a failed letter again.
    """
    links.checked(keys)
    prefix = prefix_of(web.base_url)
    files = _static_files()
    templates = _templates(prefix, inbox, files)
    door = _Door(store, web, clock, keys, templates, prefix)
    pages = InboxPages(store, inbox, clock, templates, prefix, accepted_before, resend)
    again = Resending(store, pages.row, resend, clock, web.base_url, prefix)
    is_secure = (web.base_url or "").startswith("https:")
    return Starlette(
        routes=[*_routes(door, pages, again), Route("/static/{name}", _static(files))],
        middleware=[Middleware(Guard, prefix=prefix, is_secure=is_secure)],
        exception_handlers={
            NotHere: door.not_here,
            StoreError: door.broken,
            404: door.not_here,
            405: door.not_here,
            500: door.broken,
        },
    )


def _routes(door: _Door, pages: InboxPages, again: Resending) -> list[Route]:
    def read(path: str, page: Page) -> Route:
        return Route(path, door.guarded(page))

    return [
        Route("/", door.home),
        Route("/masuk", door.show),
        Route("/masuk", door.enter, methods=["POST"]),
        Route("/keluar", door.leave, methods=["POST"]),
        read("/inbox", pages.list),
        read("/inbox/{ref}", pages.letter),
        read("/inbox/{ref}/raw", pages.raw),
        Route("/inbox/{ref}/kirim-ulang", door.guarded(again.again), methods=["POST"]),
        read("/inbox/{ref}/isi", pages.content),
        read("/inbox/{ref}/lampiran/{number:int}", pages.attachment),
    ]


def _static(files: dict[str, bytes]) -> Callable[[Request], Awaitable[Response]]:
    """Serves them; a browser may keep them, their addresses change with what they hold."""

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise HTTPException(404)
        headers = {"Content-Type": _KINDS[Path(name).suffix], "Cache-Control": _YEAR}
        return Response(files[name], headers=headers)

    return static


class _Door:
    """Links, sessions, and the pages that need none."""

    def __init__(
        self,
        store: Shelf,
        web: WebSettings,
        clock: Clock,
        keys: Sequence[bytes],
        templates: jinja2.Environment,
        prefix: str,
    ) -> None:
        self._store = store
        self._web = web
        self._clock = clock
        self._keys = keys
        self._templates = templates
        self._prefix = prefix
        self._used: dict[bytes, Instant] = {}  # since the start: link → when it would have ended

    def guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The page for who has a session; the 401 page for all others."""

        async def asked(request: Request) -> Response:
            mailbox = await self._session(request)
            return self._too_old() if mailbox is None else await page(request, mailbox)

        return asked

    async def home(self, request: Request) -> Response:
        """`/`: the list, or the 401 page there."""
        return self._to_inbox()

    async def show(self, request: Request) -> Response:
        """GET `/masuk?t=`: a button; the link is looked at, not used. Who is in goes on reading.

        A link that is known to be used has no button. One that was used before a restart has it:
        the store alone knows, and says so when it is pressed."""
        token = request.query_params.get("t", "")
        if await self._is_inside(request, token):
            return self._to_inbox()
        try:
            link = links.read(self._keys, token, Scope.LINK, self._clock.now())
        except LinkError as error:
            return self._too_old(error)
        if link.jti in self._used:
            return self._too_old(LinkError("the link was used before"))
        return self._page("masuk.html", token=token)

    async def enter(self, request: Request) -> Response:
        """POST `/masuk`: use the link, once, and begin a session."""
        if not is_same_site(request, self._web.base_url):
            return self._too_old(LinkError("the form came from another site"))
        token = (await form(request)).get("t", "")
        now = self._clock.now()
        try:
            link = links.read(self._keys, token, Scope.LINK, now)
        except LinkError as error:
            return (
                self._to_inbox() if await self._is_inside(request, token) else self._too_old(error)
            )
        mailbox = await self._store.mailbox_by_link(link.link_id)
        is_first = mailbox is not None and await self._store.use_link(link.jti, now)
        self._used = {jti: until for jti, until in self._used.items() if until > now}
        self._used[link.jti] = link.expires_at
        if mailbox is None or not is_first:
            if await self._is_inside(request, token):
                return self._to_inbox()
            return self._too_old(LinkError("the link was used before, or its mailbox is gone"))
        name = f"link {link.jti.hex()[:8]}"
        await self._store.audit(name, "inbox.open", f"mailbox {mailbox.id}", "signed link", now)
        life = millis(self._web.session_life)
        session = links.make(self._keys, link.link_id, Scope.SESSION, now + life, links.fresh())
        answer = self._to_inbox()
        answer.set_cookie(COOKIE, session, max_age=life // 1000, **self._cookie())
        return answer

    async def leave(self, request: Request) -> Response:
        """POST `/keluar`: forget the session."""
        if not is_same_site(request, self._web.base_url):
            return self._too_old(LinkError("the form came from another site"))
        answer = self._page("keluar.html")
        answer.delete_cookie(COOKIE, **self._cookie())
        return answer

    async def not_here(self, request: Request, error: Exception) -> Response:
        """404."""
        return self._page("galat.html", 404, what="Halaman atau pesan ini tidak ditemukan.")

    async def broken(self, request: Request, error: Exception) -> Response:
        """500 and 503: said in the log, not to the vendor."""
        if isinstance(error, StoreError):
            logger.error("the inbox page could not read the store: %s", error)
        what = "Maaf, terjadi gangguan di server LPSE. Silakan coba beberapa menit lagi."
        answer = self._page("galat.html", 503 if isinstance(error, StoreError) else 500, what=what)
        answer.headers.update(COMMON)  # this answer is made outside of the guard
        return answer

    async def _session(self, request: Request) -> Mailbox | None:
        token = request.cookies.get(COOKIE)
        if token is None:
            return None
        try:
            link = links.read(self._keys, token, Scope.SESSION, self._clock.now())
        except LinkError:
            return None
        return await self._store.mailbox_by_link(link.link_id)

    async def _is_inside(self, request: Request, token: str) -> bool:
        """Is it a link of ours, used and old ones too, to the mailbox that this session reads?"""
        try:
            link = links.read(self._keys, token, Scope.LINK, 0)
        except LinkError:
            return False
        mailbox = await self._session(request)
        return mailbox is not None and mailbox.link_id == link.link_id

    def _to_inbox(self) -> Response:
        return RedirectResponse(f"{self._prefix}/inbox", 303)

    def _too_old(self, error: LinkError | None = None) -> Response:
        if error is not None:
            logger.info("a link to an inbox was refused: %s", error)
        return self._page("kedaluwarsa.html", 401)

    def _page(self, template: str, status: int = 200, **values: str) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(**values), status)

    def _cookie(self) -> dict[str, Any]:
        return {
            "path": f"{self._prefix}/",
            "httponly": True,
            "samesite": "lax",
            "secure": (self._web.base_url or "").startswith("https:"),
        }


def _templates(prefix: str, inbox: InboxSettings, files: dict[str, bytes]) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("relay.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["prefix"] = prefix
    made.globals["contact"] = inbox.contact
    made.globals["version"] = hashlib.sha256(b"".join(files.values())).hexdigest()[:12]
    made.filters["date"] = lambda at: dates.shown(at, inbox.zone)
    made.filters["iso"] = lambda at: dates.iso(at, inbox.zone)
    made.filters["octets"] = _octets
    return made


def _octets(size: int) -> str:
    """A size as people read it: `12 KB`, `1,4 MB`."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} KB"
    return f"{size / 1_000_000:.1f} MB".replace(".", ",")


def _static_files() -> dict[str, bytes]:
    """Read once: there are two of them, and they ride in the wheel."""
    folder = importlib.resources.files("relay.web") / "static"
    return {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if Path(entry.name).suffix in _KINDS
    }
