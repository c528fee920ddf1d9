"""Rules: what is known about rejections, as data; each rule carries real samples that prove it.

A file names its layer (site, provider, software, language, codes) and its providers; rules are
asked in the order of layers, then of files, then as written, and the first that fits decides.
Patterns are RE2's, matched without case against the reply's text as :mod:`relay.replies.wording`
makes it: one line, blanks single, addresses replaced, no codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

import re2

from relay.mail.classification import Action, Category, Scope
from relay.mail.reply import Stage
from relay.replies import codes, conventions
from relay.replies.codes import CodePattern
from relay.strict_yaml import Fields, Items, Node, Reader, SourceError, Text, nearest

ANY: Final = "any"
MAX_PROGRAM: Final = 1500  # RE2 instructions; a{1,1000} and its like cost more than any text tells
MAX_PATTERN: Final = 2000  # characters
ID: Final = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_RULE_KEYS: Final = (
    "id",
    "provider",
    "pattern",
    "unless",
    "codes",
    "stage",
    "category",
    "scope",
    "action",
    "temporary",
    "confidence",
    "samples",
)
_Word = TypeVar("_Word", Category, Scope, Action)


class Layer(IntEnum):
    """How near a rule is to the source; a nearer one is asked first."""

    SITE = 0
    PROVIDER = 1
    SOFTWARE = 2
    LANGUAGE = 3
    CODES = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """A reply that must be decided by its rule: full text with its codes, MX host and stage."""

    text: str
    mx: str = ""
    stage: Stage | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One piece of knowledge. A rule without patterns decides by codes alone.

    ``action`` is right for a permanent reply (5yz), ``temporary`` for a transient one (4yz).
    ``unless`` lists patterns that take the reply away from this rule again.
    """

    id: str
    provider: str
    patterns: tuple[str, ...]
    unless: tuple[str, ...]
    codes: tuple[CodePattern, ...]
    stages: frozenset[Stage]
    category: Category
    scope: Scope
    action: Action
    temporary: Action
    confidence: float
    samples: tuple[Sample, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One file of rules: where it came from, its layer, its providers' MX suffixes."""

    where: str
    layer: Layer
    providers: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]


def parse(text: str, where: str) -> RuleSet:
    """Read one rules file. Raises :class:`relay.strict_yaml.SourceError` with every fault."""
    reader = Reader(where)
    root = reader.read(text)
    if not isinstance(root, Fields):
        reader.problem(root, "a mapping with the key rules is expected")
        raise SourceError(reader.problems)
    reader.known(root, ("layer", "providers", "rules"))
    layer = _layer(reader, root)
    providers = _providers(reader, root.values.get("providers"))
    rules = _rules(reader, root.values.get("rules"), providers)
    reader.stop()
    return RuleSet(where, layer, providers, rules)


def _layer(reader: Reader, root: Fields) -> Layer:
    word = reader.text(root, "layer", "site")
    layer = Layer.__members__.get(word.upper())
    if layer is None:
        names = [name.lower() for name in Layer.__members__]
        reader.problem(root, f"no such layer: {word!r}", nearest(word, names), key="layer")
        return Layer.SITE
    return layer


def _providers(reader: Reader, node: Node | None) -> dict[str, tuple[str, ...]]:
    if node is None:
        return {}
    if not isinstance(node, Fields):
        reader.problem(node, "a mapping of provider to MX suffixes is expected")
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name in node.values:
        if name == ANY:
            reader.problem(node, f"{ANY!r} means every provider and cannot be named", key=name)
        suffixes = tuple(t.value.strip().lower().strip(".") for t in reader.texts(node, name))
        if not all(suffixes):
            reader.problem(node.values[name], "an MX suffix is empty")
        found[name] = suffixes
    return found


def _rules(
    reader: Reader, node: Node | None, providers: Mapping[str, tuple[str, ...]]
) -> tuple[Rule, ...]:
    if node is None or (isinstance(node, Text) and node.is_null):
        return ()
    if not isinstance(node, Items):
        reader.problem(node, "a list of rules is expected")
        return ()
    rules: list[Rule] = []
    ids: dict[str, int] = {}
    for part in node.values:
        if not isinstance(part, Fields):
            reader.problem(part, "a rule is a mapping with id, category, samples")
            continue
        rule = _rule(reader, part, providers)
        if rule.id in ids:
            message = f"the id {rule.id!r} stands already in line {ids[rule.id]}"
            reader.problem(part, message, key="id")
        ids[rule.id] = part.line
        rules.append(rule)
    return tuple(rules)


