"""Runs one command in a peer's root: mounts it, steps in, and ends whatever is left at the end.

Started by `roots` as the first process of a mount and a process namespace of its own:

    unshare --mount --pid --fork --kill-child python -I -S enter.py SPEC COMMAND...

SPEC is JSON: `mountpoint` (an empty directory), `lower` (layers, topmost first), `fill` (where a
layer is being made; absent: what the command writes is thrown away), `share` (directories that the
command sees as they are), `directory`, `environment`, `lifeline` (a descriptor; when its other end
closes, everything here dies, so nothing outlives a test run that was killed).

Mounts are private to the namespace and die with it. /run is empty, so that package scripts find no
init to talk to. The network is the machine's own: loopback servers are reached both ways.
Standard library only; nothing is imported from the project.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

CANNOT_ENTER = 121
"""The exit code when the root could not be set up; standard error says why."""

SYSTEM = {"bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr", "var"}
"""The directories that packages install into; everything else of the machine stays unseen."""


def mount(*arguments: str) -> None:
    """Mounts, or ends with mount's own words."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"mount {' '.join(arguments)}: {done.stderr.strip()}\n")
        raise SystemExit(CANNOT_ENTER)


def build_root(spec: dict[str, Any]) -> Path:
    """Mounts the root, a system directory at a time; returns where it stands.

    Each system directory is an overlay by itself, and the rest of `/` is left out: the kernel
    refuses a layer that lies inside a directory that it is laid upon, and the checkout lies in `/`.
    """
    place = Path(spec["mountpoint"])
    mount("-t", "tmpfs", "-o", "mode=0755", "peer", str(place))
    root = place / "root"
    root.mkdir()
    filled = Path(spec["fill"]) if spec.get("fill") else None
    for entry in sorted(Path("/").iterdir()):
        if entry.is_symlink():
            (root / entry.name).symlink_to(entry.readlink())
        elif entry.is_dir():
            (root / entry.name).mkdir(mode=stat.S_IMODE(entry.stat().st_mode))
            if entry.name in SYSTEM:
                lay(entry, root / entry.name, spec["lower"], filled or place)
    mount_around(root, spec["share"])
    copy_names(root)
    return root


def lay(below: Path, onto: Path, layers: list[str], writable: Path) -> None:
    """Mounts one system directory: the machine's, the layers over it, `writable` topmost."""
    upper = writable / "layer" / below.name
    work = writable / "work" / below.name
    work.mkdir(parents=True, exist_ok=True)
    if not upper.exists():
        upper.mkdir(parents=True)
        shutil.copystat(below, upper)
    lower = [str(Path(layer, below.name)) for layer in layers if Path(layer, below.name).is_dir()]
    options = f"lowerdir={':'.join([*lower, str(below)])},upperdir={upper},workdir={work}"
    mount("-t", "overlay", "-o", options, "peer", str(onto))


def mount_around(root: Path, share: list[str]) -> None:
    """Mounts what a root needs besides its system directories, and what it shares."""
    for directory in ("dev", "proc", "run", "sys", "tmp", "root"):
        (root / directory).mkdir(exist_ok=True)
    mount("--rbind", "/dev", str(root / "dev"))
    mount("--rbind", "/sys", str(root / "sys"))
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("-t", "tmpfs", "-o", "mode=0755", "run", str(root / "run"))
    mount("-t", "tmpfs", "-o", "mode=1777", "tmp", str(root / "tmp"))
    for shared in sorted(share, key=len):
        inside = root / shared.lstrip("/")
        inside.mkdir(parents=True, exist_ok=True)
        mount("--bind", shared, str(inside))


def copy_names(root: Path) -> None:
    """Gives the root the machine's hosts and resolver, which may be mounts or links into /run."""
    (root / "run" / "lock").mkdir(mode=0o1777, exist_ok=True)
    for name in ("etc/hosts", "etc/resolv.conf"):
        outside, inside = Path("/", name), root / name
        if outside.exists():
            content = outside.read_bytes()
            if inside.is_symlink() or not inside.exists() or inside.read_bytes() != content:
                inside.unlink(missing_ok=True)
                inside.write_bytes(content)


def spawn(command: list[str], environment: dict[str, str]) -> int:
    """Starts the command as a child of this first process, all descriptors passed on."""
    child = os.fork()
    if child == 0:
        # Python ignores SIGPIPE, and what is ignored stays so across exec.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.execvpe(command[0], command, environment)
        except OSError as error:
            sys.stderr.write(f"{command[0]}: {error.strerror}\n")
            sys.stderr.flush()
        os._exit(127)
    return child


def watch(lifeline: int) -> int:
    """Starts a child that ends when the other end of the lifeline is closed."""
    child = os.fork()
    if child == 0:
        while os.read(lifeline, 1):
            pass
        os._exit(0)
    os.close(lifeline)
    return child


def reap(command: int, watcher: int | None) -> int:
    """Waits as init does, until the command or its owner is gone; returns the exit code."""
    while True:
        child, status = os.wait()
        if child == watcher:
            return 128 + 9
        if child == command:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main() -> int:
    """Enters the root and returns the command's exit code; the namespaces end with it."""
    spec = json.loads(sys.argv[1])
    root = build_root(spec)
    os.chroot(root)
    directory = spec.get("directory") or "/"
    try:
        os.chdir(directory)
    except OSError as error:
        sys.stderr.write(f"{directory}: {error.strerror} in this root; share it\n")
        return CANNOT_ENTER
    environment = spec["environment"]
    os.environ["PATH"] = environment["PATH"]
    lifeline = spec.get("lifeline")
    watcher = None
    if lifeline is not None:
        # The command must not hold the lifeline itself.
        os.set_inheritable(lifeline, False)
        watcher = watch(lifeline)
    return reap(spawn(sys.argv[2:], environment), watcher)


if __name__ == "__main__":
    sys.exit(main())
