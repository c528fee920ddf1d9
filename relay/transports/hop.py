"""Hop: a host that takes mail for a domain, as `routes:` writes it: smtp://host:port; no IO."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

PORTS: Final = {"smtp": 25, "smtps": 465}
SUBMISSION: Final = 587
_SHAPE: Final = "write mx, smtp://host:port or smtps://user@host:465"
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]+")


@dataclass(frozen=True, slots=True)
class Hop:
    """A next hop; ``user`` and ``password`` are None where it wants none."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Hop({self.url!r})"

    @property
    def is_implicit(self) -> bool:
        """TLS from the first octet (RFC 8314)."""
        return self.scheme == "smtps"

    @property
    def url(self) -> str:
        """The destination's key: the URL in one spelling, the password never in it."""
        user = f"{quote(self.user, safe='')}@" if self.user is not None else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}{host}:{self.port}"


def parse_hop(text: str, password: str | None = None) -> Hop | None:
    """Read a route's value; None for `mx`. Raises ValueError with what is wrong.

    The port is 25 by default, 465 for `smtps`, 587 for `smtp` with a user.
    """
    if text.strip().lower() == "mx":
        if password is not None:
            raise ValueError("mx takes no password")
        return None
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{_quoted(text)}: {error}; {_SHAPE}") from None
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in PORTS or not _HOST.fullmatch(host):
        raise ValueError(f"{_quoted(text)} is no route; {_SHAPE}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{_quoted(text)} has something behind the port; {_SHAPE}")
    if parts.password is not None:
        raise ValueError("the password stands in password_file, not in the URL")
    user = unquote(parts.username) if parts.username else None
    if (user is None) != (password is None):
        missing = "password_file is missing" if user else "a password, but no user in the URL"
        raise ValueError(f"{_quoted(text)}: {missing}")
    default = SUBMISSION if scheme == "smtp" and user else PORTS[scheme]
    return Hop(scheme, host.lower(), default if port is None else port, user, password)


def _quoted(text: str) -> str:
    """The URL for a message, without what may be a password."""
    return repr(re.sub(r"//[^@/]*@", "//…@", text))
