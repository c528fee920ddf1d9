"""The control socket: who is answered, what a bad request gets, what a missing relay looks like."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from relay.control import ControlClient, ControlError, ControlServer, Unreachable


async def echo(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Answers what it was asked, and by whom."""
    return {"params": params, "who": who}


async def refuse(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Refuses."""
    raise ControlError("not today")


async def stumble(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Reads a parameter that is not there."""
    return {"x": params["reason"]}


COMMANDS = {"echo": echo, "refuse": refuse, "stumble": stumble}


async def test_a_command_is_answered_with_the_caller_named(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "run" / "c.sock", COMMANDS)
    await server.start()
    client = ControlClient(tmp_path / "run" / "c.sock")
    answer = await asyncio.to_thread(client.call, "echo", a=1)
    assert answer["params"] == {"a": 1}
    assert answer["who"]
    assert stat.S_IMODE((tmp_path / "run" / "c.sock").stat().st_mode) == 0o600
    await server.stop()
    assert not (tmp_path / "run" / "c.sock").exists()


async def test_refusals_and_bad_parameters_are_errors_that_name_the_command(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "c.sock", COMMANDS)
    await server.start()
    client = ControlClient(tmp_path / "c.sock")
    with pytest.raises(ControlError, match="not today"):
        await asyncio.to_thread(client.call, "refuse")
    with pytest.raises(ControlError, match="stumble: reason is missing"):
        await asyncio.to_thread(client.call, "stumble")
    with pytest.raises(ControlError, match="unknown command 'eco': one of echo, refuse, stumble"):
        await asyncio.to_thread(client.call, "eco")
    await server.stop()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello\n", "not JSON"),
        (b"[1]\n", "a request is"),
        (b'{"command": 3}\n', "a request is"),
        (b"x" * 2_000_000 + b"\n", "at most 1048576 octets"),
    ],
)
async def test_a_bad_line_gets_an_answer(tmp_path: Path, line: bytes, says: str) -> None:
    server = ControlServer(tmp_path / "c.sock", COMMANDS)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "c.sock"))
    writer.write(line)
    answer = json.loads(await reader.readline())
    assert answer["ok"] is False
    assert says in answer["error"]
    writer.close()
    await server.stop()


def test_no_relay_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no relay answers at"):
        ControlClient(tmp_path / "c.sock").call("echo")


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    first = ControlServer(tmp_path / "c.sock", COMMANDS)
    await first.start()
    second = ControlServer(tmp_path / "c.sock", COMMANDS)
    await second.start()
    answer = await asyncio.to_thread(ControlClient(tmp_path / "c.sock").call, "echo")
    assert answer["params"] == {}
    await second.stop()
    await first.stop()
