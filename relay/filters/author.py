"""Author: the one address that a From field names, where nobody can read it otherwise; pure.

Readers differ in what they make of a From that bends the grammar of RFC 5322 3.6.2: some take the
first address, some the last, some show what stands behind the brackets. What two of them could
read differently has no author here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from relay.mail.address import Address
from relay.mail.headers import Field
from relay.mail.mailboxes import addresses

MAX_FROM: Final = 16 * 1024  # octets of From: over it nobody reads who it is
_USUAL: Final = 256  # characters of a From that is remembered: an application has few of them
_ASIDE: Final = r'"(?:[^"\\]|\\.)*+"|\((?:[^()\\]|\\.)*+\)'  # quoted, or a comment
# A name, an address in angle brackets, and nothing behind them but comments.
_NAMED: Final = re.compile(
    rf'((?:{_ASIDE}|[^<>,;:()"])*+)<[^<>(),;:]*+>(?:\s|\((?:[^()\\]|\\.)*+\))*+', re.DOTALL
)
_BARE: Final = re.compile(rf'(?:{_ASIDE}|[^<>,;:()"])*+', re.DOTALL)
_ASIDES: Final = re.compile(_ASIDE, re.DOTALL)


def author(field: Field) -> Address | None:
    """The field's only address; None where it has none or several, where something else stands in
    it (a group, words behind the brackets, a second address as a name), or where it is too long."""
    if len(field.raw) > MAX_FROM:
        return None
    text = field.unfolded
    return _remembered(text) if len(text) <= _USUAL else _author(text)


def _author(text: str) -> Address | None:
    found = addresses(text)
    if len(found) != 1 or not isinstance(found[0], Address):
        return None
    named = _NAMED.fullmatch(text)
    if named is None:
        return found[0] if _BARE.fullmatch(text) else None
    name = _ASIDES.sub(" ", named[1]).strip()
    # `a@b <a@b>` is what careless programs write; another address there would be a mask.
    if "@" in name and name.lower() != str(found[0]).lower():
        return None
    return found[0]


_remembered = lru_cache(maxsize=1024)(_author)
