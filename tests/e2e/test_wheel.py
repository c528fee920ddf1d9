"""The wheel in a clean venv, run from `/`: rules, profiles, SQL and pages are inside it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheel")  # it is built once
ROOT = Path(__file__).parent.parent.parent
NOTICE = (
    "550-5.7.1 [192.0.2.1 1] Our system has detected an unusual rate of "
    "550 5.7.1 unsolicited mail originating from your IP address. - gsmtp"
)


@dataclass(frozen=True, slots=True)
class Installed:
    """The venv's program."""

    folder: Path
    wheel: Path

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """`lpse-relay …` from `/`, with an environment of its own."""
        return self._run([str(self.folder / "bin" / "lpse-relay"), *words], typed)

    def python(self, code: str) -> str:
        """What a program of its interpreter prints."""
        done = self._run([str(self.folder / "bin" / "python"), "-c", code])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, command: Sequence[str], typed: str = "") -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return subprocess.run(
            command,
            cwd="/",
            env=kept,
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a venv; the locked dependencies are lent by the venv that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    place = folder / "venv"
    venv.create(place, symlinks=True, with_pip=False)
    python = place / "bin" / "python"
    lent = sysconfig.get_path("purelib")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index"]
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True, capture_output=True, timeout=120)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")  # a plain path: its own .pth files are not read
    return Installed(place, wheel)


def test_it_is_the_wheel_that_runs(installed: Installed) -> None:
    where = Path(installed.python("import relay; print(relay.__file__)"))
    assert where.is_relative_to(installed.folder)


def test_all_that_is_no_code_rides_in_the_wheel(installed: Installed) -> None:
    """As many files of each kind as the sources have."""
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    kinds = {".yaml", ".sql", ".html", ".css", ".svg", ".js"}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "relay").rglob("*")
        if path.suffix in kinds
    }
    assert {".yaml", ".sql", ".html"} <= {Path(name).suffix for name in sources}
    assert sources <= names
    assert not [name for name in names if name.startswith(("tests/", "config/"))]


def test_classify_from_the_root(installed: Installed) -> None:
    done = installed.run("classify", NOTICE, "--mx", "gmail-smtp-in.l.google.com", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["category"], answer["scope"]) == ("sender_blocked", "sender")
    assert answer["action"] == "slow_down_provider"


def test_check_from_the_root(installed: Installed, tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text((ROOT / "config" / "relay.yaml").read_text())
    done = installed.run("check", "--config", str(file))
    assert done.returncode == 2
    hint = re.search(r"\(lpse-relay (keys new [^)]+)\)", done.stdout.replace("\n", " "))
    assert hint is not None, done.stdout
    made = installed.run(*shlex.split(hint[1]))  # what it advises works as it is
    assert made.returncode == 0, made.stderr
    assert "v=DKIM1" in made.stdout
    done = installed.run("check", "--config", str(file))
    assert (done.returncode, "without a fault" in done.stdout) == (0, True), done.stdout
    file.write_text(file.read_text() + "limitz: {}\n")
    done = installed.run("check", "--config", str(file))
    assert done.returncode == 2
    assert "limitz: unknown key (did you mean limits?)" in done.stdout.replace("\n", " ")


def test_it_says_its_version(installed: Installed) -> None:
    version = installed.wheel.name.split("-")[1]
    assert installed.run("--version").stdout.strip() == f"lpse-relay {version}"
