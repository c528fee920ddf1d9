"""Secrets of a state directory: keys for inbox links and return addresses, made once, 0600."""

from __future__ import annotations

import binascii
import os
import secrets
from pathlib import Path
from typing import Final

from relay.store.base import StoreError

KEY_SIZE: Final = 32
MOST_KEYS: Final = 10


def link_key(state_dir: Path) -> bytes:
    """The key in `keys/link.key`, made where it is missing. Raises OSError, StoreError."""
    path = state_dir / "keys" / "link.key"
    key = secrets.token_bytes(KEY_SIZE)
    if _made(path, key):
        return key
    key = path.read_bytes()
    if len(key) < KEY_SIZE:
        raise StoreError(f"{path}: a key of {len(key)} octets, not {KEY_SIZE}") from None
    return key


def return_keys(state_dir: Path) -> list[bytes]:
    """The keys in `keys/return.key`, a line of 64 hexadecimal digits each, made where it is
    missing. The first signs, all verify: a new one is put on top, and the old one taken away when
    nothing that it signed is valid any more (30 days). Raises OSError, StoreError with the line.
    """
    path = state_dir / "keys" / "return.key"
    key = secrets.token_bytes(KEY_SIZE)
    if _made(path, key.hex().encode() + b"\n"):
        return [key]
    lines = path.read_bytes().split(b"\n")
    found = [_of_hex(path, n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
    if not 1 <= len(found) <= MOST_KEYS:
        raise StoreError(f"{path}: {len(found)} keys, not 1 to {MOST_KEYS}")
    return found


def _of_hex(path: Path, number: int, line: bytes) -> bytes:
    try:
        key = binascii.unhexlify(line)
    except binascii.Error:
        raise StoreError(f"{path}:{number}: not a line of hexadecimal digits") from None
    if len(key) < KEY_SIZE:
        raise StoreError(f"{path}:{number}: a key of {len(key)} octets, not {KEY_SIZE}")
    return key


def _made(path: Path, octets: bytes) -> bool:
    """True where the file was missing and holds these octets now, on stable storage. Whole or not
    at all: half a key, after a crash or on a full disk, would stop every later start."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return False
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as writing:  # noqa: PTH123 - a file handle
            writing.write(octets)
            writing.flush()
            os.fsync(handle)
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
