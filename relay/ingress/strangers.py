"""Strangers: clients that may not relay (yet) — how many, how long, how often they may say nothing.

A stranger is whoever comes from outside the trusted networks, until AUTH succeeds or a letter is
taken. Strangers may hold half of the sessions at most, so that the application always finds a
place; and none stays by saying NOOP again and again.
"""

from __future__ import annotations

from typing import Any, Final

LIFETIME: Final = 60.0  # seconds until AUTH has succeeded
MAX_IDLE: Final = 20  # commands that lead nowhere
IDLE: Final = frozenset({"NOOP", "RSET", "VRFY", "HELO", "EHLO"})


def most(max_sessions: int) -> int:
    """How many sessions strangers may hold: half of them, or the only one."""
    return max(1, max_sessions // 2)


def ip_of(peer: Any) -> str:
    """The address in a socket's peer name, without a zone; IPv4 where it is mapped into IPv6."""
    return str(peer[0]).partition("%")[0].removeprefix("::ffff:") if peer else ""
