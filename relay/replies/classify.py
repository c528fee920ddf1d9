"""Classifier: a reply or a failure → what it is about, whom it concerns, what is right to do.

The order of evidence: the text, by the first rule that fits (site, provider, server software,
general language); then the enhanced code, the basic code and the stage, by the rules that have
codes only. Then three laws that no rule can break:

* the basic code says whether it lasts: nothing is given up on a 4yz, nor on a 5yz whose enhanced
  code says 4;
* before MAIL no recipient and no letter is to blame, at MAIL no recipient;
* unsure keeps the mail: below :data:`SURE` a permanent action becomes `retry_later`. Words of a
  passing nature or of a failed look-up beside a shipped rule's verdict on an address make it
  unsure (:mod:`relay.replies.doubt`); a site's own rule knows what it says.

Linear time and bounded: RE2, on the first 4 KiB. Total: any text gets an answer.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import re2

from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Failure
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.replies import codes, conventions, doubt, failures, wording
from relay.replies.rules import ANY, Layer, Rule, RuleSet, options
from relay.strict_yaml import Problem

SURE: Final = 0.5
_DOUBTED: Final = 0.4
DOCUMENTED: Final = 0.9  # a provider's rule that is less sure is a guess of ours
UNKNOWN: Final = "unknown"  # the rule's name where nothing is known; `replies unknown` lists them
_CACHED: Final = 4096
_OF_THE_LETTER: Final = (Category.SPAM_CONTENT, Category.POLICY)


class Classifier:
    """The rules of all files, compiled once; immutable, so one instance serves every thread."""

    def __init__(self, rulesets: Iterable[RuleSet]) -> None:
        """``rulesets`` in any order: layers go by nature, files of one layer by their name."""
        self.rulesets: Final = tuple(sorted(rulesets, key=lambda r: (r.layer, r.where)))
        of_the_site = [r for s in self.rulesets if s.layer is Layer.SITE for r in s.rules]
        self._site: Final = frozenset(rule.id for rule in of_the_site)
        self._site_texts: Final = sum(1 for rule in of_the_site if rule.patterns)
        rules = [rule for ruleset in self.rulesets for rule in ruleset.rules]
        self._texts: Final[list[Rule]] = [rule for rule in rules if rule.patterns]
        self._codes: Final[list[Rule]] = [rule for rule in rules if not rule.patterns]
        self._guesses: Final = frozenset(rule.id for rule in self._codes) - self._site
        self._documented: Final = {
            rule.id: frozenset(ruleset.providers)
            for ruleset in self.rulesets
            for rule in ruleset.rules
            if ruleset.layer is Layer.PROVIDER
        }
        self._suffixes: Final = {
            suffix: name
            for ruleset in self.rulesets
            for name, suffixes in ruleset.providers.items()
            for suffix in suffixes
        }
        self._sieves: Final = _sieves(self.rulesets)
        # One search for all of a rule's `unless`: each costs about what the filter does.
        self._unless: Final = {
            n: re2.compile(
                "|".join(f"(?:{wording.plain(pattern)})" for pattern in rule.unless), options()
            )
            for n, rule in enumerate(self._texts)
            if rule.unless
        }
        self._by_code: Final = functools.lru_cache(_CACHED)(self._find_by_code)
        self._provider_of: Final = functools.lru_cache(_CACHED)(self._find_provider)

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """Read one reply. ``mx``: the host that said it; ``provider``: its name where known."""
        return self._read(reply, self._who(mx, provider), is_shipped=False)

    def shipped(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """What it would be without the site's rules: the log shows original → effective."""
        return self._read(reply, self._who(mx, provider), is_shipped=True)

    def _who(self, mx: str, provider: str | None) -> tuple[str | None, ...]:
        """The provider's names: as the caller calls it, and as the rules do."""
        derived = self._provider_of(mx.lower().rstrip(".")) if mx else None
        return (ANY, derived) if provider in (None, derived) else (ANY, derived, provider)

    def _read(
        self, reply: Reply, who: tuple[str | None, ...], *, is_shipped: bool
    ) -> Classification:
        # A reply without an enhanced code of its own may quote another's: the reason, not the
        # verdict on whether it lasts.
        enhanced = reply.enhanced or codes.inside(reply.text[: wording.MAX_TEXT])
        words = wording.comparable(reply.text)
        rule = self._by_text(words, reply, enhanced, who, self._site_texts if is_shipped else 0)
        if rule is None:
            rule = self._by_code(reply.code, enhanced, reply.stage, who, is_shipped)
        if rule is None:
            return Classification(
                Category.OTHER, Scope.DESTINATION, Action.RETRY_LATER, UNKNOWN, 0.1
            )
        made = _settled(rule, reply)
        if made.action is not Action.BOUNCE_ADDRESS or rule.id in self._site:
            return made
        if not doubt.is_cast(words, is_guess=rule.id in self._guesses):
            return made
        return replace(made, action=_softer(made.action), confidence=_DOUBTED)

    def overruled(self, said: Classification, reply: Reply, mx: str = "") -> Classification | None:
        """What it would be without the site's rules, where one of them decided and changed it."""
        if said.rule not in self._site:
            return None
        shipped = self.shipped(reply, mx)
        same = (shipped.category, shipped.scope, shipped.action) == (
            said.category,
            said.scope,
            said.action,
        )
        return None if same else shipped

    def is_guess(self, said: Classification) -> bool:
        """True where no rule knew the words: what codes mean in general decided, or nothing did. A
        site's rule of codes alone is no guess: somebody there knows them."""
        return said.rule == UNKNOWN or said.rule in self._guesses

    def is_documented(self, said: Classification, mx: str) -> bool:
        """True where a provider's rule knew the words and a host of that provider said them: it
        publishes what they mean."""
        whose = self._documented.get(said.rule, ())
        who = self._provider_of(mx.lower().rstrip(".")) if whose else None
        return who in whose and said.confidence >= DOCUMENTED

    def is_overruled(self, ruleset: RuleSet, by: str) -> bool:
        """True where a site's rule decides a shipped sample: that is what site rules are for."""
        return ruleset.layer is not Layer.SITE and by in self._site

    def classify_failure(self, failure: Failure) -> Classification:
        """Read a failure to get any reply."""
        return failures.classify(failure)

    def _by_text(
        self,
        text: str,
        reply: Reply,
        enhanced: EnhancedCode | None,
        who: tuple[str | None, ...],
        first: int,
    ) -> Rule | None:
        if not text:
            return None
        for sieve, owners in self._sieves:
            for n in sorted({owners[index] for index in sieve.Match(text) or ()}):
                rule: Rule = self._texts[n]
                if n < first or not _fits(rule, reply.code, enhanced, reply.stage, who):
                    continue
                unless = self._unless.get(n)
                if unless is None or not unless.search(text):
                    return rule
        return None

    def _find_by_code(
        self,
        code: int,
        enhanced: EnhancedCode | None,
        stage: Stage | None,
        who: tuple[str | None, ...],
        is_shipped: bool,
    ) -> Rule | None:
        for rule in self._codes:
            if is_shipped and rule.id in self._site:
                continue
            if _fits(rule, code, enhanced, stage, who):
                return rule
        return None

    def _find_provider(self, mx: str) -> str | None:
        labels = mx.split(".")
        for n in range(len(labels)):
            name = self._suffixes.get(".".join(labels[n:]))
            if name is not None:
                return name
        return None


