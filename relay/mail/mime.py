"""MIME: a letter made 7-bit-safe before it is hashed, so that what is stored is what is sent.

Text parts become quoted-printable, others base64, and their fields say so (RFC 2045). Only what
must change does: a part in ASCII with lines in bounds keeps its octets. Left as they are, 8-bit
or not: signed multiparts and message parts (RFC 2045 6.4, RFC 1847), and everything where the
letter has more than :data:`MAX_PARTS` parts or is nested deeper than :data:`MAX_DEPTH`; then
``is_8bit`` tells that the next server must offer 8BITMIME. Linear time on any input.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final

from relay.mail import folding
from relay.mail.headers import MAX_FIELDS, Field, Headers

MAX_LINE: Final = 998  # octets without CRLF (RFC 5321 4.5.3.1.6)
MAX_DEPTH: Final = 50  # multiparts within one another
MAX_PARTS: Final = 1_000  # parts of one multipart, and parts in need of work in one letter
MAX_CONTENT_TYPE: Final = 4_096  # characters of a Content-Type that are read
_PIECE: Final = 256 * 1024
_CTE: Final = "Content-Transfer-Encoding"
_TYPE: Final = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]+)/([A-Za-z0-9!#$&^_.+-]+)")
_BOUNDARY: Final = re.compile(
    r';[ \t]*boundary[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.){1,200})"|([^\s;"]{1,200}))', re.IGNORECASE
)
_AFTER_MARK: Final = re.compile(rb"(--)?[ \t]*+(?:\r\n|\Z)")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")
_NO_ASCII: Final = re.compile(rb"[\x80-\xff]")
_QUOTED_PIECE: Final = re.compile(rb".{1,75}(?<!=)(?<!=.)|.{1,75}", re.DOTALL)  # no =XX is cut
_FORBIDDEN: Final = str.maketrans("\r\n\0", "   ")


@dataclass(frozen=True, slots=True)
class SevenBit:
    """A letter as it may leave; ``is_changed``: header or body differ from what was given.

    ``is_8bit``: the body still holds octets above 127; ``needs_utf8``: the header does.
    """

    headers: Headers
    body: bytes
    is_changed: bool
    is_body_changed: bool
    is_8bit: bool
    needs_utf8: bool


def needs_work(octets: bytes) -> bool:
    """True where there are octets above 127 or a line over 998; some µs for a usual body."""
    return not octets.isascii() or has_long_line(octets)


def has_long_line(octets: bytes) -> bool:
    """True where a line is over 998 octets. Looks at one newline in a thousand octets."""
    at, size = 0, len(octets)
    while size - at > MAX_LINE:
        newline = octets.rfind(b"\n", at, at + MAX_LINE + 2)
        if newline < 0:
            return True
        at = newline + 1
    return False


def make_7bit(headers: Headers, body: bytes, is_smtputf8: bool = False) -> SevenBit:
    """The letter with nothing above 127 and no line over 998 where that can be had.

    ``headers`` are mended too: odd lines are wrapped, raw 8-bit values become encoded words
    (unless the client asked for SMTPUTF8), over-long lines are folded. ``body`` holds CRLF
    lines. Never raises; where it must leave something, it says so in the result.
    """
    mended = _mended(headers.mended(), is_smtputf8)
    changed = body
    if needs_work(body):
        mended, changed = _Encoder(is_smtputf8).entity(mended, body, 0)
    return SevenBit(
        headers=mended,
        body=changed,
        is_changed=mended is not headers or changed is not body,
        is_body_changed=changed is not body,
        is_8bit=not changed.isascii(),
        needs_utf8=not mended.to_bytes().isascii(),
    )


def _mended(headers: Headers, is_smtputf8: bool) -> Headers:
    """Fields in ASCII with lines in bounds; the same object where they are that already."""
    if _is_fit(headers.to_bytes(), is_smtputf8):
        return headers
    fields = headers.fields
    return Headers(
        tuple([f if _is_fit(f.raw, is_smtputf8) else _refolded(f, is_smtputf8) for f in fields])
    )


def _is_fit(octets: bytes, is_smtputf8: bool) -> bool:
    return (is_smtputf8 or octets.isascii()) and not has_long_line(octets)


def _refolded(field: Field, is_smtputf8: bool) -> Field:
    text = field.unfolded.translate(_FORBIDDEN)
    return Field(field.name, folding.fold(field.name, text, is_smtputf8))


def content_type(headers: Headers) -> str:
    """The first Content-Type's value, cut at :data:`MAX_CONTENT_TYPE`; empty without one."""
    return (headers.unfolded("Content-Type") or "")[:MAX_CONTENT_TYPE]