def _rule(reader: Reader, node: Fields, providers: Mapping[str, tuple[str, ...]]) -> Rule:
    reader.known(node, _RULE_KEYS)
    name = reader.text(node, "id")
    if name and not ID.fullmatch(name):
        reader.problem(node, f"bad id {name!r}", "lower case, digits, - and .", key="id")
    provider = reader.text(node, "provider", ANY)
    if provider != ANY and provider not in providers:
        hint = nearest(provider, [ANY, *providers])
        reader.problem(node, f"no MX suffixes for provider {provider!r}", hint, key="provider")
    patterns = _patterns(reader, node, "pattern")
    wanted = _codes(reader, node)
    if not patterns and not wanted:
        reader.problem(node, "a rule needs a pattern or codes, else it fits everything")
    category = _word(reader, node, "category", Category) or Category.OTHER
    scope, action, temporary = _consequence(reader, node, category)
    stages = _stages(reader, node)
    return Rule(
        id=name,
        provider=provider,
        patterns=patterns,
        unless=_patterns(reader, node, "unless"),
        codes=wanted,
        stages=stages,
        category=category,
        scope=scope,
        action=action,
        temporary=temporary,
        confidence=_confidence(reader, node),
        samples=_samples(reader, node, (*providers.get(provider, ()), "")[0], stages),
        line=node.line,
    )


def _consequence(reader: Reader, node: Fields, category: Category) -> tuple[Scope, Action, Action]:
    usual = conventions.DEFAULTS[category][1]
    action = _word(reader, node, "action", Action, required=False) or usual
    softer = Action.RETRY_LATER if action in conventions.PERMANENT else action
    temporary = _word(reader, node, "temporary", Action, required=False) or softer
    scope = _word(reader, node, "scope", Scope, required=False)
    scope = scope or conventions.scope_of(category, action)
    if scope not in conventions.SCOPES[action]:
        allowed = ", ".join(sorted(conventions.SCOPES[action]))
        message = f"{action} cannot have the scope {scope}"
        reader.problem(node, message, f"one of {allowed}", key="scope")
    return scope, action, temporary


def _word(
    reader: Reader, node: Fields, key: str, kind: type[_Word], required: bool = True
) -> _Word | None:
    word = reader.text(node, key, None if required else "")
    if not word:
        return None
    try:
        return kind(word)
    except ValueError:
        reader.problem(node, f"no such {key}: {word!r}", nearest(word, list(kind)), key=key)
        return None


def _patterns(reader: Reader, node: Fields, key: str) -> tuple[str, ...]:
    good: list[str] = []
    for text in reader.texts(node, key):
        reason = fault(text.value)
        if reason:
            reader.problem(text, reason)
        else:
            good.append(text.value)
    return tuple(good)


def fault(pattern: str) -> str:
    """What keeps a pattern from being used; empty where nothing does."""
    if len(pattern) > MAX_PATTERN:
        return f"the pattern is longer than {MAX_PATTERN} characters"
    try:
        compiled = re2.compile(pattern, options())
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        words = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        return f"not an RE2 pattern: {words}"
    if compiled.programsize > MAX_PROGRAM:
        return f"the pattern is too expensive ({compiled.programsize} > {MAX_PROGRAM} steps)"
    if compiled.search(""):
        return "the pattern fits every text, the empty one too"
    return ""


def options() -> re2.Options:
    """RE2's options for every pattern: no case, errors raised and not written to stderr."""
    made = re2.Options()
    made.case_sensitive = False
    made.log_errors = False
    made.never_capture = True
    return made


def _codes(reader: Reader, node: Fields) -> tuple[CodePattern, ...]:
    found: list[CodePattern] = []
    for text in reader.texts(node, "codes"):
        try:
            found.append(codes.read(text.value))
        except ValueError as error:
            reader.problem(text, str(error))
    return tuple(found)


def _stages(reader: Reader, node: Fields) -> frozenset[Stage]:
    found: set[Stage] = set()
    for text in reader.texts(node, "stage"):
        stage = Stage.of(text.value)
        if stage is None:
            hint = nearest(text.value, conventions.STAGES)
            reader.problem(text, f"no such stage: {text.value!r}", hint)
        else:
            found.add(stage)
    return frozenset(found)


def _confidence(reader: Reader, node: Fields) -> float:
    word = reader.text(node, "confidence", "0.9")
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        reader.problem(node, f"{word!r} is no share between 0 and 1", key="confidence")
        return 0.9
    return value


def _samples(reader: Reader, node: Fields, mx: str, stages: frozenset[Stage]) -> tuple[Sample, ...]:
    value = node.values.get("samples")
    stage = min(stages) if stages else None
    if value is None:
        reader.problem(node, "a rule without a real sample is not accepted", key="samples")
        return ()
    found: list[Sample] = []
    for part in value.values if isinstance(value, Items) else (value,):
        if isinstance(part, Text):
            found.append(Sample(part.value, mx, stage, part.line))
        elif isinstance(part, Fields):
            reader.known(part, ("text", "mx", "stage"))
            word = reader.text(part, "stage", stage.word if stage else "")
            given = Stage.of(word)
            if word and given is None:
                hint = nearest(word, conventions.STAGES)
                reader.problem(part, f"no such stage: {word!r}", hint, key="stage")
            text, host = reader.text(part, "text"), reader.text(part, "mx", mx)
            found.append(Sample(text, host, given, part.line))
        else:
            reader.problem(part, "a sample is a text or a mapping with text, mx, stage")
    if not found:
        reader.problem(node, "a rule without a real sample is not accepted", key="samples")
    return tuple(found)
