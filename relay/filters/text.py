"""Text: the words of a letter for machines to search, bounded, whatever the letter holds.

Looks at the first 64 KiB of the body, at most ten parts and five levels of them. Never raises.
"""

from __future__ import annotations

import binascii
import html
import re
from typing import Final

from relay.mail import mime
from relay.mail.folding import decode_octets
from relay.mail.headers import Headers, split

MAX_OCTETS: Final = 64 * 1024
MAX_PARTS: Final = 10
MAX_DEPTH: Final = 5
_TAG: Final = re.compile(r"<[^<>]*>")
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._:-]{1,40})', re.IGNORECASE)
_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")


def words(headers: Headers, body: bytes) -> str:
    """The text parts of a letter, decoded, tags taken out, blanks as single blanks. Of the headers
    they depend on Content-Type and Content-Transfer-Encoding alone."""
    found: list[str] = []
    entities = [(headers, body[:MAX_OCTETS], 0)]
    looked_at = 0
    while entities and looked_at < MAX_PARTS:
        looked_at += 1
        entity, octets, depth = entities.pop()
        value = mime.content_type(entity)
        main, sub = mime.media_type(value)
        if main == "multipart" and depth < MAX_DEPTH:
            inside = mime.parts(value, octets)[:MAX_PARTS]
            for part in reversed(inside):
                head, content = split(part)
                entities.append((Headers.parse(head), content, depth + 1))
        elif main == "text":
            found.append(_readable(entity, octets, value, is_html=sub == "html"))
    return " ".join(" ".join(found).split())


def _readable(headers: Headers, octets: bytes, value: str, is_html: bool) -> str:
    encoding = (headers.unfolded("Content-Transfer-Encoding") or "").lower()
    if encoding == "quoted-printable":
        octets = binascii.a2b_qp(octets)
    elif encoding == "base64":
        letters = _BASE64.sub(b"", octets)
        octets = binascii.a2b_base64(letters[: len(letters) // 4 * 4])
    charset = _CHARSET.search(value)
    text = decode_octets(octets, charset[1] if charset else "utf-8")
    if is_html:
        text = html.unescape(_TAG.sub(" ", text))
    return text
