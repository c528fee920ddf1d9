"""Webhook: a message as a POST of JSON, signed; redirects are not followed, no proxy is asked.

`X-LPSE-Signature: sha256=HEX` is the HMAC-SHA256 of the body's octets with the secret: the receiver
computes the same and compares in constant time. `at` within the body tells an old one played anew.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from relay.observe.notice import Message, octets
from relay.observe.ways import Undelivered

if TYPE_CHECKING:
    import httpx

SIGNATURE: Final = "X-LPSE-Signature"
CONNECT: Final = 10.0  # seconds
ANSWER: Final = 15.0  # seconds between two parts of the answer
SHOWN: Final = 300  # octets of an answer that are read and shown
_AGAIN: Final = frozenset({408, 425, 429})  # client errors that pass by themselves


def signature(secret: str, body: bytes) -> str:
    """The header's value for a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Webhook:
    """One URL; without a secret nothing is signed. `ca_file`: roots beside the system's."""

    url: str
    secret: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def to(self) -> str:
        """The URL without what often is a secret: user, path's end, query."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path if len(parts.path) <= 1 else '/…'}"

    def carry(self, message: Message) -> str:
        """See Way.carry. A certificate's fault, a redirect, and a 4yz that does not pass by itself
        (408, 425, 429 do) are lasting."""
        import httpx  # here, in the thread: it takes a moment, and most relays have no webhook

        body = octets(message)
        headers = {"Content-Type": "application/json", "User-Agent": "lpse-relay"}
        if self.secret is not None:
            headers[SIGNATURE] = signature(self.secret, body)
        limits = httpx.Timeout(ANSWER, connect=CONNECT)
        try:
            with (
                httpx.Client(
                    verify=self._roots(),
                    timeout=limits,
                    follow_redirects=False,
                    trust_env=False,
                ) as client,
                client.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                return _judged(answer)
        except httpx.ConnectError as error:
            if (fault := _certificate_fault(error)) is not None:
                raise Undelivered(fault, is_lasting=True) from None
            raise Undelivered(f"{self.to} cannot be reached: {error}") from None
        except httpx.TimeoutException as error:
            raise Undelivered(f"{self.to}: {type(error).__name__}: no answer in time") from None
        except httpx.HTTPError as error:
            raise Undelivered(f"{self.to}: {type(error).__name__}: {error}") from None

    def _roots(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise Undelivered(f"{self.ca_file}: {error}", is_lasting=True) from None
        return context


def _judged(answer: httpx.Response) -> str:
    """What a 2yz said. Raises Undelivered for all else."""
    code = answer.status_code
    if answer.is_success:
        return f"HTTP {code}"
    if answer.is_redirect:
        where = answer.headers.get("location", "")[:SHOWN]
        raise Undelivered(
            f"HTTP {code}: it redirects to {where!r}, which is not followed: write the last"
            " address",
            is_lasting=True,
        )
    said = _beginning(answer)
    why = f"HTTP {code}: {said}" if said else f"HTTP {code}"
    raise Undelivered(why, is_lasting=400 <= code < 500 and code not in _AGAIN)


def _beginning(answer: httpx.Response) -> str:
    """Some of the body as it came: never unpacked, never all of it."""
    found = b""
    for part in answer.iter_raw():
        found += part
        if len(found) >= SHOWN:
            break
    return found[:SHOWN].decode("utf-8", "replace").strip()


def _certificate_fault(error: BaseException) -> str | None:
    """In words, where the server's certificate is not believed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not believed: {cause.verify_message} (mend it there, or name"
                " its root in ca_file)"
            )
        cause = cause.__cause__ or cause.__context__
    return None
