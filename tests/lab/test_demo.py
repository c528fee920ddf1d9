"""What the demo reads of a log that is written meanwhile."""

from __future__ import annotations

from pathlib import Path

from relay.lab.demo import whole_lines


def test_half_a_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "relay.log"
    with file.open("a", encoding="ascii") as writing:
        writing.write("one\ntw")
        writing.flush()
        with file.open(encoding="ascii") as log:
            assert list(whole_lines(log)) == ["one\n"]
            assert list(whole_lines(log)) == []
            writing.write("o\nthree\n")
            writing.flush()
            assert list(whole_lines(log)) == ["two\n", "three\n"]
