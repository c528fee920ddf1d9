"""Config: everything that was read, checked and loaded, and that a relay is built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from relay.config import alerting, checks, keys, parts
from relay.config.limits import profiles_of
from relay.config.places import places
from relay.config.reactions import reactions_of
from relay.config.settings import RelaySettings
from relay.config.written import Written, classifier_of, read_what_stands
from relay.mail.dkim import Key
from relay.replies.classify import Classifier
from relay.shaping.counting import KEPT
from relay.shaping.limit_keys import EVERY
from relay.shaping.profiles import Profiles
from relay.shaping.reactions import Reaction
from relay.strict_yaml import Problem, SourceError

KEPT_FOR: Final = timedelta(milliseconds=KEPT)
WORTH_A_WORD: Final = timedelta(hours=1)  # of a window
LAB_HOSTNAME: Final = "relay.lab.invalid"
RESTART: Final = (
    "listen",
    "workers",
    "return_path",
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
    site: Sequence[Written] = field(default=(), repr=False)
    reactions: Sequence[Reaction] = ()  # in the order in which they are asked

    @property
    def source(self) -> str:
        """The address that we dial from, in one way of writing; empty: the system chooses."""
        given = self.settings.delivery.source_address
        return "" if given is None else str(ip_address(given))

    def problem(self, path: Sequence[str | int], message: str, suggestion: str = "") -> Problem:
        """A fault at a key of `relay.yaml`."""
        return self.main.problem(path, message, suggestion)


def load(file: Path, state: Path | None = None) -> Config:
    """Read, check and load all of it. Raises SourceError with every fault of every file."""
    read, problems = read_what_stands(file)
    if read is None:
        raise SourceError(in_order(problems, file))
    problems += checks.across(read, state)
    loaded, faults = keys.load(read.main, read.settings.dkim)
    problems += faults
    problems += parts.faults(read.main, read.settings, loaded)
    classifier = profiles = None
    try:
        profiles = profiles_of(read)
    except SourceError as error:
        problems += error.problems
    try:
        classifier = classifier_of(read.rules)
    except SourceError as error:
        problems += error.problems
    if profiles is not None:
        problems += alerting.by_providers(read, profiles)
    reactions, faults = reactions_of(read, classifier, profiles)
    problems += faults
    if problems or classifier is None or profiles is None:
        raise SourceError(in_order(problems, file))
    state_dir, control = places(file, read.settings.state_dir, read.settings.control, state)
    hostname = read.settings.hostname or LAB_HOSTNAME
    return Config(
        file,
        read.settings,
        state_dir,
        control,
        hostname,
        loaded,
        classifier,
        profiles,
        read.main,
        read.site,
        reactions,
    )


def in_order(problems: Iterable[Problem], file: Path) -> list[Problem]:
    """As a reader of the files meets them, `relay.yaml` first."""
    return sorted(problems, key=lambda p: (p.file != str(file), p.file, p.line))


def counts_anew(old: Config, new: Config) -> list[str]:
    """The limits whose longest window knows, after a reload, less than all that was sent in it: a
    sentence each."""
    before, told = old.profiles.windows(), []
    for key, window in new.profiles.windows().items():
        known = before.get(key, timedelta())
        if key in before and key != EVERY:
            known = max(known, KEPT_FOR)
        if window > known and window >= WORTH_A_WORD:
            since = "now on" if known < KEPT_FOR else f"what was sent {known.days}d ago on"
            name = "each other destination" if key == EVERY else key.removeprefix("@")
            told.append(f"the longest window of {name} is new: it counts from {since}")
    return told


def needs_restart(old: Config, new: Config) -> list[str]:
    """The keys that differ and that a reload cannot take: a sentence each."""
    changed = [key for key in RESTART if getattr(old.settings, key) != getattr(new.settings, key)]
    return [f"{key} changed: this needs a restart; the old value is kept" for key in changed]
