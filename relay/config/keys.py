"""DKIM keys on disk: made with mode 0600, checked for whom may read them, loaded once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.config.settings import RelaySettings
from relay.config.written import Written
from relay.filters.settings import DkimSettings
from relay.mail.dkim import DkimKeyError, DkimNameError, Key, load_key, published_domain
from relay.strict_yaml import Problem

BITS: Final = 2048  # Google advises it; verifiers must bear up to 2048 (RFC 8301)


def generate(bits: int = BITS) -> bytes:
    """A new RSA key as PKCS #8 PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def make(file: Path, bits: int = BITS) -> None:
    """Write a new key, mode 0600. Raises OSError, FileExistsError too."""
    _write(file, generate(bits))


def new(file: Path, domain: str, selector: str, bits: int = BITS) -> Key:
    """Make a key for a domain; nothing is written where the names or the size cannot be.

    Raises DkimKeyError, OSError, FileExistsError.
    """
    pem = generate(bits)
    key = load_key(pem, domain, selector)
    _write(file, pem)
    return key


def _write(file: Path, pem: bytes) -> None:
    """Whole, or not at all; its folder is made, but none above: a misspelt path is no wish."""
    try:
        file.parent.mkdir(exist_ok=True)
    except FileNotFoundError:
        folder = file.parent.parent
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(folder)) from None
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as writing:  # noqa: PTH123 - a file handle
            writing.write(pem)
            writing.flush()
            os.fsync(handle)
    except OSError:
        file.unlink()
        raise


def make_missing(file: Path, settings: RelaySettings) -> list[Path]:
    """Make each key that the configuration names and that is not there; returns which."""
    made = []
    for entry in settings.dkim:
        path = file.parent / entry.key_file
        if not path.exists():
            make(path)
            made.append(path)
    return made


def load(main: Written, entries: Iterable[DkimSettings]) -> tuple[dict[str, Key], list[Problem]]:
    """The keys by From domain, and what is wrong with the others."""
    keys: dict[str, Key] = {}
    problems: list[Problem] = []
    for n, entry in enumerate(entries):
        at = ("dkim", n, "key_file")
        path = main.file.parent / entry.key_file
        if entry.domain in keys:
            problems.append(main.problem(("dkim", n, "domain"), f"{entry.domain} stands twice"))
            continue
        try:
            published_domain(entry.domain, entry.selector)
        except DkimNameError as error:
            problems.append(main.problem(("dkim", n, error.part), str(error)))
            continue
        try:
            found = list(faults(path))
            make = f"lpse-relay keys new {entry.domain} --selector {entry.selector} --out {path}"
            problems += (main.problem(at, fault, hint or make) for fault, hint in found)
            if not found:
                keys[entry.domain] = load_key(path.read_bytes(), entry.domain, entry.selector)
        except OSError as error:
            problems.append(main.problem(at, f"{path}: {error.strerror}"))
        except DkimKeyError as error:
            problems.append(main.problem(at, f"{path}: {error}"))
    return keys, problems


def faults(path: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with a secret's file, each with what to do."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        yield f"{path}: no such file", ""
        return
    except OSError as error:
        is_denied = isinstance(error, PermissionError)
        yield f"{path}: {error.strerror}", _ours(path) if is_denied else ""
        return
    if not stat.S_ISREG(mode):
        yield f"{path}: not a file", ""
    elif mode & 0o007:
        yield f"{path}: everybody may read it (mode {stat.S_IMODE(mode):o})", f"chmod 640 {path}"
    elif mode & 0o020:
        yield f"{path}: its group may write it (mode {stat.S_IMODE(mode):o})", f"chmod 640 {path}"
    elif not os.access(path, os.R_OK):
        yield f"{path}: Permission denied", _ours(path)


def _ours(path: Path) -> str:
    """How a secret is given to the relay's user and to nobody else."""
    return f"chgrp lpse-relay {path}; chmod 640 {path}"


def secret(path: Path) -> str:
    """The first line of a secret's file. Raises ValueError with what is wrong with it."""
    for fault, hint in faults(path):
        raise ValueError(f"{fault} ({hint})" if hint else fault)
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8") from None
