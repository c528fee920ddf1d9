"""Reading `relay.yaml` and `site.d/*.yaml`: every fault at once, each with file, line and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from relay.config import source
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.shipped import rule_texts
from relay.replies import load as load_rules
from relay.replies.classify import Classifier
from relay.settings import Settings
from relay.strict_yaml import Fields, Node, Problem, SourceError, plain

MAX_FILE: Final = 4 * 1024 * 1024  # octets; no configuration is longer


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it stands: where, its tree for line numbers, and what it says."""

    file: Path
    root: Node
    settings: Settings

    def problem(self, path: Sequence[str | int], message: str, suggestion: str = "") -> Problem:
        """A fault at a key of this file."""
        node = source.at(self.root, path)
        key = source.show(path) or "(file)"
        return Problem(str(self.file), node.line, key, message, suggestion)


def read_text(file: Path) -> str:
    """The file's text. Raises SourceError where it cannot be read."""
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise SourceError([Problem(str(file), 0, "(file)", str(error.strerror))]) from None
    if len(octets) > MAX_FILE:
        raise SourceError([Problem(str(file), 0, "(file)", f"longer than {MAX_FILE} octets")])
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise SourceError([Problem(str(file), line, "(file)", "not UTF-8")]) from None


def read_settings(file: Path, model: type[Settings]) -> Written:
    """A file against its model. Raises SourceError with every fault."""
    root = source.read(read_text(file), str(file))
    try:
        return Written(file, root, model.model_validate(plain(root)))
    except ValidationError as error:
        raise SourceError(source.problems(error, root, str(file), model)) from None


@dataclass(frozen=True, slots=True)
class Read:
    """All files of one configuration, as written."""

    main: Written
    site: tuple[Written, ...]
    rules: Mapping[str, str]

    @property
    def settings(self) -> RelaySettings:
        """`relay.yaml` itself."""
        assert isinstance(self.main.settings, RelaySettings)  # noqa: S101 - read as such
        return self.main.settings


def read_all(file: Path) -> Read:
    """`relay.yaml` and the files of `site.d` beside it. Raises SourceError with every fault."""
    problems: list[Problem] = []
    main: Written | None = None
    site: list[Written] = []
    rules: dict[str, str] = {}
    try:
        main = read_settings(file, RelaySettings)
    except SourceError as error:
        problems += error.problems
    for extra in sorted((file.parent / "site.d").glob("*.yaml")):
        try:
            text = read_text(extra)
            root = source.read(text, str(extra))
            if isinstance(root, Fields) and "rules" in root.values:
                rules[str(extra)] = text
            else:
                site.append(read_settings(extra, SiteSettings))
        except SourceError as error:
            problems += error.problems
    if problems or main is None:
        raise SourceError(problems)
    return Read(main, tuple(site), rules)


def classifier_of(rules: Mapping[str, str]) -> Classifier:
    """The shipped rules with the site's own before them. Raises SourceError."""
    return load_rules({**rule_texts(), **rules})


def site_classifier(file: Path) -> Classifier:
    """The classifier that a configuration gives. Raises SourceError."""
    return classifier_of(read_all(file).rules)


def locate(file: Path, state: Path | None) -> tuple[Path, Path]:
    """The state directory and the control socket, and no more. Raises SourceError."""
    written = read_settings(file, RelaySettings)
    assert isinstance(written.settings, RelaySettings)  # noqa: S101 - read as such
    return places(file, written.settings, state)


def places(file: Path, settings: RelaySettings, state: Path | None) -> tuple[Path, Path]:
    """Relative paths are relative to the file, the socket's to the state directory."""
    state_dir = state.absolute() if state else (file.parent / settings.state_dir).absolute()
    return state_dir, state_dir / settings.control
