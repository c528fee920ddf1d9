"""Legible: a letter as plain text for a terminal; nothing of it is run, fetched or believed."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import nh3

from relay.web import reading

_BREAKS: Final = re.compile(r"<(?:br|p|div|tr|li|h[1-6]|table)\b[^>]*>", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"(</t[dh]\s*>)\s+(?=<t[dh]\b)", re.IGNORECASE)
_CELL: Final = re.compile(r"<(tr|td|th)\b", re.IGNORECASE)
_BLANK: Final = re.compile(r"\n\s*\n\s*\n+")


def letter(octets: bytes) -> dict[str, Any]:
    """From, To, Subject as people read them, the text, and what is attached."""
    read = reading.read(octets)
    texts = [block.text if block.kind == "text" else _plain(block.text) for block in read.blocks]
    return {
        "from": read.sender,
        "to": read.recipients,
        "subject": read.subject,
        "text": "\n".join(text.replace("\r\n", "\n").strip("\n") for text in texts),
        "attachments": [
            {"name": one.name, "type": one.kind, "octets": len(one.octets)}
            for one in read.attachments
        ],
        "is_cut": read.is_cut,
    }


def _plain(text: str) -> str:
    """HTML without its marks; what breaks a line on a page breaks it here, and a tab stands
    between the cells of a table's row."""
    broken = _BREAKS.sub(lambda mark: "\n" + mark[0], _cells_apart(text))
    return _BLANK.sub("\n\n", html.unescape(nh3.clean(broken, tags=set()))).strip()


def _cells_apart(text: str) -> str:
    """A tab before each cell but the first of its row, whether the cell before it is closed or
    not: HTML lets an end tag be left out."""
    is_first = True

    def apart(mark: re.Match[str]) -> str:
        nonlocal is_first
        is_cell = mark[1].lower() != "tr"
        tab = "\t" if is_cell and not is_first else ""
        is_first = not is_cell
        return tab + mark[0]

    return _CELL.sub(apart, _BETWEEN.sub(r"\1", text))
