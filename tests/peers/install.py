"""Fetches the peers into roots of their own: `python3 -m tests.peers.install [NAME...]`.

As root, each missing or outdated root is made: an overlay of the system in a mount namespace,
`apt-get install` inside it; the machine's own packages, services and files stay as they are. A root
that is up to date costs nothing. Not as root, it prints what is missing and ends with 0. A root
that cannot be made is printed as loudly; it ends with 1 only in CI (CI=true), elsewhere its tests
are skipped. `--remove` removes all. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.peers.catalogue import PEERS, Recipe
from tests.peers.roots import CHECKOUT, HOME, PATH, available, is_ci, stamp_of, unshared

APT = (
    "apt-get",
    *("-qq", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"),
    *("-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-unsafe-io"),
)
LOWER_CANNOT_HOLD = (":", ",", "\\", '"')
"""Characters that separate mount's own options: no path of a layer may have them."""

FORBID_SERVICES = (
    r"printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d"
)


class CannotMake(RuntimeError):
    """A root could not be made; the text is for people."""


def enter(place: Path, lower: Sequence[Path], command: Sequence[str], fill: bool = True) -> None:
    """Runs a command in the root whose layer is being filled; its output goes to the log."""
    spec = {
        "mountpoint": str(place / "root"),
        "lower": [*map(str, lower)],
        "fill": str(place) if fill else None,
        "share": [],
        "environment": {
            **{name: value for name, value in os.environ.items() if is_for_fetching(name)},
            **{"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "npm_config_cache": "/tmp/npm"},
            **{"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"},
        },
    }
    with (place / "log").open("ab") as log:
        log.write(f"+ {' '.join(command)}\n".encode())
        log.flush()
        done = subprocess.run(
            unshared(spec, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
    if done.returncode != 0:
        tail = (place / "log").read_text(errors="replace").splitlines()[-15:]
        quoted = "\n".join(f"    {line}" for line in tail)
        raise CannotMake(f"`{' '.join(command[:3])} ...` ended with {done.returncode}:\n{quoted}")


def is_for_fetching(variable: str) -> bool:
    """Tells whether an environment variable says how this machine reaches its archives."""
    lowered = variable.lower()
    return lowered.endswith("_proxy") or lowered.startswith(
        ("npm_config_", "node_extra_ca_certs", "ssl_cert_")
    )


def clear(place: Path) -> None:
    """Empties the place of a root; an old layer never shines through a new one."""
    for name in ("stamp.json", "log"):
        (place / name).unlink(missing_ok=True)
    for name in ("layer", "work", "root"):
        if (place / name).exists():
            shutil.rmtree(place / name)
        (place / name).mkdir(mode=0o755)


def candidates(name: str) -> Iterator[Path]:
    """Where a layer may lie: in the checkout first; not every filesystem can be an upper layer."""
    yield HOME / name
    mark = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    for base in ("/srv", "/root", "/dev/shm"):
        yield Path(base, f"lpse-relay-peers-{mark}", name)


def choose_place(name: str, kilobytes: int) -> Path:
    """Finds a place that an overlay can be written in, and leaves `.peers/NAME` leading to it."""
    link = HOME / name
    if link.is_symlink():
        link.unlink()
    refused = []
    for place in candidates(name):
        if any(mark in str(place) for mark in LOWER_CANNOT_HOLD):
            refused.append(f"{place}: a path with one of {' '.join(LOWER_CANNOT_HOLD)}")
            continue
        place.mkdir(parents=True, exist_ok=True)
        if place.parent.stat().st_uid != 0 or place.parent.stat().st_mode & 0o022:
            refused.append(f"{place.parent}: others than root may write there")
            continue
        if shutil.disk_usage(place).free < kilobytes * 1024:
            refused.append(f"{place}: less than {kilobytes // 1000} MB free")
            continue
        clear(place)
        try:
            enter(place, (), ("sh", "-c", "touch /usr/.probe /etc/.probe /var/.probe /opt/.probe"))
            enter(place, (place / "layer",), ("rm", "/usr/.probe", "/opt/.probe"), fill=False)
        except CannotMake as error:
            refused.append(f"{place}: {error}")
            continue
        clear(place)
        if place != link:
            shutil.rmtree(link, ignore_errors=True)
            link.symlink_to(place)
        return place
    raise CannotMake("no overlay of the system can be mounted here:\n  " + "\n  ".join(refused))


def split_filesystems() -> list[str]:
    """Names parts of the system that lie on filesystems of their own: an overlay shows one only."""
    parts = ("/usr/bin", "/usr/lib", "/usr/share", "/var/lib", "/var/lib/dpkg")
    return [part for part in parts if Path(part).is_mount()]


def refresh_lists() -> Path:
    """Runs `apt-get update` once, in a root that all the others lie upon; returns its layer."""
    place = choose_place("lists", 300_000)
    enter(place, (), (*APT, "update"))
    return place / "layer"


def programs_to_install(place: Path, lists: Path, recipe: Recipe) -> list[str]:
    """Chooses a package for each program that the machine beneath does not have."""
    wanted = []
    for program, packages in recipe.programs.items():
        if shutil.which(program, path=PATH):
            continue
        for package in packages:
            try:
                enter(place, (lists,), (*APT, "install", "--simulate", package))
            except CannotMake:
                continue
            wanted.append(package)
            break
        else:
            raise CannotMake(f"no package brings {program}: tried {' '.join(packages)}")
    return wanted


def make(name: str, lists: Path) -> None:
    """Makes one root; the stamp comes last, so a root half made is made anew next time."""
    recipe = PEERS[name]
    place = choose_place(name, recipe.kilobytes)
    enter(place, (), ("sh", "-c", FORBID_SERVICES))
    packages = [*recipe.packages, *programs_to_install(place, lists, recipe)]
    if packages:
        enter(place, (lists,), (*APT, "install", "--no-install-recommends", *packages))
        enter(place, (lists,), ("apt-get", "clean"))
    for inside, outside in recipe.files.items():
        target = place / "layer" / inside.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(outside, target)
    for command in recipe.commands:
        enter(place, (lists,), command)
    (place / "stamp.json").write_text(stamp_of(recipe))


def announce(missing: dict[str, str]) -> None:
    """Prints, so that nobody overlooks it, which peers are missing and why."""
    bar = "!" * 78
    lines = [f"  {name}: {reason}" for name, reason in missing.items()]
    text = "\n".join(["", bar, "PEERS MISSING: their tests will be skipped", *lines, bar, ""])
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def fetch(names: Sequence[str]) -> dict[str, str]:
    """Makes the roots that are not up to date; returns the reason of each that failed."""
    if parts := split_filesystems():
        reason = f"{' '.join(parts)}: filesystems of their own, an overlay does not show them"
        return dict.fromkeys(names, reason)
    failed: dict[str, str] = {}
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        available.cache_clear()
        names = [name for name in names if available(name) is not None]
        lists: Path | None = None
        for name in names:
            started = time.monotonic()
            print(f"peers: fetching {name}: {' '.join(PEERS[name].wants())}", flush=True)
            try:
                lists = lists or refresh_lists()
                make(name, lists)
            except (CannotMake, OSError) as error:
                failed[name] = str(error)
            else:
                took = time.monotonic() - started
                print(f"peers: {name} is ready after {took:.0f} s", flush=True)
        if lists is not None:
            clear(HOME / "lists")
    return failed


def remove() -> None:
    """Removes every root, wherever its layer lies."""
    for place in HOME.iterdir() if HOME.exists() else ():
        if place.is_symlink():
            shutil.rmtree(place.resolve(), ignore_errors=True)
    shutil.rmtree(HOME, ignore_errors=True)


def main(names: Sequence[str]) -> int:
    """Fetches the named peers, or all; the exit code is as the module says."""
    if list(names) == ["--remove"]:
        remove()
        return 0
    if unknown := [name for name in names if name not in PEERS]:
        sys.stderr.write(f"no such peer: {' '.join(unknown)}; there are: {' '.join(PEERS)}\n")
        return 2
    wanted = [name for name in names or PEERS if available(name) is not None]
    if not wanted:
        return 0
    if os.geteuid() != 0:
        announce({name: available(name) or "" for name in wanted})
        return 0
    failed = fetch(wanted)
    if failed:
        announce(failed)
    return 1 if failed and is_ci() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
