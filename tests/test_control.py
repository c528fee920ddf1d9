"""The control socket: who is answered, what a bad request gets, what a missing relay looks like."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from relay.control import ControlClient, ControlError, Denied, Mismatched, Unknown, Unreachable
from relay.control.server import AT_ONCE, ControlServer, _name


async def echo(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Answers what it was asked, and by whom."""
    return {"params": params, "who": who}


async def refuse(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Refuses."""
    raise ControlError("not today")


async def stumble(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Reads a parameter that is not there."""
    return {"x": params["reason"]}


async def fall(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Meets what nobody thought of."""
    raise OSError(28, "No space left on device")


async def wonder(params: dict[str, Any], who: str) -> dict[str, Any]:
    """Does not know the name."""
    raise Unknown("unknown provider 'x'")


COMMANDS = {"wonder": wonder, "echo": echo, "refuse": refuse, "stumble": stumble, "fall": fall}


async def test_a_command_is_answered_with_the_caller_named(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "run" / "c.sock", COMMANDS)
    await server.start()
    client = ControlClient(tmp_path / "run" / "c.sock")
    answer = await asyncio.to_thread(client.call, "echo", a=1)
    assert answer["params"] == {"a": 1}
    with pytest.raises(Mismatched, match=r"of another version .* \(its answer has no 'b'\)"):
        answer["params"]["b"]
    with pytest.raises(Mismatched, match="'c'"):
        (answer | {"d": 1})["c"]
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
    with pytest.raises(
        ControlError, match="unknown command 'eco': one of echo, fall, refuse, stumble, wonder"
    ):
        await asyncio.to_thread(client.call, "eco")
    with pytest.raises(Unknown, match="unknown provider 'x'"):
        await asyncio.to_thread(client.call, "wonder")
    await server.stop()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello\n", "not JSON"),
        (b"[" * 100_000 + b"\n", "not JSON"),
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


async def test_a_command_that_fails_is_answered_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = ControlServer(tmp_path / "c.sock", COMMANDS)
    await server.start()
    client = ControlClient(tmp_path / "c.sock")
    with pytest.raises(ControlError, match=r"fall failed: .*No space left on device"):
        await asyncio.to_thread(client.call, "fall")
    assert "Traceback" in caplog.text
    assert (await asyncio.to_thread(client.call, "echo"))["params"] == {}  # and it goes on
    await server.stop()


async def test_a_long_list_lets_others_have_their_turn(tmp_path: Path) -> None:
    rows = [{"n": n, "why": 'a "b", c'} for n in range(2 * AT_ONCE + 1)]

    async def many(params: dict[str, Any], who: str) -> dict[str, Any]:
        return {"before": [], "rows": rows, "after": {"x": rows[:AT_ONCE]}}

    server = ControlServer(tmp_path / "c.sock", {"many": many})
    await server.start()
    asking = asyncio.create_task(asyncio.to_thread(ControlClient(tmp_path / "c.sock").call, "many"))
    answer = await asking
    assert answer == {"before": [], "rows": rows, "after": {"x": rows[:AT_ONCE]}}
    await server.stop()


async def test_many_requests_on_one_connection(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "c.sock", COMMANDS)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "c.sock"))
    writer.write(b'{"command": "echo", "n": 1}\n{"command": "refuse"}\n{"command": "echo", "n": 2}')
    writer.write_eof()
    answers = [json.loads(line) async for line in reader]
    assert [a["ok"] for a in answers] == [True, False, True]
    assert [a["params"]["n"] for a in answers if a["ok"]] == [1, 2]
    writer.close()
    await server.stop()


async def test_stopping_ends_open_connections(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "c.sock", COMMANDS)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "c.sock"))
    writer.write(b'{"command": "echo"}\n')
    assert json.loads(await reader.readline())["ok"]
    await server.stop()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("said", [b"", b'{"ok": tr'])
def test_a_relay_that_hangs_up_is_unreachable(tmp_path: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "c.sock"))
        listener.listen(1)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unreachable, match="hung up without an answer"):
            ControlClient(tmp_path / "c.sock").call("echo")
        thread.join(10)


def test_a_relay_that_does_not_answer_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.control.client.CLIENT_TIMEOUT", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "c.sock"))
        listener.listen(1)
        with pytest.raises(Unreachable, match=r"did not answer within .* may still be done"):
            ControlClient(tmp_path / "c.sock").call("echo")


def test_what_is_no_socket_and_a_path_too_long_are_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unreachable, match=r"file \(Connection refused\)"):
        ControlClient(tmp_path / "file").call("echo")
    with pytest.raises(Unreachable, match="path too long"):
        ControlClient(tmp_path / ("x" * 120)).call("echo")
    with pytest.raises(ControlError, match="longer than 1048576 octets"):
        ControlClient(tmp_path / "c.sock").call("echo", a="x" * 1_100_000)


async def test_what_stands_in_the_way_of_the_socket_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "c.sock").write_text("kept")
    with pytest.raises(OSError, match=r"c\.sock"):
        await ControlServer(tmp_path / "c.sock", COMMANDS).start()
    assert (tmp_path / "c.sock").read_text() == "kept"


async def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.control.server._peer_uid", lambda _: 54321)
    server = ControlServer(tmp_path / "c.sock", COMMANDS)
    await server.start()
    client = ControlClient(tmp_path / "c.sock")
    with pytest.raises(ControlError, match="uid 54321 may not control this relay"):
        await asyncio.to_thread(client.call, "echo")
    await server.stop()


def test_a_uid_without_a_name_is_shown_as_it_is() -> None:
    assert _name(4_000_000_000) == "uid 4000000000"


def test_who_may_not_reach_the_socket_is_denied_not_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("relay.control.client.socket.socket", Closed)
    with pytest.raises(Denied, match="only root and the relay's own user may control it"):
        ControlClient(tmp_path / "c.sock").call("status")
