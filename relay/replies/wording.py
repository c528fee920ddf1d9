"""Wording: a reply's text made comparable, bounded and in linear time, for the patterns.

One line in lower case, blanks single, typographic quotes plain, mail addresses replaced by
``a@b`` (a local part called `spam` says nothing), status codes that a wrapped line repeats taken
out, words joined by underscores apart. Only the first :data:`MAX_TEXT` characters are read.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_TEXT: Final = 4096
# Latin letters without their accents (é → e, ß → ss): many servers leave them out.
_LETTERS: Final = {
    chr(n): unicodedata.normalize("NFD", chr(n))[0]
    for n in range(0xC0, 0x180)
    if unicodedata.decomposition(chr(n))
} | {"ß": "ss", "ø": "o", "ł": "l", "ı": "i"}
_PLAIN: Final = str.maketrans(
    _LETTERS
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " ", "\x00": " "}
    # Halves of surrogate pairs, as octets that are no UTF-8 come from a shell: RE2 takes none.
    | dict.fromkeys(map(chr, range(0xD800, 0xE000)), "\ufffd")
)
_REPEATED: Final = re.compile(r"(?<![\w.])[245][0-9]{2}[ -][245]\.[0-9]{1,3}\.[0-9]{1,3} ")
_LEADING_CODE: Final = re.compile(r"^[245][0-9]{2}[ -](?:[245]\.[0-9]{1,3}\.[0-9]{1,3} )?")
# Words that a server joined (`mailbox_currently_suspended`); codes like OFR_416 are none.
_JOINED: Final = re.compile(r"(?<![a-z0-9_])[a-z0-9]{1,30}(?:_[a-z]{1,30}){2,12}(?![a-z0-9_])")
# Both sides are bounded, so a long run without an @ costs at most 64 steps a character.
_ADDRESS: Final = re.compile(r"[^\s<>()\[\]:;,\"'=@]{1,64}@[a-z0-9*_-][a-z0-9._*-]{0,252}")


def plain(pattern: str) -> str:
    """A rule's pattern in the letters that texts are compared in."""
    return pattern.translate(_PLAIN)


def comparable(text: str) -> str:
    """The text as patterns see it.

    Where a server quotes another (``… host mx said: 550 …``) only what was quoted last stands:
    the frame's own words (`undeliverable address`) are no reason. A frame that names the sender
    stays: what was asked there was our address.
    """
    line = text[:MAX_TEXT].lower()
    if not line.isascii() or "\x00" in line:
        line = line.translate(_PLAIN)
    line = " ".join(line.split())
    frame, quoted, inner = line.rpartition(" said: ")
    if quoted and len(inner) > len("550 5.1.1") and "sender" not in frame:
        line = _LEADING_CODE.sub("", inner, count=1)
    if "_" in line:
        line = _JOINED.sub(lambda found: found[0].replace("_", " "), line)
    if "@" in line:
        line = _ADDRESS.sub("a@b", line)
    if "5." in line or "4." in line or "2." in line:
        line = _REPEATED.sub("", line)
    return line
