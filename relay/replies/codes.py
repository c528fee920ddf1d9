"""Codes: patterns of basic and enhanced status codes, and codes found inside a reply's text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relay.mail.reply import EnhancedCode

_BASIC: Final = re.compile(r"([2-5x])([0-9x])([0-9x])")
_ENHANCED: Final = re.compile(r"([245x])\.([0-9]{1,3}|x)\.([0-9]{1,3}|x)")
# A code inside a text counts only where something says that it is one: a basic code before it,
# or qmail's (#5.1.1). An IP address, a version or `4.16.55.1` is none.
_INNER: Final = re.compile(
    r"(?:\b[45][0-9]{2}[ -]|(?:^|[ (])#)([45])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.]*[0-9])"
)


@dataclass(frozen=True, slots=True)
class CodePattern:
    """``550``, ``5xx``, ``5.7.1``, ``5.7.x`` or ``x.1.1``; ``x`` stands for anything."""

    text: str

    @property
    def is_enhanced(self) -> bool:
        """True for ``5.7.1``, False for ``550``."""
        return "." in self.text

    def matches(self, code: int, enhanced: EnhancedCode | None) -> bool:
        """Whether a reply with these codes fits."""
        if not self.is_enhanced:
            shown = f"{code:03d}"
            return len(shown) == 3 and all(
                want in ("x", have) for want, have in zip(self.text, shown, strict=True)
            )
        if enhanced is None:
            return False
        parts = (enhanced.klass, enhanced.subject, enhanced.detail)
        wanted = self.text.split(".")
        return all(want in ("x", str(have)) for want, have in zip(wanted, parts, strict=True))


def read(text: str) -> CodePattern:
    """The pattern of a text. Raises ValueError with a sentence."""
    word = text.strip().lower()
    if _BASIC.fullmatch(word) or _ENHANCED.fullmatch(word):
        return CodePattern(word)
    raise ValueError(f"{text!r} is no code (write 550, 5xx, 5.7.1, 5.7.x or x.1.1)")


def inside(text: str) -> EnhancedCode | None:
    """The last enhanced code that a reply quotes in its text; None where it quotes none."""
    found = None
    for match in _INNER.finditer(text):
        found = match
    return EnhancedCode(int(found[1]), int(found[2]), int(found[3])) if found else None
