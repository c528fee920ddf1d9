"""Places: where a relay keeps its state and its control socket, read without the rest of the file.

The commands of an operator must reach the running relay also while somebody is half through a
change of `relay.yaml`: so nothing but `state_dir` and `control` is looked at here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from relay.strict_yaml import Fields, Node, Problem, Reader, SourceError, Text

STATE_DIR: Final = "/var/lib/lpse-relay"
CONTROL: Final = "run/control.sock"
NOT_OURS: Final = "run as root, or as a member of the group lpse-relay"
MAX_FILE: Final = 4 * 1024 * 1024  # octets; no configuration is longer


def read_text(file: Path) -> str:
    """The file's text. Raises SourceError where it cannot be read."""
    try:
        octets = file.read_bytes()
    except PermissionError:
        raise SourceError([Problem(str(file), 0, "", "permission denied", NOT_OURS)]) from None
    except OSError as error:
        raise SourceError([Problem(str(file), 0, "", str(error.strerror))]) from None
    if len(octets) > MAX_FILE:
        raise SourceError([Problem(str(file), 0, "", f"longer than {MAX_FILE} octets")])
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise SourceError([Problem(str(file), line, "", "not UTF-8")]) from None


def locate(file: Path, state: Path | None) -> tuple[Path, Path]:
    """The state directory and the control socket. Raises SourceError where they do not stand.

    With `state` nothing is asked of the file that it cannot tell: a relay must be reached also
    while its file is broken.
    """
    try:
        values = _values(file)
    except SourceError:
        if state is None:
            raise
        values = {}
    found = {"state_dir": STATE_DIR, "control": CONTROL}
    problems = []
    for key in found:
        node = values.get(key)
        if node is None:
            continue
        if not isinstance(node, Text) or node.is_null or not node.value:
            if state is not None:
                continue
            problems.append(Problem(str(file), node.line, key, "a path is expected here"))
            continue
        found[key] = node.value
    if problems:
        raise SourceError(problems)
    return places(file, Path(found["state_dir"]), Path(found["control"]), state)


def word(file: Path, *path: str) -> str:
    """The text at a path of keys, without the rest of the file; empty where none is read."""
    try:
        node: Node = Reader(str(file)).read(read_text(file))
    except SourceError:
        return ""
    for step in path:
        if not isinstance(node, Fields) or step not in node.values:
            return ""
        node = node.values[step]
    return node.value if isinstance(node, Text) else ""


def _values(file: Path) -> dict[str, Node]:
    root = Reader(str(file)).read(read_text(file))
    return root.values if isinstance(root, Fields) else {}


def places(file: Path, state_dir: Path, control: Path, state: Path | None) -> tuple[Path, Path]:
    """Relative paths are relative to the file, the socket's to the state directory.

    `state` is what the command line says instead of the file.
    """
    home = state.absolute() if state else (file.parent / state_dir).absolute()
    return home, home / control
