"""Reading `relay.yaml` and `site.d/*.yaml`: every fault at once, each with file, line and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relay.config import source
from relay.config.mending import mended
from relay.config.places import NOT_OURS, read_text
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.shipped import rule_texts, shipped_classifier
from relay.settings import Settings
from relay.strict_yaml import Fields, Node, Problem, SourceError

if TYPE_CHECKING:
    from relay.replies.classify import Classifier


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it stands: where, its tree for line numbers, what it says, and its text."""

    file: Path
    root: Node
    settings: Settings
    spoilt: frozenset[tuple[str | int, ...]] = frozenset()  # where a faulty value was left out
    text: str = ""

    def is_spoilt(self, *keys: str) -> bool:
        """Is there a faulty value at, in or around one of these keys (`web.listen`)?"""
        paths = [tuple(key.split(".")) for key in keys]
        return any(
            all(a == b for a, b in zip(path, at, strict=False))
            for path in paths
            for at in self.spoilt
        )

    def problem(self, path: Sequence[str | int], message: str, suggestion: str = "") -> Problem:
        """A fault at a key of this file."""
        node = source.at(self.root, path)
        return Problem(str(self.file), node.line, source.show(path), message, suggestion)


def _against(
    file: Path, root: Node, model: type[Settings], problems: list[Problem], text: str
) -> Written | None:
    """What stands of a file; its faults go into `problems`."""
    found = mended(root, str(file), model)
    problems += found.problems
    if found.settings is None:
        return None
    return Written(file, root, found.settings, frozenset(found.spoilt), text)


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
    read, problems = read_what_stands(file)
    if problems or read is None:
        rules = {} if read is None else read.rules
        raise SourceError([*problems, *classifier_faults(rules)])
    return read


def read_what_stands(file: Path) -> tuple[Read | None, list[Problem]]:
    """As :func:`read_all`, with the faults beside what is sound; None: nothing of `relay.yaml` is.

    The rules' own faults are not among them: see :func:`classifier_faults`.
    """
    problems: list[Problem] = []
    main: Written | None = None
    site: list[Written] = []
    rules: dict[str, str] = {}
    try:
        text = read_text(file)
        root = source.read(text, str(file))
        main = _against(file, root, RelaySettings, problems, text)
    except SourceError as error:
        problems += error.problems
    for extra in _site_files(file.parent / "site.d", problems):
        try:
            text = read_text(extra)
            root = source.read(text, str(extra))
            if isinstance(root, Fields) and "rules" in root.values:
                rules[str(extra)] = text
            elif written := _against(extra, root, SiteSettings, problems, text):
                site.append(written)
        except SourceError as error:
            problems += error.problems
    if main is None:
        return None, problems + classifier_faults(rules)
    return Read(main, tuple(site), rules), problems


def classifier_faults(rules: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the site's rules."""
    try:
        classifier_of(rules)
    except SourceError as error:
        return list(error.problems)
    return []


def _site_files(folder: Path, problems: list[Problem]) -> list[Path]:
    """The `*.yaml` of `site.d` by name. A folder that cannot be read would unset the site's limits
    in silence, and so would a file that ends in `.yml`: both are faults."""
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except PermissionError:
        problems.append(Problem(str(folder), 0, "", "permission denied", NOT_OURS))
        return []
    except OSError as error:
        problems.append(Problem(str(folder), 0, "", str(error.strerror)))
        return []
    for entry in entries:
        if entry.suffix == ".yml":
            hint = f"rename it to {entry.stem}.yaml"
            problems.append(Problem(str(entry), 0, "", "only *.yaml is read here", hint))
    return [entry for entry in entries if entry.suffix == ".yaml"]


def classifier_of(rules: Mapping[str, str]) -> Classifier:
    """The shipped rules with the site's own before them. Raises SourceError."""
    if not rules:
        return shipped_classifier()
    from relay.replies import load  # see shipped_classifier

    return load({**rule_texts(), **rules})


def site_classifier(file: Path) -> Classifier:
    """The classifier that a configuration gives. Raises SourceError."""
    return classifier_of(read_all(file).rules)
