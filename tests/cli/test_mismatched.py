"""A relay of another version than the command that asks it: said in words, never a traceback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from relay.cli import HOMES
from relay.control.client import PROTOCOL
from tests.cli.house import Site


@contextmanager
def answering(site: Site, answer: dict[str, Any]) -> Iterator[None]:
    """A relay that answers always the same."""
    path = site.state / "run" / "control.sock"
    path.parent.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as asked:
                asked.readline()
                connection.sendall(json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


ASKED = {
    "explain": ("explain", "vendor@gmail.com"),
    "queue": ("queue", "ls"),
    "queue show": ("queue", "show", "1M8P14XVR0002"),
    "providers": ("providers",),
    "alerts": ("alerts",),
    "fuse": ("fuse", "ls"),
    "pause": ("pause", "gmail", "--reason", "x"),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_older_relay_s_answer_lacks_keys(name: str, site: Site) -> None:
    assert name.split()[0] in HOMES
    with answering(site, {"ok": True, "recipient": "v@gmail.com"}):
        answer = site.run(*ASKED[name])
    assert answer.code == 1
    assert "the relay that runs is older than this command: restart it (its answer has no" in (
        answer.err
    )


def test_a_key_that_lacks_further_in_is_said_too(site: Site) -> None:
    listed = {"by_state": {}, "by_provider": {}, "total": 1, "deliveries": [{"id": "x"}]}
    with answering(site, {"ok": True, **listed}):
        answer = site.run("queue", "ls")
    assert (answer.code, "its answer has no 'recipient'" in answer.err) == (1, True)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (PROTOCOL + 1, "is newer than this command"),
        (PROTOCOL, "is of another version than this command"),
        (0, "is older than this command"),
    ],
)
def test_it_is_said_which_of_the_two_is_older(protocol: int, said: str, site: Site) -> None:
    with answering(site, {"ok": True, "protocol": protocol}):
        answer = site.run("providers", "--json")
        shown = site.run("queue", "show", "1M8P14XVR0002", "--json")
    assert "protocol" not in answer.out
    assert shown.code == 1
    assert said in shown.err and said in shown.json["error"]


def test_a_command_that_an_older_relay_does_not_know(site: Site) -> None:
    refusal = {"ok": False, "error": "unknown command 'alerts': one of status"}
    with answering(site, refusal):
        answer = site.run("alerts")
    assert answer.code == 1
    assert "the relay that runs is older than this command: restart it (unknown command" in (
        answer.err
    )


def test_what_a_relay_will_not_do_is_no_mismatch(site: Site) -> None:
    with answering(site, {"ok": False, "error": "unknown provider 'x'", "unknown": True}):
        answer = site.run("pause", "x", "--reason", "x")
    assert (answer.code, "restart" in answer.err) == (2, False)
