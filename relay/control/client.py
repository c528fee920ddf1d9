"""Client: a command's side of the control socket; it takes no event loop with it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

LINE_LIMIT: Final = 1024 * 1024
PROTOCOL: Final = 1
"""In every answer. It counts up when a command, or a key of an answer that is shown, is added or
changes: the command line is exchanged at once, a relay runs on until it is restarted."""
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


class Mismatched(ControlError):
    """The relay's answer lacks what this command shows, or it does not know what is asked: the one
    that runs is of another version."""


def mismatched(theirs: int, what: str) -> Mismatched:
    """The error for a relay that speaks that protocol; `what` it lacks."""
    word = "older than" if theirs < PROTOCOL else "newer than"
    than = "of another version than" if theirs == PROTOCOL else word
    return Mismatched(f"the relay that runs is {than} this command: restart it ({what})")


class Answer(dict[str, Any]):
    """An object of an answer: a key that is not there is said in words, not as a KeyError."""

    protocol = 0  # of the relay that answers; one that sends none is older than the first

    def __missing__(self, key: str) -> Any:
        raise mismatched(self.protocol, f"its answer has no {key!r}")

    def __or__(self, more: Any) -> Any:
        made = type(self)(super().__or__(more))
        made.protocol = self.protocol
        return made


def _read(line: bytes) -> Answer:
    """An answer, with the relay's protocol in each object of it."""
    objects: list[Answer] = []

    def made(pairs: dict[str, Any]) -> Answer:
        objects.append(Answer(pairs))
        return objects[-1]

    answer: Answer = json.loads(line, object_hook=made)
    protocol = answer.pop("protocol", 0)
    for one in objects:
        one.protocol = protocol
    return answer


class ControlClient:
    """The CLI's side: one connection a call."""

    def __init__(self, path: Path) -> None:
        """`path` is the socket of the running relay."""
        self._path = path

    def call(self, command: str, **params: Any) -> dict[str, Any]:
        """Raises Unreachable where no relay runs, ControlError where it refuses, Unknown where
        a name is none of what it knows, Mismatched where the relay does not know the command; so
        does the answer, when a key is read that it has not."""
        request = json.dumps({"command": command, **params}).encode() + b"\n"
        if len(request) > LINE_LIMIT:
            raise ControlError(f"{command}: what is asked is longer than {LINE_LIMIT} octets")
        line = self._ask(request)
        if not line.endswith(b"\n"):
            raise Unreachable(f"the relay at {self._path} hung up without an answer")
        answer = _read(line)
        if not answer.pop("ok", False):
            said = str(answer.get("error", "refused"))
            if answer.protocol != PROTOCOL and _is_of_words(said):
                raise mismatched(answer.protocol, said)
            kind = Unknown if answer.get("unknown") else ControlError
            raise kind(said)
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


def _is_of_words(said: str) -> bool:
    """True where a relay refuses what it does not understand, not what it will not do."""
    return said.startswith("unknown command") or said.endswith("is missing")
