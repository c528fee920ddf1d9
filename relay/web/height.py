"""Height: how tall a letter's frame should be, guessed from its text; pure.

The frame runs nothing, so it cannot say how tall it became. A guess that is a little too tall
leaves a strip blank; one that is too short gives the frame a scroll bar.
"""

from __future__ import annotations

import html
import math
import re
from typing import Final

from relay.web.reading import Reading

PHONE: Final = 34  # characters of a letter's text on a line
DESK: Final = 100
STEP: Final = 50  # pixels between the heights that the style sheet knows for a wide screen
LOWEST: Final = 100
TALLEST: Final = 1200
TALLEST_WIDE: Final = 800
SOURCE: Final = 600  # of a letter that could not be taken apart
_LINE: Final = 25  # pixels
_EDGE: Final = 60  # above and below the text
_READ: Final = 20_000  # characters that are looked at
_UNSEEN: Final = re.compile(r"<(?:style|script|title)\b[^<>]*+>[^<]*+", re.IGNORECASE)
_BREAK: Final = re.compile(
    r"<(/?)(p|h[1-6]|ul|ol|table|blockquote|hr|br|div|tr|li)\b[^<>]*+>", re.IGNORECASE
)
_TAGS: Final = re.compile(r"<[^<>]*+>")
_APART: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "hr"})


def narrow(read: Reading | None) -> int:
    """Pixels on a phone."""
    return SOURCE if read is None else min(_pixels(read, PHONE), TALLEST)


def wide(read: Reading | None) -> int:
    """Steps of `STEP` pixels on a wide screen."""
    height = SOURCE if read is None else _pixels(read, DESK)
    return math.ceil(min(height, TALLEST_WIDE) / STEP)


def _pixels(read: Reading, columns: int) -> int:
    lines = 0.0
    for block in read.blocks:
        text = block.text[:_READ]
        lines += _of_html(text, columns) if block.kind == "html" else _of_text(text, columns)
    return max(LOWEST, _EDGE + math.ceil(lines * _LINE))


def _of_text(text: str, columns: int) -> int:
    """Its lines as they wrap, and the gap below."""
    return 1 + sum(_wrapped(line, columns) or 1 for line in text.rstrip().split("\n"))


def _of_html(text: str, columns: int) -> float:
    """Lines that wrap, blank ones between two breaks, and what stands apart by a margin."""
    lines = 3.0 if "<img" in text.lower() else 0.0  # an image, or the word that one is hidden
    at = 0
    text = _UNSEEN.sub("", text)
    for tag in _BREAK.finditer(text):
        is_end, name = tag[1], tag[2].lower()
        is_row = name == "tr" and is_end  # its cells stand side by side, and wrap sooner
        piece = _TAGS.sub("", text[at : tag.start()])
        wrapped = _wrapped(piece, columns // 2 if is_row else columns)
        at = tag.end()
        lines += wrapped
        if name == "br":
            lines += 0 if wrapped else 1
        elif name in _APART:
            lines += 0 if is_end else 0.7
        elif name == "tr":
            lines += 0 if is_end else 0.6
    return lines + _wrapped(_TAGS.sub("", text[at:]), columns)


def _wrapped(text: str, columns: int) -> int:
    """How many lines of a screen it takes; 0 where there are no words."""
    words = " ".join(html.unescape(text).split())
    return math.ceil(len(words) / columns)
