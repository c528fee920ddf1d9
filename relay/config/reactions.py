"""Reactions: the entries of all files → what the shaper asks, each proved by its samples.

Order: the files of `site.d` by name, then `relay.yaml`. A sample is read as the classifier reads
what a server says, so an entry that could never meet a reply, or never act, is a fault with a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from relay.config import source
from relay.config.settings import RelaySettings, SiteSettings
from relay.config.written import Read, Written
from relay.mail import reply as replies
from relay.mail.classification import Category, Classification
from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import Stage
from relay.replies import codes, conventions, rules
from relay.replies.classify import UNKNOWN, Classifier
from relay.replies.matcher import Matcher
from relay.shaping.destination import belongs
from relay.shaping.directives import ConnectionsOf, SlowBy
from relay.shaping.profiles import Profiles
from relay.shaping.reaction_settings import FORMS, ReactionSettings, SampleSettings
from relay.shaping.reactions import EVERY, Reaction
from relay.strict_yaml import Problem, nearest

FAILURES: Final = {f"failure.{kind.value}": kind for kind in FailureKind}
Path = tuple[str | int, ...]
Found = Iterator[tuple[Path, str, str]]  # a key below the entry, message, suggestion


@dataclass(frozen=True, slots=True)
class _Entry:
    """One of `reactions:`, and where it stands."""

    written: Written
    at: Path
    said: ReactionSettings

    @property
    def where(self) -> str:
        return f"{self.written.file}:{source.at(self.written.root, self.at).line}"

    def problem(self, key: Path, message: str, suggestion: str = "") -> Problem:
        path = source.written(self.written.root, (*self.at, *key))
        return self.written.problem(path, message, suggestion)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a sample stands for."""

    said: Classification
    text: str


def reactions_of(
    read: Read, classifier: Classifier | None, profiles: Profiles | None
) -> tuple[tuple[Reaction, ...], list[Problem]]:
    """The reactions in the order in which they are asked, and every fault.

    What needs a classifier or profiles is not checked where those have a fault themselves; nor is
    an entry with a faulty value.
    """
    problems: list[Problem] = []
    made: list[Reaction] = []
    first: dict[str, str] = {}
    for entry in _entries(read):
        faults = list(_faults(entry.said, _ids(classifier)))
        if profiles is not None and not _has_spoilt_providers(read):
            faults += _provider_faults(entry.said, profiles)
        problems += (entry.problem(*fault) for fault in faults)
        if entry.said.id in first:
            message = f"the id {entry.said.id!r} stands already in {first[entry.said.id]}"
            problems.append(entry.problem(("id",), message))
        elif entry.said.id:
            first[entry.said.id] = entry.where
        if faults or classifier is None or profiles is None:
            continue
        if entry.said.provider not in (EVERY, *profiles.names):
            continue  # of a file whose providers have a fault
        reaction = _made(entry)
        heard, unheard = _heard(entry.said, reaction, classifier, profiles)
        problems += (entry.problem(*fault) for fault in unheard)
        if not unheard:
            problems += (entry.problem(*fault) for fault in _shadow(reaction, heard, made))
            made.append(reaction)
    return tuple(made), problems


def _entries(read: Read) -> Iterator[_Entry]:
    for written in (*read.site, read.main):
        settings = written.settings
        assert isinstance(settings, RelaySettings | SiteSettings)  # noqa: S101 - read as such
        for n, said in enumerate(settings.reactions):
            at: Path = ("reactions", n)
            if not any(spoilt[:2] == at for spoilt in written.spoilt):
                yield _Entry(written, at, said)


def _has_spoilt_providers(read: Read) -> bool:
    return any(written.is_spoilt("providers") for written in (*read.site, read.main))


def _ids(classifier: Classifier | None) -> frozenset[str] | None:
    """Every name that a classification may have as its rule."""
    if classifier is None:
        return None
    own = (rule.id for ruleset in classifier.rulesets for rule in ruleset.rules)
    return frozenset((*own, *FAILURES, UNKNOWN))


def _faults(said: ReactionSettings, ids: frozenset[str] | None) -> Found:
    """What is wrong with an entry by itself."""
    if not said.id:
        yield (), "its id is missing", "id: kantor.too-fast"
    elif not rules.ID.fullmatch(said.id):
        yield ("id",), f"bad id {said.id!r}", "lower case, digits, - and ."
    yield from _condition_faults(said, ids)
    yield from _action_faults(said)
    yield from _sample_faults(said)


def _condition_faults(said: ReactionSettings, ids: frozenset[str] | None) -> Found:
    if not (said.pattern or said.codes or said.category or said.rule):
        hint = "pattern, codes, category or rule"
        yield (), "without a condition it would meet every refusal", hint
    for key, patterns in (("pattern", said.pattern), ("unless", said.unless)):
        for n, pattern in enumerate(patterns):
            if fault := rules.fault(pattern):
                yield (key, n), fault, ""
    for n, word in enumerate(said.codes):
        try:
            codes.read(word)
        except ValueError as error:
            yield ("codes", n), str(error), ""
    for n, word in enumerate(said.category):
        if word not in tuple(Category):
            yield ("category", n), f"no such category: {word!r}", nearest(word, tuple(Category))
    for n, word in enumerate(said.rule):
        if ids is not None and word not in ids:
            hint = nearest(word, ids)
            if not hint.startswith("did you mean"):
                hint = "`lpse-relay classify` names the rule of a reply"
            yield ("rule", n), f"no such rule: {word!r}", hint


