"""Blame: an error of the system at a start → the key of `relay.yaml` that asked for it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from relay.config.config import Config
from relay.strict_yaml import Problem

_ADDRESS: Final = {
    errno.EADDRINUSE: "is taken",
    errno.EADDRNOTAVAIL: "is no address of this host",
    errno.EACCES: "may not be listened on by this user",
}
_HINTS: Final = {
    errno.EADDRINUSE: "see who listens: ss -ltnp; or write another port",
    errno.EACCES: "a port from 1024, or systemd:NAME",
}


def blamed(config: Config, error: OSError) -> Problem | None:
    """The fault with its line; None where no key of the file is known to have led there."""
    said = str(error.strerror or error)
    for path, address in _addresses(config):
        if address in said:
            what = _ADDRESS.get(error.errno or 0, said)
            message = f"{address} {what}" if what != said else said
            return config.problem(path, message, _HINTS.get(error.errno or 0, ""))
    if error.filename is None:
        return None
    name = Path(str(error.filename))
    log = config.settings.log.to
    if log != "stdout" and name == config.file.parent / log:
        return config.problem(("log", "to"), f"{name} cannot be opened: {said}")
    if name != config.state_dir and config.control.is_relative_to(name):
        return config.problem(("control",), f"{name}: {said}")
    return None


def _addresses(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    settings = config.settings
    for n, listener in enumerate(settings.listen):
        host, _, port = listener.address.rpartition(":")
        yield ("listen", n, "address"), listener.address
        yield ("listen", n, "address"), f"{host.strip('[]')}:{port}"
    yield ("web", "listen"), settings.web.listen
    yield ("metrics", "listen"), settings.metrics.listen
