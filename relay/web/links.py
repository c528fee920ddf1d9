"""Links: signed tokens that open a mailbox, once, and the session that follows.

Pure, but for the chance that names a token.

A token is `version scope key-id link-id expiry jti` and its HMAC-SHA256, in URL-safe base64. The
scope is signed too, so a session is no link and a link no session. A link is good once (the store
keeps its `jti`), a session until it expires; both name the mailbox by its 128 random bits, never
by an address. The first key signs; all keys verify, so that a key can be changed without logging
anybody out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from relay.mail.instant import Instant

KEY_SIZE: Final = 32  # octets at least
ID_SIZE: Final = 16  # octets of a link id and of a jti
VERSION: Final = 1
_FORM: Final = struct.Struct(">BB4s16sQ16s")
_MAC_SIZE: Final = hashlib.sha256().digest_size
MAX_TOKEN: Final = 256  # characters that are looked at


class LinkError(ValueError):
    """No token of ours, or its time is over; the message is for the log."""


class Scope(IntEnum):
    """What a token is good for."""

    LINK = 1  # is swapped for a session, once
    SESSION = 2  # reads one mailbox


@dataclass(frozen=True, slots=True)
class Link:
    """A token that was read: whose, until when, and its own random name."""

    link_id: bytes
    scope: Scope
    expires_at: Instant
    jti: bytes


def make(
    keys: Sequence[bytes], link_id: bytes, scope: Scope, expires_at: Instant, jti: bytes
) -> str:
    """A token, signed with the first key. `jti`: 128 random bits, see :func:`fresh`."""
    if len(link_id) != ID_SIZE or len(jti) != ID_SIZE:
        raise ValueError(f"a link id and a jti are {ID_SIZE} octets each")
    key = checked(keys)[0]
    plain = _FORM.pack(VERSION, scope, _key_id(key), link_id, expires_at, jti)
    return base64.urlsafe_b64encode(plain + _mac(key, plain)).rstrip(b"=").decode()


def read(keys: Sequence[bytes], token: str, scope: Scope, now: Instant) -> Link:
    """What the token says, if one of our keys signed it for that scope and its time is not over.

    Raises LinkError on anything else; nothing of an unsigned token is believed.
    """
    octets = _octets(token)
    plain, mac = octets[: _FORM.size], octets[_FORM.size :]
    if len(octets) != _FORM.size + _MAC_SIZE:
        raise LinkError("the token has not the length of ours")
    version, given, key_id, link_id, expires_at, jti = _FORM.unpack(plain)
    key = next((key for key in checked(keys) if _key_id(key) == key_id), None)
    if key is None or not hmac.compare_digest(_mac(key, plain), mac):
        raise LinkError("the token is not signed by a key of ours")
    if version != VERSION or given != scope:
        raise LinkError("the token is for another purpose")
    if now >= expires_at:
        raise LinkError("the token's time is over")
    return Link(link_id, Scope(given), expires_at, jti)


def fresh() -> bytes:
    """128 random bits."""
    return secrets.token_bytes(ID_SIZE)


class Linker:
    """Makes the URLs that open a mailbox."""

    def __init__(self, keys: Sequence[bytes], base_url: str, life: int) -> None:
        """`base_url` as the vendor's browser sees it; `life` in milliseconds."""
        self._keys = checked(keys)
        self._base_url = base_url.rstrip("/")
        self._life = life

    def link(self, link_id: bytes, now: Instant) -> tuple[str, Instant]:
        """A URL that is good once, and until when."""
        until = now + self._life
        token = make(self._keys, link_id, Scope.LINK, until, fresh())
        return f"{self._base_url}/masuk?t={token}", until


def checked(keys: Sequence[bytes]) -> Sequence[bytes]:
    """The keys, if there is one and none is too short. Raises ValueError."""
    if not keys:
        raise ValueError("a key is needed to sign links")
    for key in keys:
        if len(key) < KEY_SIZE:
            raise ValueError(f"a key that signs links has {KEY_SIZE} octets at least")
    return keys


def _octets(token: str) -> bytes:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise LinkError("the token has not the length of ours")
    try:
        octets = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise LinkError("the token is no base64") from None
    return octets


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"lpse-relay link key id" + key).digest()[:4]


def _mac(key: bytes, plain: bytes) -> bytes:
    return hmac.digest(key, plain, "sha256")