def _action_faults(said: ReactionSettings) -> Found:
    if not said.action:
        yield (), "its action is missing", f"one of {', '.join(FORMS.values())}"
    for kind, count in Counter(map(type, said.action)).items():
        if count > 1:
            n = [type(one) for one in said.action].index(kind)
            yield ("action", n), "two actions of one kind", "keep one of them"
    if said.scope == "domain":
        for n, one in enumerate(said.action):
            if isinstance(one, SlowBy | ConnectionsOf):
                what = "rate that it found" if isinstance(one, SlowBy) else "connections"
                message = f"a domain has no {what} of its own: its provider has"
                yield ("action", n), message, "scope: provider, or rate 1/min for 30m"


def _is_of_failures(said: ReactionSettings) -> bool:
    """Nothing was replied: there is nothing to write as a sample."""
    return bool(said.rule) and all(word in FAILURES for word in said.rule)


def _sample_faults(said: ReactionSettings) -> Found:
    if _is_of_failures(said):
        for key in ("pattern", "unless", "codes", "samples"):
            if getattr(said, key):
                yield (key,), f"{said.rule[0]} is no reply: {key} cannot be asked of it", ""
    elif not said.samples:
        yield (), "without a real sample it is not accepted", 'samples: ["421 4.7.0 …"]'
    for n, sample in enumerate(said.samples):
        if not sample.text.strip():
            yield ("samples", n), "this sample is empty", "a reply, whole, with its codes"
        if sample.stage and Stage.of(sample.stage) is None:
            hint = nearest(sample.stage, conventions.STAGES)
            yield ("samples", n, "stage"), f"no such stage: {sample.stage!r}", hint


def _provider_faults(said: ReactionSettings, profiles: Profiles) -> Found:
    name = said.provider
    if name == EVERY:
        return
    if name not in profiles.names:
        called = profiles.named(name.lower())  # gmail.com
        hint = (
            f"did you mean {called}?" if called else nearest(name, (*sorted(profiles.names), "*"))
        )
        yield ("provider",), f"no such provider: {name!r}", hint
        return
    match = profiles.items()[name].match
    for n, sample in enumerate(said.samples):
        if sample.mx and not belongs(sample.mx, match):
            yield ("samples", n, "mx"), f"{sample.mx} is no host of {name}", ", ".join(match)


def _made(entry: _Entry) -> Reaction:
    said = entry.said
    matcher = Matcher(said.pattern, said.unless, said.codes)
    return Reaction(
        said.id,
        said.action,
        said.trigger,
        said.provider,
        matcher.fits if said.pattern or said.codes or said.unless else None,
        frozenset(Category(word) for word in said.category),
        frozenset(said.rule),
        said.scope == "domain",
        entry.where,
    )


def _heard(
    said: ReactionSettings, reaction: Reaction, classifier: Classifier, profiles: Profiles
) -> tuple[list[_Heard], list[tuple[Path, str, str]]]:
    """The samples as they would arrive, and those that the reaction does not meet."""
    if _is_of_failures(said):
        kinds = [(("rule", n), FAILURES[word]) for n, word in enumerate(said.rule)]
        met = [
            (at, _Heard(classifier.classify_failure(Failure(kind, "")), "")) for at, kind in kinds
        ]
    else:
        mx = (*profiles.items()[said.provider].match, "")[0] if said.provider != EVERY else ""
        met = [
            (("samples", n), _of_sample(sample, mx.strip("."), classifier))
            for n, sample in enumerate(said.samples)
        ]
    unmet: list[tuple[Path, str, str]] = []
    for at, heard in met:
        if not reaction.meets(said.provider, heard.said, heard.text):
            unmet.append((at, *_why(said, reaction, heard)))
    return [heard for _, heard in met], unmet


def _of_sample(sample: SampleSettings, mx: str, classifier: Classifier) -> _Heard:
    reply = replies.parse(sample.text, Stage.of(sample.stage))
    return _Heard(classifier.classify(reply, sample.mx or mx), str(reply))


def _why(said: ReactionSettings, reaction: Reaction, heard: _Heard) -> tuple[str, str]:
    """Which condition a sample does not meet, and what would."""
    read = heard.said
    if reaction.categories and read.category not in reaction.categories:
        return f"it never meets this: its category is {read.category}", f"category: {read.category}"
    if reaction.rules and read.rule not in reaction.rules:
        return f"it never meets this: its rule is {read.rule}", f"rule: {read.rule}"
    if said.codes and not Matcher((), (), said.codes).fits(heard.text):
        return "none of its codes fits this sample", ""
    if said.pattern and not Matcher(said.pattern).fits(heard.text):
        hint = "patterns see one line, in lower case, without codes"
        return "none of its patterns fits this sample", hint
    return "its `unless` takes this sample away", ""


def _shadow(reaction: Reaction, heard: Sequence[_Heard], earlier: Sequence[Reaction]) -> Found:
    """An earlier one that acts at once on all that this one is proved to be for."""
    for other in earlier:
        if other.trigger.count > 1 or other.provider not in (EVERY, reaction.provider):
            continue
        if all(other.meets(reaction.provider, one.said, one.text) for one in heard):
            message = f"it never acts: {other.id} ({other.where}) acts at once on all its samples"
            hint = f"put it before that, or add a sample that {other.id} does not meet"
            yield (), message, hint
            return