def _sieves(rulesets: Iterable[RuleSet]) -> list[tuple[re2.Filter, list[int]]]:
    """Filters over the rules with patterns, in their order, each with its patterns' rules.

    One for what is near (site, provider, software), one a file of general language: most replies
    are decided before the later ones are asked.
    """
    made: list[tuple[re2.Filter, list[int]]] = []
    last, n = "", 0
    for ruleset in rulesets:
        group = ruleset.where if ruleset.layer is Layer.LANGUAGE else "near"
        rules = [rule for rule in ruleset.rules if rule.patterns]
        if rules and group != last:
            made.append((re2.Filter(), []))
            last = group
        for rule in rules:
            for pattern in rule.patterns:
                made[-1][0].Add(wording.plain(pattern), options())
                made[-1][1].append(n)
            n += 1
    for sieve, _ in made:
        sieve.Compile()
    return made


def _fits(
    rule: Rule,
    code: int,
    enhanced: EnhancedCode | None,
    stage: Stage | None,
    who: tuple[str | None, ...],
) -> bool:
    if rule.provider not in who:
        return False
    if rule.stages and stage not in rule.stages:
        return False
    return not rule.codes or any(pattern.matches(code, enhanced) for pattern in rule.codes)


def _is_permanent(reply: Reply) -> bool:
    enhanced = reply.enhanced
    if reply.is_permanent:
        return enhanced is None or enhanced.klass == 5
    return reply.code == 0 and enhanced is not None and enhanced.klass == 5


