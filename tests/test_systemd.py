"""The shipped units: systemd itself judges a copy, rendered for this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parent.parent / "systemd"
PROGRAM = "/opt/lpse-relay/bin/lpse-relay"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="NO SYSTEMD: the units were not judged (apt-get install systemd)",
)


def _section(name: str, section: str) -> dict[str, str]:
    """A section's keys; of a key that stands several times the last value."""
    found: dict[str, str] = {}
    current = ""
    for line in (SHIPPED / name).read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif "=" in line and not line.startswith("#") and current == section:
            key, _, value = line.partition("=")
            found[key] = value
    return found


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """Copies whose program and documents exist on this machine."""
    for name in ("lpse-relay.service", "lpse-relay.socket", "lpse-relay-returns.socket"):
        text = (SHIPPED / name).read_text().replace(PROGRAM, sys.executable)
        text = text.replace("/opt/lpse-relay/README.md", str(SHIPPED.parent / "README.md"))
        (tmp_path / name).write_text(text)
    return tmp_path


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@needs_systemd
@pytest.mark.parametrize(
    "name", ["lpse-relay.service", "lpse-relay.socket", "lpse-relay-returns.socket"]
)
def test_systemd_finds_no_fault(rendered: Path, name: str) -> None:
    done = _run("systemd-analyze", "verify", rendered / name)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_would_find_a_fault(rendered: Path) -> None:
    unit = rendered / "lpse-relay.service"
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps"))
    assert "perhaps" in _run("systemd-analyze", "verify", unit).stderr


@needs_systemd
def test_the_exposure_is_at_most_two(rendered: Path) -> None:
    unit = rendered / "lpse-relay.service"
    done = _run(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit
    )
    assert done.returncode == 0, done.stdout


def test_the_service_keeps_its_promises() -> None:
    service = _section("lpse-relay.service", "Service")
    assert service["Type"] == "notify"
    assert service["LimitNOFILE"] == "65536"
    assert service["TimeoutStopSec"] == "120"
    assert service["StateDirectory"] == "lpse-relay"
    assert service["WatchdogSec"] == "60"
    assert service["Restart"] == "always"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["ExecStart"] == f"{PROGRAM} run --config /etc/lpse-relay/relay.yaml"


def test_the_socket_waits_where_the_configuration_looks() -> None:
    socket = _section("lpse-relay.socket", "Socket")
    assert socket["Backlog"] == "1024"
    assert socket["FileDescriptorName"] == "smtp"
    assert socket["Accept"] == "no"
    assert socket["ListenStream"] == "127.0.0.1:2525"


def test_the_watchdog_is_slower_than_the_pulse() -> None:
    from relay.observe.pulse import BEAT, PATIENCE

    service = _section("lpse-relay.service", "Service")
    assert int(service["WatchdogSec"]) > BEAT + PATIENCE


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None or os.geteuid() != 0,
    reason="NO SYSTEMD OR NOT ROOT: user and folders were not made (apt-get install systemd)",
)
def test_user_and_folders_are_made_in_a_root_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = _run("systemd-sysusers", f"--root={tmp_path}", SHIPPED / "lpse-relay.sysusers")
    assert made.returncode == 0, made.stderr
    user = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (user[0], user[5], user[6]) == (
        "lpse-relay",
        "/var/lib/lpse-relay",
        "/usr/sbin/nologin",
    )
    made = _run(
        "systemd-tmpfiles", f"--root={tmp_path}", "--create", SHIPPED / "lpse-relay.tmpfiles"
    )
    assert made.returncode == 0, made.stderr
    for folder, owner in (("etc/lpse-relay/keys", 0), ("var/lib/lpse-relay", int(user[2]))):
        status = (tmp_path / folder).stat()
        assert (status.st_uid, status.st_gid) == (owner, int(user[3]))
        assert status.st_mode & 0o777 == 0o750


def test_what_the_program_needs_may_run_without_writable_code() -> None:
    """MemoryDenyWriteExecute=yes: each compiled dependency works under the kernel's own form."""
    code = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    print("unsupported"); sys.exit()
import asyncio, sqlite3, nh3, pydantic, re2
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import rsa
assert re2.compile("a").match("a")
assert PasswordHasher().verify(PasswordHasher().hash("x"), "x")
assert rsa.generate_private_key(65537, 2048)
assert nh3.clean("<b>x") == "<b>x</b>"
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
try:
    import uvloop
except ImportError:
    uvloop = asyncio
uvloop.run(asyncio.sleep(0))
print("fine")
"""
    done = _run(sys.executable, "-c", code)
    if done.stdout.strip() == "unsupported":
        pytest.skip("KERNEL OLDER THAN 6.3: programs under MemoryDenyWriteExecute were not tried")
    assert (done.returncode, done.stdout.strip()) == (0, "fine"), done.stderr
