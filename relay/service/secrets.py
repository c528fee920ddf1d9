"""Secrets of a state directory: the key that signs inbox links, made once, mode 0600."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from relay.store.base import StoreError

KEY_SIZE: Final = 32


def link_key(state_dir: Path) -> bytes:
    """The key in `keys/link.key`, made where it is missing. Raises OSError, StoreError."""
    path = state_dir / "keys" / "link.key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) < KEY_SIZE:
            raise StoreError(f"{path}: a key of {len(key)} octets, not {KEY_SIZE}") from None
        return key
    key = secrets.token_bytes(KEY_SIZE)
    with open(handle, "wb") as writing:  # noqa: PTH123 - a file handle
        writing.write(key)
        writing.flush()
        os.fsync(handle)
    return key
