"""A missing peer skips its tests loudly, and fails them in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.roots import CHECKOUT

TESTS = """
import pytest

@pytest.mark.peer("clients")
def test_one(): pass

@pytest.mark.peer("clients")
def test_other(): pass

@pytest.mark.peer("postfix")
def test_third(): pass

def test_free(): pass
"""


def run_pytest(
    directory: Path, tests: str, *options: str, ci: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs pytest on a file of its own, with no peer fetched."""
    (directory / "test_it.py").write_text(tests)
    (directory / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.peers.plugin", *options, str(directory)],
        env=os.environ
        | {"PYTHONPATH": str(CHECKOUT), "LPSE_PEERS": str(directory / "none"), "CI": ci},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_says_in_the_end_what_is_missing(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run_pytest(tmp_path, TESTS, *options)
    assert done.returncode == 0, done.stdout
    assert "PEERS MISSING" in done.stdout
    assert "2 tests skipped for want of clients" in done.stdout
    assert "1 test skipped for want of postfix" in done.stdout
    assert "libmail-java" in done.stdout
    assert "1 passed, 3 skipped" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could fetch them")
def test_fails_in_ci(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, TESTS, ci="true")
    assert done.returncode == 1
    assert "1 passed, 3 errors" in done.stdout
    assert "peer missing: postfix" in done.stdout


def test_refuses_an_unknown_peer(tmp_path: Path) -> None:
    tests = 'import pytest\n\n@pytest.mark.peer("sendmail")\ndef test_it(): pass\n'
    done = run_pytest(tmp_path, tests)
    assert done.returncode != 0
    assert "no such peer: sendmail" in done.stdout + done.stderr


def test_is_quiet_where_nothing_is_missing(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "def test_free(): pass\n")
    assert done.returncode == 0
    assert "PEERS" not in done.stdout
