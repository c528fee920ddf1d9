"""A state directory's keys: made once, for nobody else to read, and never silently replaced."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.service.secrets import KEY_SIZE, link_key, return_keys
from relay.store.base import StoreError


def test_the_key_is_made_once(tmp_path: Path) -> None:
    key = link_key(tmp_path)
    file = tmp_path / "keys" / "link.key"
    assert len(key) == KEY_SIZE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert link_key(tmp_path) == key


def test_a_short_key_is_an_error_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "link.key"
    file.parent.mkdir()
    file.write_bytes(b"short")
    with pytest.raises(StoreError, match=r"link\.key: a key of 5 octets, not 32"):
        link_key(tmp_path)
    assert file.read_bytes() == b"short"


@pytest.mark.parametrize("make", [link_key, return_keys])
def test_a_key_that_could_not_be_written_is_made_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    def full(handle: int) -> None:
        os.ftruncate(handle, 0)  # what a full disk leaves
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            make(tmp_path)
    made = make(tmp_path)
    assert make(tmp_path) == made
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_the_return_key_is_made_once_and_may_be_changed(tmp_path: Path) -> None:
    (key,) = return_keys(tmp_path)
    file = tmp_path / "keys" / "return.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert return_keys(tmp_path) == [key]
    file.write_text(f"{'ab' * 32}\n\n {key.hex()}\n")
    assert return_keys(tmp_path) == [b"\xab" * 32, key]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"return\.key: 0 keys, not 1 to 10"),
        ("no hex at all\n", r"return\.key:1: not a line of hexadecimal digits"),
        (f"{'ab' * 32}\nabcd\n", r"return\.key:2: a key of 2 octets, not 32"),
        (f"{'ab' * 32}\n" * 11, r"return\.key: 11 keys, not 1 to 10"),
    ],
)
def test_a_bad_return_key_is_named_and_stays(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "keys" / "return.key"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(StoreError, match=says):
        return_keys(tmp_path)
    assert file.read_text() == text
