"""Legible: a letter as plain text for a terminal; nothing of it is run, fetched or believed."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import nh3

from relay.web import reading

_BREAKS: Final = re.compile(r"<(?:br|p|div|tr|li|h[1-6]|table)\b[^>]*>", re.IGNORECASE)
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
    """HTML without its marks; what breaks a line on a page breaks it here."""
    broken = _BREAKS.sub(lambda mark: "\n" + mark[0], text)
    return _BLANK.sub("\n\n", html.unescape(nh3.clean(broken, tags=set()))).strip()
