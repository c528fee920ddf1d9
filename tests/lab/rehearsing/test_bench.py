"""The benchmark's own reckoning: what fails it, who is better than whom, and files that merge."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.lab.rehearsing.baselines import BASELINES
from relay.lab.rehearsing.cases import Case
from relay.lab.rehearsing.marks import Kind
from relay.lab.rehearsing.sides import OURS
from relay.lab.rehearsing.wrong import SNAPS_BACK
from tests.bench import tables
from tests.bench.lines import Line, Mixed, deciding, merged, read, sense, write
from tests.bench.rows import rows, unfailed
from tests.bench.shaping import judgement, main, options, play, wanted

GOOD = Line(
    *(OURS.name, "gmail", "steady", 1, 6000, 200, 48, Kind.SHORT, False, 0.9, 0.95, 6000, 3),
    *((1, 0), 0, 0, 0, 5700, 0, (), 1.0),
)
OTHER = replace(GOOD, side=BASELINES[0].name, speed=0.5)


def _draws(line: Line, count: int = 10) -> list[Line]:
    return [replace(line, seed=seed) for seed in range(count)]


def test_a_row_that_meets_its_mark_and_is_the_fastest() -> None:
    (row,) = rows([*_draws(GOOD), *_draws(OTHER)])
    ours = row.cell(OURS.name)
    assert ours is not None
    assert (ours.state, ours.draws, ours.speed, ours.blocks) == ("met", 10, 0.9, 1)
    assert row.is_best and row.against == ()
    assert judgement([row]) == []
    assert "| yes |" in tables.markdown([row])[2]


def test_a_row_that_no_baseline_has_played_is_not_compared() -> None:
    elsewhere = [replace(OTHER, seed=seed, speed=0.95) for seed in range(10, 20)]
    for played in (_draws(GOOD), [*_draws(GOOD), *elsewhere], _draws(OTHER)):
        (row,) = rows(played)
        assert (row.is_best, row.against) == (None, ())
        assert judgement([row]) == []
        (shape,) = tables.shapes([row])
        assert shape["is_best"] is None
    assert "| – |" in tables.markdown(rows([*_draws(GOOD), *elsewhere]))[2]
    assert "best: –" in tables.text(rows([*_draws(GOOD), *elsewhere]))[-1]


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({"speed": 0.7}, "G 0.70 < 0.75"),
        ({"later": 0.8}, "G later 0.80 < 0.85"),
        ({"faults": ("2 letters lost",)}, "2 letters lost (and the like: 10 of 10 draws)"),
    ],
)
def test_a_missed_mark_fails_it(worse: dict[str, Any], said: str) -> None:
    found = rows(_draws(replace(GOOD, **worse)))
    assert judgement(found) == [f"ours misses in gmail steady (c): {said}"]
    assert found[0].cells[0].state == "missed"


def test_the_tenth_percentile_counts_and_a_short_run_has_no_mark_on_its_speed() -> None:
    slow = [replace(line, speed=0.5) for line in _draws(GOOD)[:2]]
    assert judgement(rows(merged([_draws(GOOD), slow])))[0].endswith("G p10 0.50 < 0.60")
    short = _draws(replace(GOOD, is_short=True, speed=0.1))
    assert judgement(rows(short)) == []
    assert rows(short)[0].cells[0].state == "short"


def test_a_faster_baseline_fails_it_unless_its_speed_costs_letters_or_blocks() -> None:
    def against(**how: Any) -> tuple[bool, str]:
        (row,) = rows([*_draws(GOOD), *_draws(replace(OTHER, speed=0.95, **how))])
        ((is_explained, told),) = row.against
        assert (judgement([row]) == []) is is_explained
        return is_explained, told

    assert against() == (False, "fixed: G 0.95")
    assert against(wrong=3) == (True, "fixed: G 0.95, but 30 more bounced wrongly")
    assert against(lost=1)[0]
    over = against(faults=("a limit was exceeded by 71",))
    assert over == (True, "fixed: G 0.95, but it does not keep to the configured limit")
    assert against(blocks=(4, 1)) == (True, "fixed: G 0.95, but 5 blocks a draw, not 1")


def test_a_wrong_shaper_that_passes_everything_fails_it() -> None:
    wrong = replace(GOOD, side=SNAPS_BACK.name)
    assert unfailed(rows(_draws(wrong))) == [SNAPS_BACK.name]
    failing = replace(wrong, variant="fall", faults=("4 letters lost",))
    assert unfailed(rows([*_draws(wrong), failing])) == []


def test_files_of_several_draws_merge_and_those_of_other_code_do_not(tmp_path: Path) -> None:
    first, second, both = (tmp_path / f"{name}.json" for name in ("a", "b", "both"))
    write(first, "one", _draws(GOOD, 4), {})
    write(second, "one", [replace(GOOD, seed=n) for n in range(3, 9)], {})
    arguments = ["--merge", str(first), str(second), "--to", str(both)]
    assert main([*arguments, "--plot", str(tmp_path / "plot.svg")]) == 0
    assert read(both) == ("one", _draws(GOOD, 9))
    assert "the red line is the mark" in (tmp_path / "plot.svg").read_text()
    write(second, "two", _draws(GOOD), {})
    assert main(arguments) == 2
    assert main([*arguments, "--mixed"]) == 0
    with pytest.raises(Mixed, match=r"b\.json was played by other code \(two, not one\)"):
        read(second, "one")
    second.write_text("{}")
    with pytest.raises(ValueError, match=r"b\.json is no file of bench-shaping: KeyError"):
        read(second)


def test_it_goes_on_where_it_stopped() -> None:
    asked = options(["--draws", "2", "--models", "gmail", "--variants", "steady"])
    done = [replace(OTHER, seed=0), replace(GOOD, seed=0)]
    work = list(wanted(asked, done))
    assert [case.seed for case, _ in work] == [0, 1]
    assert OURS.name not in work[0][1] and OURS.name in work[1][1]


def test_the_row_of_a_warm_up_is_one_models_and_can_be_asked_for_alone() -> None:
    def rows_of(*arguments: str) -> list[tuple[str, str]]:
        asked = options(["--draws", "1", *arguments])
        return [(case.model, case.variant) for case, _ in wanted(asked, [])]

    assert ("gmail", "warm-up") in rows_of() and len(rows_of()) == 6 * 4 + 1
    assert rows_of("--variants", "warm-up") == [("gmail", "warm-up")]
    with pytest.raises(SystemExit):
        rows_of("--variants", "warm-up", "--models", "yahoo")


def test_a_warm_up_is_a_row_of_the_table_and_of_the_json() -> None:
    line = replace(GOOD, variant="warm-up", kind=Kind.WARMING, throttled=0, blocks=(0,), speed=1.0)
    found = rows(_draws(line))
    assert judgement(found) == []
    assert tables.text(found)[1].startswith("gmail warm-up (w)")
    assert tables.markdown(found)[2].startswith("| gmail warm-up (w) | 0.95 |")
    assert tables.shapes(found)[0]["case"] == "gmail warm-up (w)"
    slow = rows(_draws(replace(line, speed=0.9)))
    assert judgement(slow) == ["ours misses in gmail warm-up (w): G 0.90 < 0.95"]


def test_a_small_draw_is_played_and_written_down() -> None:
    case = Case("yahoo", "steady", 1, 60, 12, 3)
    (line,) = play((case, (OURS.name,)))
    assert (line.side, line.model, line.lost, line.wrong) == (OURS.name, "yahoo", 0, 0)
    assert line.tried >= line.delivered > 0
    assert play((case, (OURS.name,)))[0].speed == line.speed


def test_a_digest_is_of_what_a_draw_loads_and_of_its_sense() -> None:
    """What a draw does must be in it, and a word in a comment must not: 4,800 draws are played in
    several nights."""
    there = deciding()
    assert {"relay.shaping.shaper", "relay.lab.rehearsing.world", "relay.store.memory"} <= {*there}
    assert not {"relay.store.sqlite", "relay.ingress.protocol", "relay.cli"} & {*there}
    play_it = (
        "import sys; from tests.bench.shaping import Case, play;"
        "play((Case('small', 'steady', 0, 60, 10, 3), ('ours',)));"
        "print(*(n for n in sys.modules if n == 'relay' or n.startswith('relay.')))"
    )
    asked = [sys.executable, "-c", play_it]
    loaded = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert {*loaded} == {*there}
    plain = "def f(x: int) -> int:\n    return x\n"
    told = 'def f(x: int) -> int:\n    """It."""\n    return x  # at once\n'
    assert sense(plain) == sense(told) != sense(plain.replace("return x", "return 1"))