def media_type(value: str) -> tuple[str, str]:
    """Type and subtype of a Content-Type in lower case; text/plain where it has none."""
    kind = _TYPE.match(value)
    return (kind[1].lower(), kind[2].lower()) if kind else ("text", "plain")


def parts(value: str, body: bytes) -> list[bytes]:
    """The parts of a multipart with that Content-Type, heads included; empty where none can be
    told apart, or where there are more than :data:`MAX_PARTS`."""
    boundary = _boundary(value)
    marks = _marks(body, boundary) if boundary else []
    ends = [mark[0] for mark in marks[1:]] + [len(body)]
    return [
        body[begin:end]
        for (_, begin, is_last), end in zip(marks, ends, strict=False)
        if not is_last
    ]


class _Encoder:
    """Walks one letter's parts; counts those that it opened."""

    def __init__(self, is_smtputf8: bool) -> None:
        self._is_smtputf8 = is_smtputf8
        self._opened = 0

    def entity(self, headers: Headers, body: bytes, depth: int) -> tuple[Headers, bytes]:
        """An entity in need of work, re-encoded; the same objects where it is left alone."""
        value = content_type(headers)
        main, sub = media_type(value)
        if main == "message" or (main == "multipart" and sub == "signed"):
            return headers, body
        if main == "multipart":
            return self._multipart(headers, body, value, depth)
        leaf = _leaf(headers, body, is_text=main == "text")
        if leaf is None:
            return headers, body
        encoding, encoded = leaf
        if depth == 0 and headers.get("MIME-Version") is None:
            headers = headers.add("MIME-Version", "1.0", at_end=True)
        if headers.get("Content-Type") is None:
            headers = headers.add(
                "Content-Type", f"text/plain; charset={_charset(body)}", at_end=True
            )
        return _with_encoding(headers, encoding), encoded

    def _multipart(
        self, headers: Headers, body: bytes, value: str, depth: int
    ) -> tuple[Headers, bytes]:
        boundary = _boundary(value)
        marks = _marks(body, boundary) if boundary and depth < MAX_DEPTH else []
        if not marks:
            return headers, body
        out: list[bytes] = []
        at = 0  # up to where the octets are in `out`
        for n, (_, begin, is_last) in enumerate(marks):
            if is_last:
                break
            end = marks[n + 1][0] if n + 1 < len(marks) else len(body)
            part = body[begin:end]
            changed = self._part(part, depth + 1) if needs_work(part) else part
            if changed is not part:
                out += (body[at:begin], changed)
                at = end
        if not out:
            return headers, body
        changed = b"".join((*out, body[at:]))
        if changed.isascii() and headers.get(_CTE) is not None:
            headers = _with_encoding(headers, "7bit")
        return headers, changed

    def _part(self, part: bytes, depth: int) -> bytes:
        self._opened += 1
        if self._opened > MAX_PARTS:
            return part
        if part.startswith(b"\r\n"):
            head, body = b"", part[2:]
        else:
            blank = part.find(b"\r\n\r\n")
            if blank < 0:
                return part
            head, body = part[: blank + 2], part[blank + 4 :]
        headers = Headers.parse(head)
        if headers.odd or len(headers.fields) >= MAX_FIELDS:
            return part
        new_headers, new_body = _mended(headers, self._is_smtputf8), body
        if needs_work(body):
            new_headers, new_body = self.entity(new_headers, body, depth)
        if new_headers is headers and new_body is body:
            return part
        return new_headers.to_bytes() + b"\r\n" + new_body


