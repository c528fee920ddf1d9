"""`providers`, `pause`, `resume`: the fixed shape, who may be named, what is refused."""

from __future__ import annotations

import pytest

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