def _settled(rule: Rule, reply: Reply) -> Classification:
    action = rule.action if _is_permanent(reply) else rule.temporary
    made = Classification(rule.category, rule.scope, action, rule.id, rule.confidence)
    is_early = reply.stage in conventions.BEFORE_MAIL
    if (is_early or reply.stage is Stage.MAIL) and made.category in _OF_THE_LETTER:
        made = _about_us(made)
    if is_early and made.scope in (Scope.RECIPIENT, Scope.MESSAGE):
        made = replace(made, action=_softer(made.action), scope=Scope.DESTINATION)
    if reply.stage is Stage.MAIL and made.scope is Scope.RECIPIENT:
        made = _about_the_sender(made)
    if made.confidence < SURE:
        made = replace(made, action=_softer(made.action))
    return made


def _softer(action: Action) -> Action:
    return Action.RETRY_LATER if action in conventions.PERMANENT else action


def _about_us(made: Classification) -> Classification:
    """Up to MAIL no letter has been seen: `spam` or `policy` there is our IP's or our domain's."""
    if made.scope is not Scope.MESSAGE:
        return made
    return replace(
        made,
        category=Category.SENDER_BLOCKED,
        scope=Scope.SENDER,
        action=Action.SLOW_DOWN_PROVIDER,
        confidence=min(made.confidence, 0.6),
    )


def _about_the_sender(made: Classification) -> Classification:
    """At MAIL only the sender has been named: `user unknown` there is our own address."""
    if made.category in (Category.UNKNOWN_USER, Category.INACTIVE_USER, Category.BAD_DOMAIN):
        return replace(
            made,
            category=Category.AUTH_FAILED,
            scope=Scope.OURSELVES,
            action=Action.FIX_CONFIG,
            confidence=min(made.confidence, 0.6),
        )
    return replace(made, scope=Scope.SENDER, action=_softer(made.action))


def check(classifier: Classifier) -> list[Problem]:
    """Every sample as a test: faults of rules whose samples another rule decides, or none."""
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for ruleset in classifier.rulesets:
        for n, rule in enumerate(ruleset.rules):
            if rule.id in seen:
                message = f"the id {rule.id!r} stands already in {seen[rule.id]}"
                problems.append(Problem(ruleset.where, rule.line, f"rules[{n}].id", message))
            seen[rule.id] = ruleset.where
            for k, sample in enumerate(rule.samples):
                reply = replies.parse(sample.text, sample.stage)
                said = classifier.classify(reply, sample.mx)
                if said.rule != rule.id and not classifier.is_overruled(ruleset, said.rule):
                    message = f"this sample of {rule.id} is decided by {said.rule}"
                    hint = "make the earlier rule narrower, or this one wider"
                    key = f"rules[{n}].samples[{k}]"
                    problems.append(Problem(ruleset.where, sample.line, key, message, hint))
    return problems
