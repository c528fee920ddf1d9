"""The peers that tests talk to, and the Debian packages each needs on a machine that has none.

Every peer is a root of its own (see `roots`), so packages that conflict with one another, or with
the machine's own mail server, never meet. Standard library only: `make peers` runs before any venv.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is installed into one root.

    `programs` maps a program to the packages that bring it, tried in order, and used only where the
    machine beneath does not have the program yet: Node and npm from other archives refuse Debian's.
    `files` are copied into the root before `commands` run in it.
    """

    packages: tuple[str, ...]
    programs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    commands: tuple[tuple[str, ...], ...] = ()
    kilobytes: int = 200_000
    """The free space that it wants, roughly."""

    def wants(self) -> tuple[str, ...]:
        """Names the packages as a reader would install them by hand."""
        brought = {package for packages in self.programs.values() for package in packages[:1]}
        return (*self.packages, *sorted(brought))


NODE = "/opt/peers/node"

PEERS: dict[str, Recipe] = {
    # smtp-sink and smtp-source come with postfix itself.
    "postfix": Recipe(packages=("postfix", "opendkim", "opendkim-tools"), kilobytes=60_000),
    "clients": Recipe(
        packages=(
            "swaks",
            "libnet-ssleay-perl",
            "curl",
            "msmtp",
            "nullmailer",
            "php-cli",
            "libphp-phpmailer",
            "libmail-dkim-perl",
            "libnet-dns-perl",
            "default-jdk-headless",
            "libmail-java",
            "libcommons-email-java",
            "libactivation-java",
            "ca-certificates",
        ),
        kilobytes=900_000,
    ),
    # Apart from the clients: where npm's registry is out of reach, only Nodemailer is missing.
    "node": Recipe(
        packages=(),
        programs={"node": ("nodejs",), "npm": ("npm",)},
        files={
            f"{NODE}/package.json": HERE / "node" / "package.json",
            f"{NODE}/package-lock.json": HERE / "node" / "package-lock.json",
        },
        commands=(("npm", "ci", "--prefix", NODE, "--ignore-scripts", "--no-audit", "--no-fund"),),
        kilobytes=300_000,
    ),
    "browser": Recipe(
        packages=("fonts-dejavu-core",),
        programs={"chromium-headless-shell": ("chromium-headless-shell", "chromium")},
        kilobytes=600_000,
    ),
}
