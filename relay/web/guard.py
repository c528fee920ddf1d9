"""Guard: what every answer carries, who may ask, and where the pages stand in the site's paths.

`Referrer-Policy` is `same-origin` and not `no-referrer`: under the latter a browser sends
`Origin: null` with a form, and the check of the origin would refuse everybody. Nothing leaves the
site under either.
"""

from __future__ import annotations

import urllib.parse
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.observe.serving import split_address
from relay.web.settings import WebSettings

MAX_FORM: Final = 8 * 1024  # octets of a form
MAX_FIELDS: Final = 20
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"  # a link may open, nothing may run
LETTER_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    f"base-uri 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
)
FILE_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
COMMON: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": PAGE_POLICY,
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}


class Guard:
    """Sets what an answer did not set itself, and the path prefix that a proxy may leave on."""

    def __init__(self, app: ASGIApp, prefix: str, is_secure: bool) -> None:
        self._app = app
        self._prefix = prefix
        self._headers = dict(COMMON)
        if is_secure:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if self._prefix and f"{scope['path']}/".startswith(f"{self._prefix}/"):
            scope = {**scope, "root_path": self._prefix}
        await self._app(scope, receive, with_headers)


def prefix_of(base_url: str | None) -> str:
    """The path under which the pages stand, without a slash at its end."""
    return urllib.parse.urlsplit(base_url or "").path.rstrip("/")


def is_same_site(request: Request, base_url: str | None) -> bool:
    """May this form be ours? By Origin, and by Sec-Fetch-Site where there is no Origin.

    A client that sends neither is no browser, and has no session that somebody else could ride.
    """
    origin = request.headers.get("origin")
    fetched = request.headers.get("sec-fetch-site")
    if origin is None:
        return fetched in (None, "same-origin", "none")
    ours = f"http://{request.headers.get('host', '')}"
    if base_url:
        base = urllib.parse.urlsplit(base_url)
        ours = f"{base.scheme}://{base.netloc}"
    return origin.lower() == ours.lower()


async def form(request: Request) -> dict[str, str]:
    """A small urlencoded form; what is over the bound, or no form, is empty."""
    octets = b""
    async for piece in request.stream():
        octets += piece
        if len(octets) > MAX_FORM:
            return {}
    try:
        return dict(parse_qsl(octets.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS))
    except ValueError:  # more fields
        return {}


def problems(settings: WebSettings) -> list[tuple[str, str]]:
    """What is wrong with `web:`, as (key, sentence); empty where the pages may be served so."""
    found: list[tuple[str, str]] = []
    base = urllib.parse.urlsplit(settings.base_url or "")
    if settings.base_url is not None and (
        base.scheme not in ("http", "https")
        or not base.hostname
        or base.query
        or base.fragment
        or base.username is not None
    ):
        found.append(("base_url", "write it like https://lpse.example.go.id/kotak-masuk"))
    try:
        host, _ = split_address(settings.listen)
    except ValueError as error:
        return [*found, ("listen", str(error))]
    if not _is_loopback(host) and base.scheme != "https":
        found.append(
            (
                "base_url",
                f"listening on {settings.listen}, beyond this machine, needs an https base_url: "
                "a vendor's letters and session must not cross a network in the clear",
            )
        )
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
