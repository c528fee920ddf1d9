"""Client: a command's side of the control socket; it takes no event loop with it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

LINE_LIMIT: Final = 1024 * 1024
CLIENT_TIMEOUT: Final = 120.0  # seconds; a change of a million rows is slow, not dead


class ControlError(Exception):
    """The command was refused; the message is for the administrator."""


class Unknown(ControlError):
    """What the command names is not known to this relay, or is no such thing at all: a slip of the
    caller's."""


class Unreachable(ControlError):
    """No relay answers at the socket."""


class Denied(Unreachable):
    """The socket is there, or may be, but this user may not reach it."""


class ControlClient:
    """The CLI's side: one connection a call."""

    def __init__(self, path: Path) -> None:
        """`path` is the socket of the running relay."""
        self._path = path

    def call(self, command: str, **params: Any) -> dict[str, Any]:
        """Raises Unreachable where no relay runs, ControlError where it refuses, Unknown where
        a name is none of what it knows."""
        request = json.dumps({"command": command, **params}).encode() + b"\n"
        if len(request) > LINE_LIMIT:
            raise ControlError(f"{command}: what is asked is longer than {LINE_LIMIT} octets")
        line = self._ask(request)
        if not line.endswith(b"\n"):
            raise Unreachable(f"the relay at {self._path} hung up without an answer")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok", False):
            kind = Unknown if answer.get("unknown") else ControlError
            raise kind(str(answer.get("error", "refused")))
        return answer

    def _ask(self, request: bytes) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(CLIENT_TIMEOUT)
                connection.connect(str(self._path))
                connection.sendall(request)
                with connection.makefile("rb") as answers:
                    return answers.readline()
        except PermissionError:
            raise Denied(
                f"{self._path}: only root and the relay's own user may control it"
            ) from None
        except TimeoutError:
            raise Unreachable(
                f"the relay at {self._path} did not answer within {CLIENT_TIMEOUT:.0f} s; "
                "what was asked may still be done"
            ) from None
        except OSError as error:
            reason = error.strerror or error
            raise Unreachable(f"no relay answers at {self._path} ({reason})") from None
