"""Matcher: patterns and codes asked of a reply's text by themselves, outside of the classifier.

They mean what they mean in a rule: RE2 on the text as :mod:`relay.replies.wording` makes it, the
codes those of the reply, or of the one that it quotes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

import re2

from relay.mail import reply as replies
from relay.mail.reply import EnhancedCode
from relay.replies import codes, wording
from relay.replies.rules import options

_CACHED: Final = 64  # replies: several matchers are asked of one, and one reply is said often


class Matcher:
    """One that fits is enough; of `unless`, too many. No patterns: any text; no codes: any code."""

    def __init__(
        self, patterns: Iterable[str], unless: Iterable[str] = (), wanted: Iterable[str] = ()
    ) -> None:
        """Patterns without a fault (see :func:`relay.replies.rules.fault`). Raises ValueError for
        a code that is none."""
        self._patterns: Final = [_compiled(pattern) for pattern in patterns]
        self._unless: Final = [_compiled(pattern) for pattern in unless]
        self._codes: Final = [codes.read(word) for word in wanted]

    def fits(self, reply: str) -> bool:
        """Whether a whole reply, its codes in front, is meant."""
        code, enhanced, text = _heard(reply)
        if self._codes and not any(pattern.matches(code, enhanced) for pattern in self._codes):
            return False
        if self._patterns and not any(pattern.search(text) for pattern in self._patterns):
            return False
        return not any(pattern.search(text) for pattern in self._unless)


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(wording.plain(pattern), options())


@functools.lru_cache(_CACHED)
def _heard(reply: str) -> tuple[int, EnhancedCode | None, str]:
    heard = replies.parse(reply)
    enhanced = heard.enhanced or codes.inside(heard.text[: wording.MAX_TEXT])
    return heard.code, enhanced, wording.comparable(heard.text)
