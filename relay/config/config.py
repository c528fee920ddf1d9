"""Config: everything that was read, checked and loaded, and that a relay is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relay.config import checks, keys
from relay.config.load import Read, Written, classifier_of, places, read_all
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.shipped import profile_texts
from relay.mail.dkim import Key
from relay.replies.classify import Classifier
from relay.shaping.profiles import Layer, Profiles, parse
from relay.strict_yaml import Problem, SourceError

LAB_HOSTNAME: Final = "relay.lab.invalid"
RESTART: Final = (
    "listen",
    "state_dir",
    "store",
    "delivery",
    "dns",
    "web",
    "metrics",
    "control",
    "log",
    "testing_smtp_port",
    "lab",
)


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration, whole and without a fault; a reload makes another."""

    file: Path
    settings: RelaySettings
    state_dir: Path
    control: Path
    hostname: str
    keys: Mapping[str, Key]
    classifier: Classifier = field(repr=False)
    profiles: Profiles = field(repr=False)
    main: Written = field(repr=False)

    def problem(self, path: Sequence[str | int], message: str, suggestion: str = "") -> Problem:
        """A fault at a key of `relay.yaml`."""
        return self.main.problem(path, message, suggestion)


def load(file: Path, state: Path | None = None) -> Config:
    """Read, check and load all of it. Raises SourceError with every fault of every file."""
    read = read_all(file)
    problems = checks.across(read, state)
    loaded, faults = keys.load(read.main, read.settings.dkim)
    problems += faults
    classifier = profiles = None
    try:
        profiles = profiles_of(read)
    except SourceError as error:
        problems += error.problems
    try:
        classifier = classifier_of(read.rules)
    except SourceError as error:
        problems += error.problems
    if problems or classifier is None or profiles is None:
        raise SourceError(problems)
    state_dir, control = places(file, read.settings, state)
    hostname = read.settings.hostname or LAB_HOSTNAME
    return Config(
        file, read.settings, state_dir, control, hostname, loaded, classifier, profiles, read.main
    )


def needs_restart(old: Config, new: Config) -> list[str]:
    """The keys that differ and that a reload cannot take: a sentence each."""
    changed = [key for key in RESTART if getattr(old.settings, key) != getattr(new.settings, key)]
    return [f"{key} changed: this needs a restart; the old value is kept" for key in changed]


def profiles_of(read: Read) -> Profiles:
    """Shipped profiles under the limits of all files. Raises SourceError with every fault."""
    shipped = [parse(text, where) for where, text in profile_texts().items()]
    layers = []
    for written in (read.main, *read.site):
        settings = written.settings
        assert isinstance(settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
        layers.append(Layer(settings.limits, settings.providers, str(written.file)))
    try:
        return Profiles(shipped, layers)
    except SourceError as error:
        files = {str(written.file): written for written in (read.main, *read.site)}
        raise SourceError(_placed(problem, files) for problem in error.problems) from None


def _placed(problem: Problem, files: Mapping[str, Written]) -> Problem:
    """The problem of a pure package with the line of its key."""
    section, _, key = problem.key.partition(".")
    return files[problem.file].problem((section, key), problem.message, problem.suggestion)
