"""Keys on disk: made whole and private, never overwritten, and secrets read with care."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from relay.config import keys, read_all
from relay.mail.dkim import DkimKeyError


def test_missing_keys_are_made_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text(
        "dkim:\n  - {domain: a.id, selector: s1, key_file: keys/a.pem}\n"
        "  - {domain: b.id, selector: s1, key_file: b.pem}\n"
    )
    keys.make(tmp_path / "b.pem", 1024)
    before = (tmp_path / "b.pem").read_bytes()
    assert keys.make_missing(file, read_all(file).settings) == [tmp_path / "keys" / "a.pem"]
    assert (tmp_path / "b.pem").read_bytes() == before
    assert stat.S_IMODE((tmp_path / "keys" / "a.pem").stat().st_mode) == 0o600
    read = read_all(file)
    found, problems = keys.load(read.main, read.settings.dkim)
    assert (sorted(found), problems) == (["a.id", "b.id"], [])


def test_a_domain_has_one_key(tmp_path: Path) -> None:
    keys.make(tmp_path / "a.pem", 1024)
    file = tmp_path / "relay.yaml"
    entry = "{domain: a.id, selector: s1, key_file: a.pem}"
    file.write_text(f"dkim:\n  - {entry}\n  - {entry}\n")
    read = read_all(file)
    _, problems = keys.load(read.main, read.settings.dkim)
    assert [str(p) for p in problems] == [f"{file}:3: dkim[1].domain: a.id stands twice"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("kept")
    with pytest.raises(FileExistsError):
        keys.make(tmp_path / "a.pem", 1024)
    assert (tmp_path / "a.pem").read_text() == "kept"


def test_nothing_is_left_of_a_key_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DkimKeyError, match=r"DKIM domain 'a\.\.id'"):
        keys.new(tmp_path / "a.pem", "a..id", "s1", 1024)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("relay.config.keys.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        keys.new(tmp_path / "a.pem", "a.id", "s1", 1024)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "content", "says"),
    [
        (0o644, b"x", "everybody may read it"),
        (0o620, b"x", "its group may write it"),
        (0o600, b"\xff", "not UTF-8"),
    ],
)
def test_a_secret_is_read_with_care(tmp_path: Path, mode: int, content: bytes, says: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(ValueError, match=says):
        keys.secret(file)


def test_the_first_line_of_a_secret_counts(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("rahasia\nnot this\n")
    file.chmod(0o640)
    assert keys.secret(file) == "rahasia"


def test_a_secret_of_somebody_else_says_how_to_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.pem"
    file.write_text("x")
    file.chmod(0o600)
    monkeypatch.setattr("relay.config.keys.os.access", lambda path, mode: False)
    how = f"chgrp lpse-relay {file}; chmod 640 {file}"
    assert list(keys.faults(file)) == [(f"{file}: Permission denied", how)]
