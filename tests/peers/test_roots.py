"""A root keeps what happens in it from the machine, and nothing outlives the one who entered it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.peers import roots
from tests.peers.catalogue import PEERS, Recipe
from tests.peers.roots import CHECKOUT, Peer, PeerMissing, available, stamp_of

needs_postfix = pytest.mark.peer("postfix")

MAIL_SERVER = ("/etc/postfix", "/var/spool/postfix", "/etc/exim4", "/etc/aliases", "/etc/opendkim")
MACHINE = ("/etc/passwd", "/etc/group", "/var/lib/dpkg/status", "/usr/sbin/policy-rc.d")


def fingerprint(paths: tuple[str, ...]) -> dict[str, str]:
    """What stands at these paths and below: names, modes, owners, times and contents."""
    seen: dict[str, str] = {}
    for path in map(Path, paths):
        for entry in [path, *sorted(path.rglob("*"))] if path.exists() else []:
            state = entry.lstat()
            content = entry.read_bytes() if entry.is_file() and not entry.is_symlink() else b""
            digest = hashlib.sha256(content).hexdigest()
            owner = f"{state.st_mode:o} {state.st_uid}:{state.st_gid} {state.st_mtime_ns}"
            seen[str(entry)] = f"{owner} {digest}"
    return seen


def processes_with(mark: str) -> list[int]:
    """The processes of the machine whose command line contains the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in command:
            found.append(int(process.name))
    return found


def await_processes(mark: str, wanted: bool) -> list[int]:
    until = time.monotonic() + 10
    while bool(found := processes_with(mark)) != wanted and time.monotonic() < until:
        time.sleep(0.02)
    return found


@needs_postfix
def test_the_machine_stays_as_it_is() -> None:
    before = fingerprint(MAIL_SERVER + MACHINE)
    script = """
        set -e
        postconf -e myhostname=changed.example.net
        echo root: nobody@example.net > /etc/aliases
        rm -r /etc/opendkim* /var/lib/dpkg/status
        echo x:x:1:1:::/ >> /etc/passwd
        touch /usr/bin/left-behind /opt/left-behind /root/left-behind /left-behind
    """
    done = Peer("postfix").run(["sh", "-c", script])
    assert done.returncode == 0, done.stderr
    assert fingerprint(MAIL_SERVER + MACHINE) == before
    for directory in ("/usr/bin", "/opt", "/root", "/"):
        assert not Path(directory, "left-behind").exists()


@needs_postfix
def test_each_command_finds_the_root_as_it_was_made() -> None:
    peer = Peer("postfix")
    assert peer.run(["postconf", "-e", "myhostname=changed.example.net"]).returncode == 0
    assert b"changed" not in peer.run(["postconf", "-h", "myhostname"]).stdout


@needs_postfix
def test_services_do_not_start_and_the_machine_is_not_seen() -> None:
    peer = Peer("postfix")
    assert peer.run(["/usr/sbin/policy-rc.d"]).returncode == 101
    assert peer.run(["ls", "/run/systemd"]).returncode != 0
    seen = peer.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"])
    assert int(seen.stdout) < 10


@needs_postfix
def test_passes_input_output_exit_code_and_shared_files(tmp_path: Path) -> None:
    (tmp_path / "asked").write_text("from outside\n")
    peer = Peer("postfix", share=(tmp_path,))
    script = 'cat asked - > answered; pwd; echo "$WORD" >&2; exit 7'
    done = peer.run(
        ["sh", "-c", script], content=b"by hand\n", environment={"WORD": "kata"}, directory=tmp_path
    )
    assert (done.returncode, done.stderr) == (7, b"kata\n")
    assert done.stdout.decode().strip() == str(tmp_path)
    assert (tmp_path / "answered").read_text() == "from outside\nby hand\n"


@needs_postfix
def test_says_what_is_wrong() -> None:
    peer = Peer("postfix")
    missing = peer.run(["no-such-program"])
    assert (missing.returncode, missing.stderr) == (
        127,
        b"no-such-program: No such file or directory\n",
    )
    unseen = peer.run(["true"], directory=Path("/no/such/directory"))
    assert (unseen.returncode, b"/no/such/directory: No such file" in unseen.stderr) == (121, True)
    assert peer.run(["sh", "-c", "kill -TERM $$"]).returncode == 128 + signal.SIGTERM
    with pytest.raises(PeerMissing, match="not fetched"):
        raise_for_unfetched()


def raise_for_unfetched() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PEERS, "unfetched", Recipe(packages=("sl",)))
        Peer("unfetched")


@needs_postfix
def test_everything_ends_with_the_context() -> None:
    mark = f"{86400 + os.getpid()}.125"
    with Peer("postfix") as peer:
        peer.popen(["sh", "-c", f"setsid sleep {mark} & setsid sleep {mark} & wait"])
        assert len(await_processes(mark, wanted=True)) >= 1
    assert await_processes(mark, wanted=False) == []


@needs_postfix
def test_everything_ends_when_a_command_takes_too_long() -> None:
    mark = f"{86400 + os.getpid()}.25"
    with pytest.raises(subprocess.TimeoutExpired):
        Peer("postfix").run(["sh", "-c", f"sleep {mark} & sleep {mark}"], timeout=0.5)
    assert await_processes(mark, wanted=False) == []


@needs_postfix
def test_everything_ends_when_the_tests_are_killed() -> None:
    mark = f"{86400 + os.getpid()}.5"
    program = textwrap.dedent(f"""
        from tests.peers.roots import Peer
        Peer("postfix").popen(["sleep", "{mark}"]).wait()
    """)
    tests = subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT)
    assert await_processes(f"sleep\0{mark}", wanted=True)
    tests.kill()
    tests.wait()
    assert await_processes(f"sleep\0{mark}", wanted=False) == []


def test_a_stamp_changes_with_the_packages_and_the_files(tmp_path: Path) -> None:
    held = tmp_path / "lock"
    held.write_text("1")
    recipe = Recipe(packages=("swaks",), files={"/opt/lock": held})
    stamp = stamp_of(recipe)
    assert stamp_of(recipe) == stamp
    held.write_text("2")
    assert stamp_of(recipe) != stamp
    held.write_text("1")
    assert stamp_of(Recipe(packages=("swaks", "curl"), files={"/opt/lock": held})) != stamp


def test_a_missing_peer_is_named_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(roots, "HOME", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    asked = available.__wrapped__
    assert "make peers" in (asked("postfix") or "")
    assert "postfix opendkim" in (asked("postfix") or "")
    assert "nodejs npm" in (asked("node") or "")
    (tmp_path / "postfix").mkdir()
    (tmp_path / "postfix" / "stamp.json").write_text(stamp_of(PEERS["postfix"]))
    assert asked("postfix") is None
    (tmp_path / "postfix" / "stamp.json").write_text("{}")
    assert (asked("postfix") or "").startswith("out of date")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (asked("postfix") or "").startswith("only root")
