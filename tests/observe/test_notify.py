from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.observe.notify import Notify, listen_fds


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "file" else f"@lpse-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        receiver.settimeout(20)
        yield name, receiver


def test_states_reach_systemd(systemd: tuple[str, socket.socket]) -> None:
    name, receiver = systemd
    notify = Notify({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"}, 7)
    notify.ready("door open\non 2525")
    notify.reloading(12.5)
    notify.watchdog()
    notify.extend(90)
    notify.status("draining")
    notify.stopping("draining")
    heard = [receiver.recv(4096).decode() for _ in range(6)]
    assert heard == [
        "READY=1\nSTATUS=door open on 2525",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=90000000",
        "STATUS=draining",
        "STOPPING=1\nSTATUS=draining",
    ]
    assert notify.watchdog_every == 30.0


def test_the_watchdog_is_not_fed_unasked(systemd: tuple[str, socket.socket]) -> None:
    name, receiver = systemd
    notify = Notify({"NOTIFY_SOCKET": name}, 7)
    notify.watchdog()
    notify.ready()
    assert receiver.recv(4096) == b"READY=1"


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"NOTIFY_SOCKET": "vsock:2:1"}],
    ids=["none", "gone", "vsock"],
)
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    Notify(environ, 7).ready()


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "7"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_watchdog_interval(environ: dict[str, str], every: float | None) -> None:
    assert Notify(environ, 7).watchdog_every == every


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_PID": "8", "LISTEN_FDS": "1"}, {"LISTEN_PID": "7", "LISTEN_FDS": "x"}],
)
def test_no_sockets_for_us(environ: dict[str, str]) -> None:
    assert listen_fds(environ, 7) == {}


CHILD = """
import os
from relay.observe.notify import listen_fds
environ = dict(os.environ, LISTEN_PID=str(os.getpid()))
for name, sockets in listen_fds(environ, os.getpid()).items():
    for one in sockets:
        print(name, one.getsockname()[1], one.getblocking(), one.get_inheritable())
"""


def test_handed_in_sockets_by_name() -> None:
    """A parent that holds three sockets at 3, 4 and 5, as systemd does."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    spare = [fcntl_dup(listener.fileno()) for listener in listeners]
    moves = "; ".join(f"os.dup2({fd}, {3 + n})" for n, fd in enumerate(spare))
    code = f"import os; {moves}\n{CHILD}"
    environ = {"LISTEN_FDS": "3", "LISTEN_FDNAMES": "smtp:smtp:web", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        pass_fds=spare,
        capture_output=True,
        text=True,
        check=True,
    )
    ports = [listener.getsockname()[1] for listener in listeners]
    assert done.stdout.splitlines() == [
        f"smtp {ports[0]} False False",
        f"smtp {ports[1]} False False",
        f"web {ports[2]} False False",
    ]
    for fd in spare:
        os.close(fd)
    for listener in listeners:
        listener.close()


def fcntl_dup(fd: int) -> int:
    """A copy well above the numbers that the child will use."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 50)