def _boundary(value: str) -> bytes:
    """A multipart's boundary; empty where it has none that can be a line."""
    match = _BOUNDARY.search(value)
    if match is None:
        return b""
    text = re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    return text.encode("ascii", "ignore") if text.isascii() else b""


def _marks(body: bytes, boundary: bytes) -> list[tuple[int, int, bool]]:
    """Delimiter lines: where the part before ends, where the next begins, whether it is the last.

    Empty where there are more than :data:`MAX_PARTS`.
    """
    mark = b"\r\n--" + boundary
    marks: list[tuple[int, int, bool]] = []
    start = 0 if body.startswith(mark[2:]) else body.find(mark)
    after = start + len(mark) - (2 if start == 0 and body.startswith(mark[2:]) else 0)
    while start >= 0:
        match = _AFTER_MARK.match(body, after)
        if match:
            is_last = match[1] is not None
            marks.append((start, match.end(), is_last))
            if is_last:
                break
            if len(marks) > MAX_PARTS:
                return []
        # The delimiter's own CRLF may be the next one's: an empty part.
        start = body.find(mark, match.end() - 2 if match else after)
        after = start + len(mark)
    return marks


def _leaf(headers: Headers, body: bytes, is_text: bool) -> tuple[str, bytes] | None:
    """A leaf's new encoding and octets; None where it is better left alone."""
    encoding = (headers.unfolded(_CTE) or "7bit").lower()
    if encoding == "base64":
        letters = b"".join(body.split())
        # Unbroken base64 is common; anything else in it cannot be mended.
        return ("base64", _wrapped(letters)) if _BASE64.fullmatch(letters) else None
    if encoding == "quoted-printable":
        return encoding, _requoted(body)
    if encoding not in ("7bit", "8bit", "binary"):
        return None
    if is_text:
        return "quoted-printable", quoted_printable(body)
    return "base64", _wrapped(binascii.b2a_base64(body, newline=False))


def quoted_printable(octets: bytes) -> bytes:
    """Octets with CRLF lines in quoted-printable, RFC 2045 6.7."""
    out: list[bytes] = []
    at, size = 0, len(octets)
    # In pieces, since one call holds the interpreter: a thread that encodes stalls nobody.
    while at < size:
        end = at + _PIECE
        if end < size:
            newline = octets.rfind(b"\r\n", at, end)
            end = newline + 2 if newline >= 0 else end - (octets[end - 1] == 0x0D)
        quoted = binascii.b2a_qp(octets[at:end], istext=True)
        out.append(quoted.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        if end < size and not quoted.endswith(b"\n"):
            out.append(b"=\r\n")
        at = end
    return b"".join(out)


def _requoted(body: bytes) -> bytes:
    """Quoted-printable in bounds again, line by line: what it stands for stays, octet for octet.
    Decoded and encoded anew, an =0A that is no line's end (a PDF's) would become one."""
    lines = body.split(b"\r\n")
    return b"\r\n".join([_softly_broken(line) if needs_work(line) else line for line in lines])


def _softly_broken(line: bytes) -> bytes:
    quoted = _NO_ASCII.sub(lambda octet: b"=%02X" % ord(octet[0]), line)
    return b"=\r\n".join([piece[0] for piece in _QUOTED_PIECE.finditer(quoted)])


def _wrapped(letters: bytes) -> bytes:
    lines = [letters[at : at + 76] for at in range(0, len(letters), 76)]
    return b"\r\n".join(lines) + b"\r\n"


def _charset(body: bytes) -> str:
    if body.isascii():
        return "us-ascii"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown-8bit"
    return "utf-8"


def _with_encoding(headers: Headers, encoding: str) -> Headers:
    return headers.change(_CTE, encoding)
