"""Meanings: what each alert's name says to an administrator, how grave it is, and what to do; pure.

One table, in two files. A name is `word` or `word:key`; the first glob that matches the whole
name counts. Each meaning is said in English and in Bahasa Indonesia, for somebody who is no expert
of mail; `{key}` is what stands behind the colon. A test holds the table against every name that
the code raises.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from relay.observe.meanings_of_house import OF_HOUSE
from relay.observe.meanings_of_mail import OF_MAIL
from relay.observe.severity import Meaning, word_of


def meaning_of(name: str) -> Meaning:
    """The first meaning in the table that the name matches; the last one matches any."""
    return next(one for one in MEANINGS if any(fnmatchcase(name, glob) for glob in one.globs))


def words() -> list[str]:
    """Every word that the table knows, for who writes `only:`."""
    return sorted({word_of(glob) for one in MEANINGS for glob in one.globs} - {"*"})


MEANINGS: Final[tuple[Meaning, ...]] = (*OF_MAIL, *OF_HOUSE)
