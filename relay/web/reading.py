"""Reading: a letter taken apart to be shown; bounded, and it never raises on what a letter holds.

Not Python's own parser, which a letter can keep busy: here every level of a multipart is found by
a plain search for its delimiter, at most `MAX_DEPTH` levels and `MAX_PARTS` parts are looked at,
and what lies deeper or beyond is offered as an attachment or left in the source, with a notice.
Runs in a thread: a letter of 25 MiB takes a fraction of a second.
"""

from __future__ import annotations

import binascii
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Final, Literal

from relay.mail import folding
from relay.mail.headers import Headers, split

MAX_SIZE: Final = 32 * 1024 * 1024  # octets of a letter that is taken apart
MAX_DEPTH: Final = 20
MAX_PARTS: Final = 200
MAX_SHOWN: Final = 1024 * 1024  # characters of text shown
MAX_IMAGES: Final = 2 * 1024 * 1024  # octets of embedded images shown
MAX_NAME: Final = 100  # characters of an attachment's name
_MAX_HEAD: Final = 256 * 1024  # octets of a header block that are read
_MAX_VALUE: Final = 8 * 1024  # characters of a MIME header field that are read
_KIND: Final = re.compile(r"\s*([\w.+-]{1,80})/([\w.+-]{1,80})")
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]{1,60})\s*=\s*("(?:[^"\\]|\\.)*+"|[^\s;]*)')
_UNSAFE_NAME: Final = re.compile(
    r'[\x00-\x1f\x7f<>:"/\\|?*\u200b-\u200f\u2028-\u202e\u2066-\u2069]+'
)
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part to download; `name` is safe for any file system, `kind` is what the letter said."""

    name: str
    kind: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the letter's text, as it came: HTML is not cleaned yet."""

    kind: Literal["html", "text"]
    text: str


@dataclass(slots=True)
class Reading:
    """A letter taken apart. `is_cut`: not all of it could be shown."""

    subject: str = ""
    sender: str = ""
    recipients: str = ""
    blocks: list[Block] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    images: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # by Content-ID
    is_cut: bool = False


def read(letter: bytes) -> Reading:
    """Take the letter apart."""
    head, body = split(letter[:MAX_SIZE])
    headers = Headers.parse(head[:_MAX_HEAD])
    reading = Reading(
        headers.decoded("Subject") or "",
        headers.decoded("From") or "",
        headers.decoded("To") or "",
        is_cut=len(letter) > MAX_SIZE,
    )
    taken = _Taker(body, reading)
    reading.blocks = taken.part(headers, 0, len(body), 0)
    return reading


class _Taker:
    def __init__(self, body: bytes, reading: Reading) -> None:
        self._body = body
        self._reading = reading
        self._parts = 0
        self._shown = 0
        self._image_octets = 0

    def part(self, headers: Headers, start: int, end: int, depth: int) -> list[Block]:
        """A part's blocks; what is no text of the letter goes to the attachments."""
        self._parts += 1
        kind, parameters = _typed(headers.unfolded("Content-Type") or "text/plain")
        boundary = parameters.get("boundary", "")
        if kind.startswith("multipart/") and boundary and depth < MAX_DEPTH:
            children = self._children(boundary, start, end, depth)
            if kind == "multipart/alternative":
                return _best(children)
            return [block for blocks in children for block in blocks]
        if kind.startswith("multipart/"):
            self._reading.is_cut = True
        disposition, details = _typed(headers.unfolded("Content-Disposition") or "", slash=False)
        name = _parameter(details, "filename") or _parameter(parameters, "name")
        octets = _decoded(self._body[start:end], headers.unfolded("Content-Transfer-Encoding"))
        if disposition != "attachment" and kind in ("text/plain", "text/html") and not name:
            return self._text(kind, octets, parameters.get("charset", "utf-8"))
        self._keep_image(headers, kind, octets)
        self._attach(name, kind, octets)
        return []

    def _children(self, boundary: str, start: int, end: int, depth: int) -> list[list[Block]]:
        found: list[list[Block]] = []
        for begin, stop in _between(self._body, boundary.encode("latin-1", "replace"), start, end):
            if self._parts >= MAX_PARTS:
                self._reading.is_cut = True
                break
            head, body_start = _headed(self._body, begin, stop)
            found.append(self.part(Headers.parse(head), body_start, stop, depth + 1))
        return found

    def _text(self, kind: str, octets: bytes, charset: str) -> list[Block]:
        room = MAX_SHOWN - self._shown
        text = folding.decode_octets(octets[: 4 * room], charset)
        if len(text) > room or len(octets) > 4 * room:
            self._reading.is_cut = True
        text = text[:room]
        self._shown += len(text)
        return [Block("html" if kind == "text/html" else "text", text)] if text.strip() else []

    def _keep_image(self, headers: Headers, kind: str, octets: bytes) -> None:
        name = (headers.unfolded("Content-ID") or "").strip(" <>")
        if name and kind in _IMAGES and self._image_octets + len(octets) <= MAX_IMAGES:
            self._image_octets += len(octets)
            self._reading.images.setdefault(name, (kind, octets))

    def _attach(self, name: str, kind: str, octets: bytes) -> None:
        number = len(self._reading.attachments) + 1
        endings = {"message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html"}
        shown = safe_name(name) or f"lampiran-{number}{endings.get(kind, '')}"
        self._reading.attachments.append(Attachment(shown, kind, octets))


