"""A headless Chromium for tests of pages: a program that playwright starts by its path.

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(tmp_path))

The browser runs in a root of its own and reaches servers on loopback; playwright downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.peers.roots import Peer

SCRIPT = """\
for program in chromium-headless-shell chromium; do
    found=$(command -v "$program") && exec "$found" --disable-gpu "$@"
done
echo "no Chromium in this root" >&2
exit 127
"""


def executable(directory: Path) -> Path:
    """Writes the program into this directory and returns its path."""
    return Peer("browser").wrapper(directory / "chromium", ["sh", "-c", SCRIPT, "chromium"])
