"""Understanding rejections: rules as data, a classifier over them, and readers of pasted replies.

Pure: rule texts are handed in. :func:`load` is the entry for whoever has read the files.
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.replies.classify import Classifier, check
from relay.replies.rules import Rule, RuleSet, parse
from relay.strict_yaml import Problem, SourceError

__all__ = ["Classifier", "Problem", "Rule", "RuleSet", "SourceError", "check", "load", "parse"]


def load(texts: Mapping[str, str]) -> Classifier:
    """A checked classifier from files' texts by their names (shipped ones, then the site's).

    Raises SourceError with every fault of every file, the samples' included.
    """
    problems: list[Problem] = []
    rulesets: list[RuleSet] = []
    for where, text in texts.items():
        try:
            rulesets.append(parse(text, where))
        except SourceError as error:
            problems.extend(error.problems)
    if problems:
        raise SourceError(problems)
    classifier = Classifier(rulesets)
    problems = check(classifier)
    if problems:
        raise SourceError(problems)
    return classifier
