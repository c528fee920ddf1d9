"""`lpse-relay fuse`: the list, the preview, both decisions, and their exit codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from relay.control.server import ControlServer
from relay.mail.delivery import State
from tests.cli.house import Running, Site
from tests.service.fused import Fused

YES = ("--yes", "--reason", "daftar lama")
KEYS = ["fuse", "state", "blown_at", "held", "pending", "addresses", "why"]


@pytest.fixture
def fused() -> Fused:
    return Fused()


@pytest.fixture
def blown(site: Site, fused: Fused) -> Iterator[Running]:
    """A relay whose fuse blew."""
    relay = Running(site)
    path = site.state / "run" / "control.sock"
    relay._server = ControlServer(path, fused.commands.table())
    relay.start()
    try:
        relay.do(fused.blow())
        yield relay
    finally:
        relay.stop()


def count(fused: Fused, state: State) -> int:
    return sum(record.delivery.state is state for record in fused.store._records.values())


def test_the_list(site: Site, blown: Running) -> None:
    for words in (("fuse",), ("fuse", "ls")):
        answer = site.run(*words)
        assert answer.code == 0
        assert answer.out.startswith("fuse   state  since")
        assert "30 of 30 attempts refused there" in answer.out
        (row,) = site.run(*words, "--json").json
        assert list(row) == KEYS
        assert (row["fuse"], row["state"], row["held"], row["pending"]) == ("gmail", "blown", 3, 29)


def test_nothing_to_decide(site: Site, blown: Running) -> None:
    site.run("fuse", "confirm", "gmail", *YES)
    answer = site.run("fuse")
    assert (answer.code, answer.out) == (
        0,
        "no fuse is blown, and nothing waits to be decided\n",
    )


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("confirm", "would bounce 3 held"),
        ("requeue", "would send 3 held and 29 bounced before again"),
    ],
)
def test_without_yes_it_is_only_shown(
    site: Site, blown: Running, fused: Fused, what: str, says: str
) -> None:
    answer = site.run("fuse", what, "fuse:gmail")
    assert answer.code == 1
    assert answer.out.splitlines()[0] == says
    as_json = site.run("fuse", what, "gmail", "--json")
    assert (as_json.code, as_json.json) == (1, {"held": 3, "pending": 29, "done": False})
    assert count(fused, State.HELD) == 3


def test_confirm(site: Site, blown: Running, fused: Fused) -> None:
    answer = site.run("fuse", "confirm", "gmail", *YES)
    assert (answer.code, answer.out) == (0, "3 held bounced; 29 bounced before stay so\n")
    assert count(fused, State.BOUNCED) == 32


def test_requeue(site: Site, blown: Running, fused: Fused) -> None:
    answer = site.run("fuse", "requeue", "gmail", *YES, "--json")
    assert (answer.code, answer.json) == (0, {"held": 3, "pending": 29, "done": True})
    again = site.run("fuse", "requeue", "gmail", *YES)
    assert (again.code, again.out) == (0, "0 held and 0 bounced go again\n")
    assert count(fused, State.READY) == 32


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("confirm", "gmail", "--yes"), "--reason is needed"),
        (("confirm", " ", *YES), "the fuse's name is empty"),
        (("requeue", "gmial"), "no fuse 'gmial' has anything to decide; those that have: gmail"),
        (("requeue", "gmial", *YES), "no fuse 'gmial' has anything to decide"),
        (("confirm",), "Missing argument 'FUSE'"),
        (("--state", "x", "ls"), "options go behind the command: fuse ls"),
    ],
)
def test_what_cannot_be(site: Site, blown: Running, words: tuple[str, ...], says: str) -> None:
    answer = site.run("fuse", *words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err


@pytest.mark.parametrize("words", [(), ("ls",), ("confirm", "gmail"), ("requeue", "gmail", *YES)])
def test_no_relay_is_code_3(site: Site, words: tuple[str, ...]) -> None:
    assert site.run("fuse", *words).code == 3
