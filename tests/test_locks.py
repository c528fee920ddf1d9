"""The lock files hold what pyproject.toml asks for, every line hashed, and nothing of a machine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())
ASKED: dict[str, list[str]] = {
    "run": PROJECT["project"]["dependencies"],
    "build": PROJECT["dependency-groups"]["build"],
    "dev": PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"],
}
LOCKS = sorted(ASKED)

PINNED = re.compile(r"([a-z0-9][a-z0-9-]*)==([0-9][\w.!+]*)( ; [^\\]+?)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
VIA = re.compile(r"    # +(via )?[\w. ():-]*")


@dataclass(frozen=True, slots=True)
class Locked:
    name: str
    version: str
    hashes: int


def name_of(requirement: str) -> str:
    """The normalised name that a requirement asks for (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def read_lock(name: str) -> list[Locked]:
    """Reads a lock; a line that is not a pin, a hash or a comment of uv's is an error."""
    locked: list[Locked] = []
    path = TOP / "requirements" / f"{name}.txt"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := PINNED.fullmatch(line):
            locked.append(Locked(found[1], found[2], 0))
        elif HASH.fullmatch(line) and locked:
            last = locked[-1]
            locked[-1] = Locked(last.name, last.version, last.hashes + 1)
        else:
            assert VIA.fullmatch(line), f"{path.name}:{number}: {line}"
    return locked


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    locked = read_lock(name)
    assert [entry.name for entry in locked if entry.hashes == 0] == []
    names = [entry.name for entry in locked]
    assert names == sorted(names)


@pytest.mark.parametrize("name", LOCKS)
def test_everything_asked_for_is_locked(name: str) -> None:
    locked = {entry.name for entry in read_lock(name)}
    assert {name_of(requirement) for requirement in ASKED[name]} - locked == set()


@pytest.mark.parametrize("name", LOCKS)
def test_nothing_of_a_machine_is_in_a_lock(name: str) -> None:
    content = (TOP / "requirements" / f"{name}.txt").read_text()
    forbidden = ("file:", "://", "--index-url", "--extra-index-url", "--find-links", "-e ", " @ ")
    assert [word for word in forbidden if word in content] == []
    assert re.findall(r"(?<!\w)/\w+", content) == []


def test_locks_agree_on_versions() -> None:
    versions: dict[str, set[str]] = {}
    for name in LOCKS:
        for entry in read_lock(name):
            versions.setdefault(entry.name, set()).add(entry.version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_what_is_tested_is_what_runs() -> None:
    assert set(read_lock("run")) - set(read_lock("dev")) == set()


def test_refuses_a_bad_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "TOP", tmp_path)
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "run.txt"
    for line in ("rich>=13", "rich @ file:///srv/rich.whl", "-e .", "    # via -r /srv/run.in"):
        lock.write_text(f"{line}\n")
        with pytest.raises(AssertionError, match=r"run\.txt:1"):
            read_lock("run")
