"""What reaches a terminal: no foreign octet that means something, columns that stand."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from subprocess import run as run_program

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.cli import HOMES, terminal
from relay.cli.moments import local
from tests.cli.house import Site, run, running


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Pengumuman – Ω 漢", "Pengumuman – Ω 漢"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\x1b]8;;http://x\x07", "\\x1b]8;;http://x\\x07"),
        ("\u202e\u2066\u200f\ufeff", "\\u202e\\u2066\\u200f\\ufeff"),
        ("\x85\x9b\xa0", "\\x85\\x9b\\xa0"),
        ("\udcff\ue000\u2028", "\\udcff\\ue000\\u2028"),
        ("[red]x[/red] :smile:", "[red]x[/red] :smile:"),
        (None, "None"),
    ],
)
def test_foreign_text(text: object, shown: str) -> None:
    assert terminal.safe(text) == shown


@given(st.text(st.characters()))
def test_nothing_that_means_something_passes(text: str) -> None:
    shown = terminal.safe(text)
    assert shown.isprintable()
    shown.encode()  # and nothing that cannot be written


def test_columns_stand_under_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table(["a", "b", "c"], [["漢字", 1, None], ["e\u0301", "xx", "end"]])
    assert capsys.readouterr().out == "a     b   c\n漢字  1\ne\u0301     xx  end\n"


def test_a_screen_gets_shortened_cells_and_a_pipe_all_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.table(["a", "b"], [["x" * 100, "y" * 100]])
    assert f"{'x' * 100}  {'y' * 100}" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    terminal.table(["a", "why"], [["x" * 100, "y" * 100], ["x", "漢" * 100]])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == f"{'x' * (terminal.WIDEST - 1)}…  {'y' * 29}…"
    assert second == f"x{' ' * (terminal.WIDEST + 1)}{'漢' * 14}…"
    terminal.table(["subject", "state", "why"], [["s" * 100, "held", "y" * 100]])
    line = capsys.readouterr().out.splitlines()[1]
    assert (len(line), line[-13:]) == (80, f" {'y' * 11}…")
    terminal.table(["a", "why"], [["x", "short"]])
    assert capsys.readouterr().out.splitlines()[1] == "x  short"


def test_a_terminal_of_another_encoding_is_written_to(site: Site) -> None:
    letter = site.put("a@x.id", subject="Ω – é")
    assert letter
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = run_program(
        [sys.executable, "-m", "relay", "queue", "ls", "--config", str(site.file)],
        capture_output=True,
        env=environment,
        check=True,
    )
    assert b"\\u03a9 \\u2013 \xe9" in done.stdout


@pytest.mark.parametrize("word", ["--help", "queue", "keys"])
def test_help_is_plain(word: str) -> None:
    answer = run(word)
    assert "Usage: lpse-relay" in answer.out + answer.err
    assert not {"\x1b", "╭"} & set(answer.out + answer.err)


def test_version() -> None:
    answer = run("--version")
    assert answer.code == 0
    assert answer.out.startswith("lpse-relay 0.")


@pytest.mark.parametrize("words", [("quue",), ("--verson",), ()])
def test_bad_usage_of_the_program(words: tuple[str, ...]) -> None:
    assert run(*words).code == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("queue", "ls", "--config", "gone"), 2, "gone: no such file"),
        (("queue", "ls", "--limit", "0"), 2, "Invalid value for '--limit'"),
        (("queue", "ls", "--nothing"), 2, "No such option"),
        (("classify", ""), 2, "classify: nothing to classify"),
        (("keys", "check", "--config", "gone"), 2, "gone: no such file"),
    ],
)
def test_an_error_is_an_object_where_json_is_wanted(
    words: tuple[str, ...], code: int, says: str
) -> None:
    plain = run(*words)
    assert (plain.code, plain.out) == (code, "")
    answer = run(*words, "--json")
    assert (answer.code, answer.err) == (code, plain.err)
    assert list(answer.json) == ["error"]
    assert says in answer.json["error"]
    assert says in answer.err


def test_asking_a_relay_loads_neither_the_road_nor_the_store(tmp_path: Path) -> None:
    """So that it answers in a fraction of a second, however much the relay itself is made of."""
    site = Site(tmp_path)
    words = (sys.executable, "-X", "importtime", "-m", "relay", "queue", "ls", "--json")
    with running(site):
        done = run_program(
            [*words, "--config", str(site.file)], capture_output=True, check=True, text=True
        )
    assert json.loads(done.stdout)["total"] == 0
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    heavy = {
        "asyncio",
        "pydantic",
        "sqlite3",
        "cryptography",
        "starlette",
        "aiosmtpd",
        "dns",
        "re2",
    }
    assert loaded & (heavy | {"rich", "typer"}) == {"typer"}


def test_every_command_is_listed_and_has_a_help() -> None:
    listed = run("--help").out
    for name in HOMES:
        assert f"\n  {name} " in listed
        assert run(name, "--help").code == 0


def test_what_a_command_may_have_been_is_suggested() -> None:
    assert "Did you mean 'queue'?" in run("quue").err


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("", "2011-10-04 14:11:09 WIB"),
        ("inbox: {zone: WIT}\n", "2011-10-04 16:11:09 WIT"),
        ("inbox: {zone: X}\n", "2011-10-04 14:11:09 WIB"),
        ("a: [", "2011-10-04 14:11:09 WIB"),
    ],
)
def test_people_read_their_own_time(tmp_path: Path, zone: str, said: str) -> None:
    (tmp_path / "relay.yaml").write_text(zone)
    shown = local(tmp_path / "relay.yaml")
    assert shown("2011-10-04T07:11:09.123Z") == said
    assert (shown(None), shown(""), shown("soon")) == (None, "", "soon")
