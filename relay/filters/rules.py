"""Rules of classes: by subject, header or user, the first that fits wins; patterns are RE2.

A site's own rules come first, then the shipped ones of `classes.yaml`, whose text is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import re2

from relay.filters.settings import ClassRuleSettings
from relay.mail.headers import Headers
from relay.mail.urgency import Urgency
from relay.strict_yaml import Fields, Items, Problem, Reader, SourceError, Text

MAX_PROGRAM: Final = 2_000  # RE2's instructions: what a pattern may cost
MAX_LOOKED_AT: Final = 1_024  # characters of a value
_KEYS: Final = ("class", "subject", "header", "samples")


@dataclass(frozen=True, slots=True)
class Rule:
    """All conditions that it has must hold; it has at least one."""

    urgency: Urgency
    subject: Any = None  # compiled RE2
    header: str = ""
    value: Any = None  # compiled RE2, for the header
    user: str = ""

    def fits(self, subject: str, headers: Headers, user: str) -> bool:
        """True where every condition holds; `user` is empty for a client without AUTH."""
        return self.fits_subject(subject) and self.fits_otherwise(headers, user)

    def fits_subject(self, subject: str) -> bool:
        """True where the condition on the subject holds, or there is none."""
        return self.subject is None or bool(self.subject.search(subject[:MAX_LOOKED_AT]))

    def fits_otherwise(self, headers: Headers, user: str) -> bool:
        """True where the conditions on user and header hold."""
        if self.user and self.user != user:
            return False
        if self.value is None:
            return True
        fields = headers.all(self.header)[:10]
        return any(self.value.search(field.decoded[:MAX_LOOKED_AT]) for field in fields)


def options() -> Any:
    """RE2's options: no case, errors raised and not written to stderr."""
    made = re2.Options()
    made.case_sensitive = False
    made.log_errors = False
    return made


def compiled(pattern: str) -> Any:
    """A pattern ready to search with. Raises ValueError with what is wrong with it."""
    try:
        made = re2.compile(pattern, options())
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"no RE2 pattern: {text}") from None
    if made.programsize > MAX_PROGRAM:
        raise ValueError(f"the pattern is too expensive ({made.programsize} > {MAX_PROGRAM} steps)")
    return made


def _header(text: str) -> tuple[str, Any]:
    name, colon, pattern = text.partition(":")
    if not colon or not name.strip() or not pattern.strip():
        raise ValueError('a header rule is written "Name: RE2 pattern"')
    return name.strip(), compiled(pattern.strip())


def of_site(entries: Sequence[ClassRuleSettings], where: str = "relay.yaml") -> tuple[Rule, ...]:
    """The rules under `classes:`. Raises SourceError naming each faulty one (`classes[2]`)."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for n, entry in enumerate(entries):
        try:
            if not (entry.subject or entry.header or entry.user):
                raise ValueError("a rule needs a subject, a header or a user")
            name, value = _header(entry.header) if entry.header else ("", None)
            subject = compiled(entry.subject) if entry.subject else None
            urgency = Urgency.of(entry.urgency)
            rules.append(Rule(urgency, subject, name, value, entry.user or ""))
        except ValueError as error:
            problems.append(Problem(where, 1, f"classes[{n}]", str(error)))
    if problems:
        raise SourceError(problems)
    return tuple(rules)


def shipped(text: str, file: str = "filters/classes.yaml") -> tuple[Rule, ...]:
    """The rules of a rules file, its samples tested. Raises SourceError with every fault."""
    reader = Reader(file)
    root = reader.read(text)
    listed = root.values.get("rules") if isinstance(root, Fields) else None
    rules: list[Rule] = []
    samples: list[tuple[Text, Urgency]] = []
    for node in listed.values if isinstance(listed, Items) else ():
        if not isinstance(node, Fields):
            reader.problem(node, "a rule is a mapping")
            continue
        reader.known(node, _KEYS)
        try:
            urgency = Urgency.of(reader.text(node, "class"))
            rules += _of_node(reader, node, urgency)
        except ValueError as error:
            reader.problem(node, str(error))
            continue
        samples += ((sample, urgency) for sample in reader.texts(node, "samples"))
    if not rules:
        reader.problem(root, "there is no rule in it", key="rules")
    for sample, urgency in samples:
        found = urgency_of(rules, sample.value, Headers(()), "")
        if found is not urgency:
            got = found.word if found is not None else "no class"
            reader.problem(sample, f"the sample {sample.value!r} gets {got}, not {urgency.word}")
    reader.stop()
    return tuple(rules)


def _of_node(reader: Reader, node: Fields, urgency: Urgency) -> Iterable[Rule]:
    subjects = reader.texts(node, "subject")
    header = reader.text(node, "header", "")
    if not subjects and not header:
        raise ValueError("a rule needs a subject or a header")
    if subjects:
        # One pattern for the rule: one pass over the subject.
        for text in subjects:
            compiled(text.value)
        yield Rule(urgency, compiled("|".join(f"(?:{text.value})" for text in subjects)))
    if header:
        name, value = _header(header)
        yield Rule(urgency, None, name, value)


def urgency_of(rules: Iterable[Rule], subject: str, headers: Headers, user: str) -> Urgency | None:
    """The class of the first rule that fits; None where none does."""
    return next((rule.urgency for rule in rules if rule.fits(subject, headers, user)), None)
