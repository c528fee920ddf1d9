"""`providers`, `pause`, `resume`: the fixed shape, who may be named, what is refused."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial

import pytest
import typer

from relay.cli import providers as cli_providers
from relay.cli.providers import _worth_most
from relay.cli.site import Site as ShownSite
from relay.shaping.destination import Destination, Profile
from tests.cli.house import Running, Site
from tests.service.house import GMAIL

KEYS = [
    "provider",
    "state",
    "paused_until",
    "limits",
    "rate_now",
    "queued",
    "oldest_s",
    "last_reply",
]


@pytest.fixture
def known(relay: Running) -> Running:
    """A relay that has dialled Gmail once, and has one letter for it."""
    relay.do(relay.house.put("a@gmail.com"))
    relay.call(lambda: relay.house.shaper.connect(GMAIL, relay.house.clock.at))
    return relay


def test_the_shape_is_fixed(site: Site, known: Running) -> None:
    answer = site.run("providers", "--json")
    assert answer.code == 0
    (row,) = answer.json
    assert list(row) == KEYS
    assert (row["provider"], row["state"], row["queued"]) == ("gmail", "ok", 1)
    assert row["limits"] == ["20/min", "1500/day"]
    people = site.run("providers").out.splitlines()
    assert people[0].startswith("provider  state")
    assert people[1].startswith("gmail     ok ")


def test_none_yet(site: Site, relay: Running) -> None:
    assert site.run("providers", "--json").json == []
    assert site.run("providers").code == 0


def test_pause_and_resume(site: Site, known: Running) -> None:
    paused = site.run("pause", "gmail", "--reason", "Google asks for it")
    assert (paused.code, paused.out) == (0, "gmail is paused until `resume`\n")
    (row,) = site.run("providers", "--json").json
    assert (row["state"], row["paused_until"]) == ("paused", None)
    assert "Google asks for it" in site.run("providers").out
    on = site.run("resume", "gmail", "--reason", "done", "--json")
    assert (on.code, on.json) == (0, {"said": "gmail goes on", "resumed": ["gmail"]})
    again = site.run("resume", "gmail", "--reason", "done")
    assert (again.code, again.err) == (1, "lpse-relay: gmail was not paused\n")


def test_everything_at_once(site: Site, relay: Running) -> None:
    assert (
        site.run("pause", "--all", "--reason", "x").out == "everything is paused until `resume`\n"
    )
    (row,) = site.run("providers", "--json").json
    assert (row["provider"], row["state"]) == ("*", "paused")
    assert site.run("resume", "--all", "--reason", "x").code == 0


def test_a_hostile_reply_is_shown_as_text(site: Site, known: Running) -> None:
    site.run("pause", "gmail", "--reason", "[link=https://x.example]\x1b[31m")
    out = site.run("providers").out
    assert "[link=https://x.example]\\x1b[31m" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("what", ["pause", "resume"])
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "name one provider, or --all"),
        (("gmail", "--all"), 2, "name one provider, or --all"),
        (("gmail",), 2, "--reason is needed"),
        (("gmail", "--reason", " "), 2, "--reason is needed"),
        (("", "--reason", "x"), 2, "the provider's name is empty"),
        (("gmial", "--reason", "x"), 2, "unknown provider 'gmial' (did you mean gmail?)"),
        (("gmail", "yahoo", "--reason", "x"), 2, "unexpected extra argument"),
    ],
)
def test_what_cannot_be(
    site: Site, relay: Running, what: str, words: tuple[str, ...], code: int, says: str
) -> None:
    answer = site.run(what, *words)
    assert (answer.code, answer.out) == (code, "")
    assert says in answer.err


@pytest.mark.parametrize("words", [("providers",), ("pause", "gmail", "--reason", "x")])
def test_no_relay_is_code_3(site: Site, words: tuple[str, ...]) -> None:
    answer = site.run(*words)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith(f"lpse-relay: no relay answers at {site.state}/run/control.sock")


def test_on_a_screen_what_matters_most_is_watched() -> None:
    rows = [{"provider": f"d{n}", "state": "ok", "queued": n} for n in range(9)]
    rows[4]["state"] = "paused"
    assert [row["provider"] for row in _worth_most(rows, 3)] == ["d4", "d7", "d8"]
    assert _worth_most(rows, 9) == rows


def test_a_screen_is_not_overrun(
    site: Site, known: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(seconds: float) -> None:
        raise KeyboardInterrupt

    for n in range(30):
        to = Destination(f"mx{n}.example", Profile("default"))
        known.call(partial(known.house.shaper.connect, to, known.house.clock.at))
    monkeypatch.setattr(cli_providers, "sleep", seen)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((120, 12)))
    with pytest.raises(typer.Exit):
        cli_providers._watch(ShownSite.of(site.file, None))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "… and 22 others: `lpse-relay providers`"
    assert len(lines) == 11 and lines[1].startswith("gmail")
