"""Server: the running relay's side of the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from relay.control import Command
from relay.control.client import LINE_LIMIT, PROTOCOL, ControlError, Unknown

AT_ONCE: Final = 500  # items of a list that are made into text in a turn of the loop: 3 ms

logger = logging.getLogger(__name__)


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
                await _write(writer, _refused(f"uid {uid} may not control this relay"))
                return
            while line := await reader.readline():
                await _write(writer, await self._answer(line, _name(uid)))
                await writer.drain()
        except ValueError:
            await _write(writer, _refused(f"a request is one line of at most {LINE_LIMIT} octets"))
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
        except (ValueError, RecursionError) as error:
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


def _refused(message: str) -> dict[str, Any]:
    return {"ok": False, "error": message}


async def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    """One line; a list of a hundred thousand in it some to a turn of the loop."""
    begins = "{"
    for name, value in (answer | {"protocol": PROTOCOL}).items():
        writer.write(f"{begins}{_json(name)}:".encode())
        begins = ","
        if not isinstance(value, list) or len(value) <= AT_ONCE:
            writer.write(_json(value).encode())
            continue
        for n in range(0, len(value), AT_ONCE):
            items = _json(value[n : n + AT_ONCE])[1:-1]
            writer.write(f"{',' if n else '['}{items}".encode())
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"]")
    writer.write(b"}\n")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


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
