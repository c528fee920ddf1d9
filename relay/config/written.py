"""Reading `relay.yaml` and `site.d/*.yaml`: every fault at once, each with file, line and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from relay.config import source
from relay.config.places import read_text
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.shipped import rule_texts, shipped_classifier
from relay.replies import load as load_rules
from relay.replies.classify import Classifier
from relay.settings import Settings
from relay.strict_yaml import Fields, Node, Problem, SourceError, plain


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


def read_settings(file: Path, model: type[Settings]) -> Written:
    """A file against its model. Raises SourceError with every fault."""
    return _against(file, source.read(read_text(file), str(file)), model)


def _against(file: Path, root: Node, model: type[Settings]) -> Written:
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
    for extra in _site_files(file.parent / "site.d", problems):
        try:
            text = read_text(extra)
            root = source.read(text, str(extra))
            if isinstance(root, Fields) and "rules" in root.values:
                rules[str(extra)] = text
            else:
                site.append(_against(extra, root, SiteSettings))
        except SourceError as error:
            problems += error.problems
    if problems or main is None:
        try:
            classifier_of(rules)  # its faults too, at once
        except SourceError as error:
            problems += error.problems
        raise SourceError(problems)
    return Read(main, tuple(site), rules)


def _site_files(folder: Path, problems: list[Problem]) -> list[Path]:
    """The `*.yaml` of `site.d` by name. A folder that cannot be read would unset the site's limits
    in silence, and so would a file that ends in `.yml`: both are faults."""
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(Problem(str(folder), 0, "(file)", str(error.strerror)))
        return []
    for entry in entries:
        if entry.suffix == ".yml":
            hint = f"rename it to {entry.stem}.yaml"
            problems.append(Problem(str(entry), 0, "(file)", "only *.yaml is read here", hint))
    return [entry for entry in entries if entry.suffix == ".yaml"]


def classifier_of(rules: Mapping[str, str]) -> Classifier:
    """The shipped rules with the site's own before them. Raises SourceError."""
    return load_rules({**rule_texts(), **rules}) if rules else shipped_classifier()


def site_classifier(file: Path) -> Classifier:
    """The classifier that a configuration gives. Raises SourceError."""
    return classifier_of(read_all(file).rules)
