"""Letter: a stored message without its body, all that a departure needs besides it."""

from __future__ import annotations

from dataclasses import dataclass

from relay.mail.envelope import Options, Particulars
from relay.mail.instant import Instant


@dataclass(frozen=True, slots=True)
class Letter:
    """A stored message without its body: what a departure needs."""

    id: int
    sender: str
    options: Options
    head: bytes
    body_hash: bytes
    size: int
    sha256: bytes
    is_8bit: bool
    needs_utf8: bool
    particulars: Particulars
    recipients: int
    received_at: Instant