def safe_name(name: str) -> str:
    """A file's name without folders, controls, or what turns the direction of text; may be empty.

    The ending is kept, since it tells the vendor what opens the file.
    """
    name = name.replace("\\", "/").rpartition("/")[2]
    name = " ".join(_UNSAFE_NAME.sub("_", name).split()).strip(" .")
    if len(name) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        return name[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"


def _best(children: list[list[Block]]) -> list[Block]:
    """Of alternatives the last that holds HTML, else the last that holds anything (RFC 2046)."""
    filled = [blocks for blocks in children if blocks]
    html = [blocks for blocks in filled if any(block.kind == "html" for block in blocks)]
    return (html or filled or [[]])[-1]


def _between(body: bytes, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the parts of a multipart begin and end; the last may lack its closing delimiter."""
    delimiter = b"\n--" + boundary
    begin: int | None = None
    spans: list[tuple[int, int]] = []
    at = start if body.startswith(delimiter[1:], start, end) else -1
    after = at + len(delimiter) - 1
    while True:
        if at < 0:
            at = body.find(delimiter, max(start, after if begin is not None else start), end)
            if at < 0:
                break
            after = at + len(delimiter)
        line_end = body.find(b"\n", after, end)
        rest = body[after : line_end if line_end >= 0 else end][:80].rstrip()
        if rest in (b"", b"--"):
            if begin is not None:
                spans.append((begin, at - (body[at - 1 : at] == b"\r")))
            if rest == b"--" or line_end < 0 or len(spans) > MAX_PARTS:
                return spans
            begin = line_end + 1
            after = line_end  # the next delimiter may follow at once
        elif begin is None:
            start = after
        at = -1
    if begin is not None:
        spans.append((begin, end))
    return spans


def _headed(body: bytes, start: int, end: int) -> tuple[bytes, int]:
    """A part's header block, and where its body begins."""
    if body.startswith((b"\r\n", b"\n"), start, end):
        return b"", body.index(b"\n", start, end) + 1
    blank = re.compile(rb"\r?\n\r?\n").search(body, start, min(end, start + _MAX_HEAD))
    if blank is None:
        return body[start : min(end, start + _MAX_HEAD)], end
    return body[start : blank.start()] + b"\r\n", blank.end()


def _typed(value: str, slash: bool = True) -> tuple[str, dict[str, str]]:
    """A Content-Type or -Disposition: its word in lower case, its parameters as written."""
    value = value[:_MAX_VALUE]
    match = _KIND.match(value) if slash else re.match(r"\s*([\w-]{1,40})", value)
    word = match[0].strip().lower() if match else ("application/octet-stream" if slash else "")
    parameters: dict[str, str] = {}
    for name, raw in _PARAMETER.findall(value):
        plain = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw
        parameters.setdefault(name.lower(), plain)
    return word, parameters


def _parameter(parameters: dict[str, str], name: str) -> str:
    """A parameter for people: RFC 2231's forms and pieces, or encoded words, or plain."""
    pieces = [parameters[f"{name}*"]] if f"{name}*" in parameters else []
    is_encoded = bool(pieces)
    for n in range(MAX_PARTS if not pieces else 0):
        encoded, plain = parameters.get(f"{name}*{n}*"), parameters.get(f"{name}*{n}")
        if encoded is None and plain is None:
            break
        is_encoded = is_encoded or encoded is not None
        pieces.append(encoded if encoded is not None else urllib.parse.quote(plain or ""))
    if not pieces:
        return folding.decode(parameters.get(name, ""))
    value = "".join(pieces)
    charset, first, rest = value.partition("'")
    if is_encoded and first and "'" in rest:
        value = rest.partition("'")[2]
    else:
        charset = "utf-8"
    return folding.decode_octets(urllib.parse.unquote_to_bytes(value), charset)


def _decoded(octets: bytes, encoding: str | None) -> bytes:
    """A part's octets without their transfer encoding; what is broken is read as far as it goes."""
    word = (encoding or "").strip().lower()
    if word == "quoted-printable":
        return binascii.a2b_qp(octets)
    if word != "base64":
        return octets
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
