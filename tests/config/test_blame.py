"""Blame: what the system refuses at a start is told with the key that asked for it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from relay.config import Config, blamed, load

TEXT = """lab: true
state_dir: state
listen:
  - {address: '127.0.0.1:2525'}
  - {address: '[::1]:2525'}
web: {listen: '127.0.0.1:8025'}
metrics: {listen: '127.0.0.1:9325'}
log:
  to: logs/relay.log
control: run/c.sock
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "relay.yaml").write_text(TEXT)
    (tmp_path / "logs").mkdir()
    return load(tmp_path / "relay.yaml")


@pytest.mark.parametrize(
    ("code", "text", "name", "says"),
    [
        (
            errno.EADDRINUSE,
            "cannot listen on 127.0.0.1:2525: Address already in use",
            None,
            "relay.yaml:4: listen[0].address: 127.0.0.1:2525 is taken",
        ),
        (
            errno.EADDRINUSE,
            "cannot listen on ::1:2525: Address already in use",
            None,
            "relay.yaml:5: listen[1].address: ::1:2525 is taken",
        ),
        (
            errno.EADDRNOTAVAIL,
            "Cannot assign requested address (127.0.0.1:8025)",
            None,
            "relay.yaml:6: web.listen: 127.0.0.1:8025 is no address of this host",
        ),
        (
            errno.EACCES,
            "Permission denied (127.0.0.1:9325)",
            None,
            "relay.yaml:7: metrics.listen: 127.0.0.1:9325 may not be listened on by this user",
        ),
        (
            errno.ENOENT,
            "No such file or directory",
            "logs/relay.log",
            "relay.yaml:9: log.to: FOLDER/logs/relay.log cannot be opened: No such file",
        ),
        (
            errno.ENOTDIR,
            "Not a directory",
            "state/run",
            "relay.yaml:10: control: FOLDER/state/run: Not a directory",
        ),
    ],
)
def test_the_key_is_named(
    config: Config, code: int, text: str, name: str | None, says: str
) -> None:
    folder = config.file.parent
    error = OSError(code, text, str(folder / name)) if name else OSError(code, text)
    says = says.replace("FOLDER", str(folder))
    assert str(blamed(config, error)).startswith(f"{folder}/{says}")


@pytest.mark.parametrize("name", [None, "state", "state/keys/link.key", "elsewhere"])
def test_what_no_key_asked_for(config: Config, name: str | None) -> None:
    at = (str(config.file.parent / name),) if name else ()
    assert blamed(config, OSError(errno.EIO, "Input/output error", *at)) is None
