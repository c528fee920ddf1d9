"""The key of the inbox links: made once, for nobody else to read, and never silently replaced."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from relay.service.secrets import KEY_SIZE, link_key
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
