"""Files: packed, damaged, on standard input, followed through rotations."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.reports.logfiles import BLOCK, MAX_LINE, LogFile, LogFileError

LINES = [f"line {n}".encode() for n in range(1000)]
TEXT = b"\n".join(LINES) + b"\n"


def lines_of(path: Path) -> list[bytes]:
    return [line for block in LogFile(str(path)).blocks() for line in block.lines]


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lzma.compress, bz2.compress, lambda b: gzip.compress(b) * 1]
)
@pytest.mark.parametrize("name", ["mail.log", "mail.log.1.gz"])
def test_what_is_packed_is_told_by_its_octets(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(TEXT))
    assert lines_of(path) == LINES


def test_a_last_line_without_a_newline_counts(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"one\ntwo")
    assert lines_of(path) == [b"one", b"two"]
    path.write_bytes(b"")
    assert lines_of(path) == []


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_what_was_read_before_the_damage_is_given(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "mail.log.gz"
    noise = b"".join(os.urandom(60).hex().encode() + b"\n" for _ in range(20_000))
    packed = pack(noise)
    path.write_bytes(packed[: len(packed) // 2])
    got: list[bytes] = []
    with pytest.raises(LogFileError, match=r"cut|cannot be read on"):
        for block in LogFile(str(path)).blocks():
            got += block.lines
    assert got == noise.split(b"\n")[: len(got)]
    assert got or pack is not gzip.compress


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    for name, told in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        assert not LogFile(str(name)).is_at_rest
        with pytest.raises(LogFileError, match=told):
            lines_of(name)
    packed = tmp_path / "mail.log.zst"
    packed.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 20)
    with pytest.raises(LogFileError, match="zstdcat"):
        lines_of(packed)


def test_a_line_that_never_ends_is_cut_and_named(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"one\n" + b"x" * (3 * BLOCK) + b"\ntwo\n")
    blocks = list(LogFile(str(path)).blocks())
    assert [line[:3] for b in blocks for line in b.lines] == [b"one", b"xxx", b"two"]
    assert all(len(line) <= MAX_LINE for b in blocks for line in b.lines)
    assert sum(len(b.too_long) for b in blocks) == 1


class Steps:
    """What happens to a file each time that nothing new is there."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def __call__(self) -> bool:
        if not self.steps:
            return False
        self.steps.pop(0)()
        return True


def followed(path: Path, *steps: Callable[[], object]) -> list[bytes]:
    blocks = LogFile(str(path)).followed(Steps(*steps))
    return [line for block in blocks for line in block.lines]


def append(path: Path, text: bytes) -> Callable[[], object]:
    def run() -> None:
        with path.open("ab") as file:
            file.write(text)

    return run


def test_following_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"one\ntw")
    assert followed(path, append(path, b"o\nthr"), append(path, b"ee\n")) == [
        b"one",
        b"two",
        b"three",
    ]


def test_following_goes_through_a_rotation(tmp_path: Path) -> None:
    path, old = tmp_path / "mail.log", tmp_path / "mail.log.1"
    path.write_bytes(b"one\n")
    steps = [
        lambda: path.rename(old),
        append(old, b"two\n"),  # a daemon that has not heard yet
        lambda: (append(old, b"three")(), path.write_bytes(b"four\n")),
        append(path, b"five\n"),
    ]
    assert followed(path, *steps) == [b"one", b"two", b"three", b"four", b"five"]


def test_following_reads_a_file_anew_that_became_shorter(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"one\ntwo\n")
    assert followed(path, lambda: os.truncate(path, 0), append(path, b"three\n")) == [
        b"one",
        b"two",
        b"three",
    ]
