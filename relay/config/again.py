"""Again: the settings of a text of `relay.yaml` that was found sound, in a process that only needs
the door's part of it: a worker goes by the text that counts, whatever the file says by now."""

from __future__ import annotations

from pathlib import Path

from relay.config import source
from relay.config.mending import mended
from relay.config.settings import RelaySettings
from relay.strict_yaml import SourceError


def settings_of(text: str, file: Path) -> RelaySettings:
    """`file`: where it stood, for the messages. Raises SourceError."""
    found = mended(source.read(text, str(file)), str(file), RelaySettings)
    if found.problems or found.settings is None:
        raise SourceError(found.problems)
    assert isinstance(found.settings, RelaySettings)  # noqa: S101 - read as such
    return found.settings
