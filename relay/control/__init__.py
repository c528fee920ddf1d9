"""The running relay's door for its administrator: a unix socket, 0600, one JSON object a line.

A request is `{"command": "...", ...}`; the answer is `{"ok": true, ...}` or
`{"ok": false, "error": "..."}`, with `"unknown": true` where a name that it holds is not known. In
each stands `"protocol": N`, by which a command that is newer than the relay that runs knows it.
Every change goes through here, so that the running relay knows of it and the audit row names who:
the kernel says the caller's uid (SO_PEERCRED), and only root and the relay's own user are answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from relay.control.client import (
    ControlClient,
    ControlError,
    Denied,
    Mismatched,
    Unknown,
    Unreachable,
)

__all__ = [
    "Command",
    "ControlClient",
    "ControlError",
    "Denied",
    "Mismatched",
    "Unknown",
    "Unreachable",
]

Command = Callable[[dict[str, Any], str], Awaitable[dict[str, Any]]]
