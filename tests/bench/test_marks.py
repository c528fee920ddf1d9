"""The marks: one table, judged from what is kept, and README's table of it is the generated one."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bench import keeping, marks, shown
from tests.bench.marks import BEGIN, END, ROWS, Mark

KEPT: dict[str, Any] = {
    "million": {"own": {"letters": 1_000_000, "peak_mb": 251.0, "lag_ms": 60.0, "still_ms": 55.0}},
    "spread": {"spread": {"letters": 9, "domains": 3, "warm_s_ratio": 1.3, "cold_s_ratio": 2.1}},
    "destinations": {"limited": {"letters": 0, "cpu_percent": 0.5, "grown_mb": 19.0}},
    "soak": {
        "soak": {
            "before": {"mb": 90.0},
            "after": {"mb": 91.0},
            "accepted": 7,
            "stall_ms": 12.0,
            "faults": {},
            "grown": {},
        }
    },
}
SETTING: dict[str, Any] = {
    "commit": "abc",
    "machine": {
        **{"cpu": "x", "cores": 2, "memory_gb": 1, "kernel": "6", "python": "3"},
        **{"filesystem": "ext4", "fsync_ms": 0.1, "load": 0.5},
    },
}


def kept(folder: Path) -> None:
    for bench, parts in KEPT.items():
        keeping.keep(folder / f"{bench}.json", parts, SETTING)


def test_a_mark_stands_once_and_has_its_bound() -> None:
    keys = [mark.key for row in ROWS for mark in row.marks]
    assert len(keys) == len(set(keys))
    least = Mark("b", "c", "f", 4.0, is_least=True)
    assert (least.bounded, least.is_met(4.0), least.is_met(3.9)) == ("≥ 4 ×", True, False)
    most = Mark("b", "c", "f", 0.5, "ms")
    assert (most.bounded, most.is_met(0.5), most.is_met(0.6)) == ("≤ 0.5 ms", True, False)


def test_the_table_is_made_from_what_is_kept(tmp_path: Path) -> None:
    assert marks.gathered(tmp_path) == {}
    kept(tmp_path)
    table = marks.markdown(marks.gathered(tmp_path))
    lines = {line.split(" | ")[0].strip("| "): line for line in table.splitlines()}
    assert (
        "own: 251 MB, **missed**; shared: not measured"
        in lines["1,000,000 queued: resident memory"]
    )
    assert lines["restart with 1,000,000 queued to the first delivery"].endswith("| not measured |")
    (spread,) = (line for what, line in lines.items() if what.startswith("100,000 letters"))
    assert "warm: 1.30 ×, met; cold: 2.10 ×, **missed**" in spread
    stalls = lines["longest stall of the loop under any of these"]
    assert "million own: 60.0 ms (only sleeping: 55), **missed**" in stalls
    assert "soak: 12.0 ms, met" in stalls


def test_the_exit_code_says_whether_a_mark_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert marks.main(["--results", str(tmp_path)]) == 0
    kept(tmp_path)
    found = marks.gathered(tmp_path)
    codes = {bench: marks.code(found, bench) for bench in KEPT}
    assert codes == {"million": 1, "spread": 1, "destinations": 0, "soak": 0}
    assert marks.main(["--results", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "spread spread, cold_s_ratio: 2.10 × · ≤ 2 × · MISSED\n" in said
    assert "destinations limited, cpu_percent: 0.50 % · ≤ 2 % · met\n" in said
    (tmp_path / "soak.json").write_text("{}")
    assert marks.main(["--results", str(tmp_path)]) == 2
    assert "soak.json is no file of this bench" in capsys.readouterr().err


def test_readme_has_the_generated_table(tmp_path: Path) -> None:
    assert marks.main(["--check"]) == 0
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}| old |{END}\nafter\n")
    asked = ["--results", str(tmp_path), "--readme", str(readme)]
    assert marks.main([*asked, "--check"]) == 1
    assert marks.main([*asked, "--write"]) == 0
    assert marks.main([*asked, "--check"]) == 0
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "| old |" not in text
    readme.write_text("no place\n")
    assert marks.main([*asked, "--write"]) == 2


def test_each_part_is_replaced_by_itself_and_says_when_it_was_played(tmp_path: Path) -> None:
    file = tmp_path / "million.json"
    keeping.keep(file, {"own": {"a": 1}, "shared": {"a": 2}}, SETTING)
    parts = keeping.keep(file, {"own": {"a": 3}}, SETTING | {"commit": "def"})
    assert parts == keeping.read(file)
    assert {name: part["figures"]["a"] for name, part in parts.items()} == {"own": 3, "shared": 2}
    said = keeping.captions(parts)
    assert "own: " in said and ", def; " in said and "shared: " in said and ", abc; " in said
    assert keeping.captions({"shared": parts["shared"]}) == keeping.caption(parts["shared"])
    (tmp_path / "other.json").write_text('{"runs": []}')
    with pytest.raises(keeping.NoResults, match=r"other\.json is no file of this bench"):
        keeping.read(tmp_path / "other.json")


def test_each_bench_has_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path)
    for bench, code in {"million": 1, "spread": 1, "destinations": 0, "soak": 0}.items():
        parts = keeping.read(tmp_path / f"{bench}.json")
        assert shown.finished(bench, parts, is_markdown=True) == code
    said = capsys.readouterr().out
    assert "| 1,000,000 letters | a body each | mark |\n" in said
    assert "| memory (PSS), at most | 251 MB: **missed** | ≤ 250 MB |" in said
    assert "| cold, against one destination: time | 2.10 ×: **missed** | ≤ 2 × |" in said
    assert "| their limit is spent (0 letters left) | 0.50 %: met | 19.0 MB: met |" in said
    assert "| mb | 90.0 | 91.0 |" in said and "| faults |  | none |" in said


def test_a_small_run_goes_to_a_file_of_its_own() -> None:
    asked = argparse.Namespace(to=None)
    assert keeping.place(asked, "spread", True).name == "spread.json"
    assert keeping.place(asked, "spread", False).name == "spread-quick.json"
    assert keeping.place(argparse.Namespace(to=Path("x.json")), "spread", True) == Path("x.json")


def test_a_commit_is_the_last_one_that_changed_what_is_measured(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        given = ("git", "-c", "user.name=x", "-c", "user.email=x@example.net", *words)
        done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def kept(name: str, text: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        git("add", name)
        git("commit", "-q", "-m", "x")
        return git("log", "-1", "--format=%h")

    git("init", "-q")
    last = kept("relay/a.py", "1")
    kept("README.md", "table")
    results = "tests/bench/results/beside.json"
    kept(results, "{}")
    kept("tests/bench/test_a.py", "1")
    assert keeping.commit(tmp_path) == last
    (tmp_path / results).write_text("{1}")
    assert keeping.commit(tmp_path) == last
    (tmp_path / "relay/a.py").write_text("2")
    assert keeping.commit(tmp_path) == f"{last}-dirty"
    assert keeping.commit(tmp_path.parent) == ""
