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
    found, again = (json.loads(result.stdout) for result in (first, second))
    assert found | {"at": ""} == again | {"at": ""}
    lines = found["lines"]
    every = [line for line in lines if line["class"] is None]
    assert {line["provider"] for line in every} >= {"gmail", "yahoo", "outlook"}
    assert sum(line["letters"] for line in every) == 60 + 2 * 12
    for line in every:
        ended = sum(line[end] for end in ENDS)
        assert (
            line["letters"] - 1 <= ended <= line["letters"] + 1
        )  # one may be taken and waited for
        assert line["curve"] == sorted(line["curve"])


def test_json_has_the_fixed_shape_of_all_tables() -> None:
    """{machine, at, rows: [{case, side, metric, median, ratios}]}; without what there is not."""
    result = CliRunner().invoke(app, [*QUICK, "--json", "--model", "gmail"])
    found = json.loads(result.stdout)
    assert found["machine"] and found["at"].endswith("Z")
    shapes = {tuple(row) for row in found["rows"]}
    assert shapes == {("case", "side", "metric", "median", "ratios")}
    taken = {row["case"]: row["median"] for row in found["rows"] if row["metric"] == "taken"}
    assert taken["gmail"] == sum(n for case, n in taken.items() if case != "gmail")
    assert {row["side"] for row in found["rows"]} == {"ours"}
    assert all(row["median"] is not None for row in found["rows"])


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
