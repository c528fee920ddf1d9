"""`lpse-relay rehearse`: a table, JSON, a plot; and what is no model is told with the nearest."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from relay.cli import app

QUICK = ("rehearse", "--letters", "60", "--hours", "2", "--hourly", "12")
ENDS = ("taken", "waiting", "bounced", "expired", "suppressed")
LARGE = {"COLUMNS": "200"}


def test_it_says_when_the_letters_are_through_by_provider_and_class() -> None:
    result = CliRunner().invoke(app, [*QUICK, "--model", "gmail", "--seed", "7"], env=LARGE)
    assert result.exit_code == 0, result.output
    assert "gmail     all" in result.output
    assert "massal" in result.output
    assert "an example, no promise" in result.output


def test_json_adds_up_and_one_seed_says_the_same() -> None:
    asked = [*QUICK, "--json", "--seed", "3"]
    first, second = (CliRunner().invoke(app, asked) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout
    lines = json.loads(first.stdout)["lines"]
    every = [line for line in lines if line["class"] is None]
    assert {line["provider"] for line in every} >= {"gmail", "yahoo", "outlook"}
    assert sum(line["letters"] for line in every) == 60 + 2 * 12
    for line in every:
        ended = sum(line[end] for end in ENDS)
        assert (
            line["letters"] - 1 <= ended <= line["letters"] + 1
        )  # one may be taken and waited for
        assert line["curve"] == sorted(line["curve"])


def test_a_plot_has_a_row_a_provider() -> None:
    result = CliRunner().invoke(app, [*QUICK, "--model", "outlook", "--plot"])
    assert result.exit_code == 0, result.output
    assert any(line.startswith("outlook  ") and "█" in line for line in result.output.splitlines())


def test_no_model_is_told_with_the_nearest() -> None:
    result = CliRunner().invoke(app, [*QUICK, "--model", "gmial"])
    assert result.exit_code == 2
    assert "gmail" in result.stderr
    result = CliRunner().invoke(app, [*QUICK, "--variant", "steedy"])
    assert result.exit_code == 2
    assert "steady" in result.stderr
