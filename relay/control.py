"""The running relay's door for its administrator: a unix socket, 0600, one JSON object a line.

A request is `{"command": "...", ...}`; the answer is `{"ok": true, ...}` or
`{"ok": false, "error": "..."}`, with `"unknown": true` where a name that it holds is not known.
Every change goes through here, so that the running relay knows of it and the audit row names who:
the kernel says the caller's uid (SO_PEERCRED), and only root and the relay's own user are answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

LINE_LIMIT: Final = 1024 * 1024
CLIENT_TIMEOUT: Final = 120.0  # seconds; a change of a million rows is slow, not dead

logger = logging.getLogger(__name__)

Command = Callable[[dict[str, Any], str], Awaitable[dict[str, Any]]]


class ControlError(Exception):
    """The command was refused; the message is for the administrator."""


class Unknown(ControlError):
    """What the command names is not known to this relay, or is no such thing at all: a slip of the
    caller's."""


class Unreachable(ControlError):
    """No relay answers at the socket."""


class Denied(Unreachable):
    """The socket is there, or may be, but this user may not reach it."""


class ControlServer:
    """Answers commands one after another on each connection."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        """`path` is made anew with mode 0600; a stale socket there is replaced."""
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError, with the path in it, where that is not possible."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_socket():
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        except OSError as error:
            listener.close()
            raise OSError(error.errno, error.strerror, str(self._path)) from None
        finally:
            os.umask(before)
        listener.setblocking(False)
        self._server = await asyncio.start_unix_server(
            self._session, sock=listener, limit=LINE_LIMIT
        )

    async def stop(self) -> None:
        """Stop listening, end what is open, remove the socket."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._sessions):
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - start_unix_server runs this as a task
        self._sessions.add(task)
        try:
            uid = _peer_uid(writer.get_extra_info("socket"))
            if uid not in (0, os.geteuid()):
                await reader.readline()  # heard first, so that the refusal is read
                _write(writer, _refused(f"uid {uid} may not control this relay"))
                return
            while line := await reader.readline():
                _write(writer, await self._answer(line, _name(uid)))
                await writer.drain()
        except ValueError:
            _write(writer, _refused(f"a request is one line of at most {LINE_LIMIT} octets"))
        except ConnectionError:
            return
        except asyncio.CancelledError:
            writer.transport.abort()  # a caller that does not read may not delay the end
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()  # `stop` returns when every socket is closed
            self._sessions.discard(task)

    async def _answer(self, line: bytes, who: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except ValueError as error:
            return _refused(f"not JSON: {error}")
        if not isinstance(request, dict) or not isinstance(request.get("command"), str):
            return _refused('a request is {"command": "…", …}')
        name = request.pop("command")
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(sorted(self._commands))
            return _refused(f"unknown command {name!r}: one of {known}")
        try:
            return {"ok": True, **await command(request, who)}
        except Unknown as error:
            return _refused(str(error)) | {"unknown": True}
        except ControlError as error:
            return _refused(str(error))
        except KeyError as error:
            return _refused(f"{name}: {error.args[0] if error.args else 'a key'} is missing")
        except (TypeError, ValueError) as error:
            return _refused(f"{name}: {error or type(error).__name__}")
        except Exception as error:  # the administrator must hear of it; so must the log
            logger.exception("%s failed", name)
            return _refused(f"{name} failed: {error or type(error).__name__}")


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


def _refused(message: str) -> dict[str, Any]:
    return {"ok": False, "error": message}


def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


def _peer_uid(connection: socket.socket) -> int:
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
