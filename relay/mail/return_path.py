"""Return path: the envelope sender of one delivery, by which a late report finds it again.

`b+<token>@domain`; the token is lower-case base32 (RFC 4648, no padding) of

    key id (1) ‖ message id (8) ‖ recipient's number (3) ‖ valid until, in hours (3) ‖ MAC (12)

with HMAC-SHA256 cut to 96 bits over all before it and the domain. It holds no address and is a
function of the delivery and its letter's arrival alone: a server that greylists meets the same
sender at every retry. The first key signs, every key verifies, so that a key can be changed while
letters are under way. Case is no matter, since some servers fold the local part.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from relay.mail.instant import DAY, HOUR, Instant

KEY_SIZE: Final = 32  # octets of a key at least
VALID: Final = 30 * DAY  # from the letter's arrival on
# A letter that was held for so long would leave with a token that nothing can come back to: from
# then on it has the next one. No retry of an ordinary life sees the change.
RENEWED: Final = 20 * DAY
PREFIX: Final = "b+"
_MAC: Final = 12  # octets: 96 bits
_PLAIN: Final = 1 + 8 + 3 + 3
_SIZE: Final = _PLAIN + _MAC
LETTERS: Final = -(-_SIZE * 8 // 5)  # of a token: 44, so the local part has 46 of 64
MAX_NUMBER: Final = (1 << 24) - 1
MAX_MESSAGE: Final = (1 << 63) - 1
MAX_HOURS: Final = (1 << 24) - 1
_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz234567")


class Refusal(StrEnum):
    """Why an address leads to no delivery of ours."""

    FOREIGN = "foreign"  # no token of ours at all: another form, domain, or another relay's key
    FORGED = "forged"  # of our form and key, and not signed by it
    EXPIRED = "expired"  # ours, and too old


class ReturnPathError(ValueError):
    """The address leads to no delivery of ours; ``refusal`` says how."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Token:
    """What an address of ours says: which delivery, and until when reports on it are taken."""

    message_id: int
    n: int
    expires_at: Instant


class ReturnPath:
    """Makes and reads the return addresses of one domain."""

    def __init__(self, keys: Sequence[bytes], domain: str) -> None:
        """``domain`` as it stands in DNS. Raises ValueError without keys, or for a short one."""
        if not keys:
            raise ValueError("a key is needed to sign return addresses")
        if any(len(key) < KEY_SIZE for key in keys):
            raise ValueError(f"a key that signs return addresses has {KEY_SIZE} octets at least")
        self._keys = tuple([(_key_id(key), key) for key in keys])
        self.domain = domain.lower().rstrip(".")

    def address(self, message_id: int, n: int, received_at: Instant, now: Instant) -> str:
        """The envelope sender of a delivery whose letter arrived at ``received_at``.

        Raises ValueError for a number that has no place in it.
        """
        if not (0 <= message_id <= MAX_MESSAGE and 0 <= n <= MAX_NUMBER):
            raise ValueError(f"no delivery has the numbers {message_id}, {n}")
        key_id, key = self._keys[0]
        hours = min(_hours(received_at, now), MAX_HOURS)
        plain = b"".join(
            (key_id, message_id.to_bytes(8, "big"), n.to_bytes(3, "big"), hours.to_bytes(3, "big"))
        )
        token = base64.b32encode(plain + self._mac(key, plain)).decode().rstrip("=").lower()
        return f"{PREFIX}{token}@{self.domain}"

    def read(self, address: str, now: Instant) -> Token:
        """The delivery that an address means. Raises ReturnPathError; nothing unsigned is told."""
        local, _, domain = address.rpartition("@")
        if domain.lower().rstrip(".") != self.domain:
            raise ReturnPathError(Refusal.FOREIGN, "the address is of another domain")
        octets = _octets(local.lower())
        plain, mac = octets[:_PLAIN], octets[_PLAIN:]
        keys = [key for key_id, key in self._keys if key_id == plain[:1]]
        if not keys:
            raise ReturnPathError(Refusal.FOREIGN, "the token is of a key that is not ours")
        # Every key that may be meant is tried, each in constant time.
        if not sum([hmac.compare_digest(self._mac(key, plain), mac) for key in keys]):
            raise ReturnPathError(Refusal.FORGED, "the token is not signed by its key")
        expires_at = int.from_bytes(plain[12:15], "big") * HOUR
        if now >= expires_at:
            raise ReturnPathError(Refusal.EXPIRED, "the token's time is over")
        message_id = int.from_bytes(plain[1:9], "big")
        return Token(message_id, int.from_bytes(plain[9:12], "big"), expires_at)

    def _mac(self, key: bytes, plain: bytes) -> bytes:
        return hmac.digest(key, plain + self.domain.encode(), "sha256")[:_MAC]


def is_of_our_form(local: str) -> bool:
    """True for a local part that looks like one of ours; cheap, and says nothing of its truth."""
    token = local.lower().removeprefix(PREFIX)
    return len(local) == len(PREFIX) + LETTERS and len(token) == LETTERS and {*token} <= _ALPHABET


def _octets(local: str) -> bytes:
    """The token's octets. Raises ReturnPathError for what is no token, or has a second spelling."""
    token = local.removeprefix(PREFIX)
    if not is_of_our_form(local):
        raise ReturnPathError(Refusal.FOREIGN, "the address holds no token")
    octets = base64.b32decode(token.upper() + "=" * (-LETTERS % 8))
    if base64.b32encode(octets).decode().rstrip("=").lower() != token:
        raise ReturnPathError(Refusal.FORGED, "the token is not spelled as ours are")
    return octets


def _hours(received_at: Instant, now: Instant) -> int:
    """Until when, in whole hours since 1970, rounded up."""
    renewals = max(0, now - received_at) // RENEWED
    return max(0, -(-(received_at + renewals * RENEWED + VALID) // HOUR))


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"lpse-relay return path key id" + key).digest()[:1]
