"""Folding: a header field made from text (RFC 5322 2.2.3, RFC 2047, RFC 2231), and text from one.

What is made cannot be injected into: CR, LF and NUL raise. What is read never raises and is
bounded; what cannot be decoded stays readable.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import Final, TypeVar

_Piece = TypeVar("_Piece", str, bytes)

WIDTH: Final = 78  # octets a line should have at most, without CRLF (RFC 5322 2.1.1)
HARD_WIDTH: Final = 998  # octets a line may have at most, without CRLF
MAX_DECODED: Final = 2048  # octets of a value that are decoded for people to read
MAX_WORD: Final = 64  # octets of an encoded word (RFC 2047 allows 75); leaves room for a name
NAME: Final = re.compile(r"[!-9;-~]{1,200}")
_FORBIDDEN: Final = re.compile(r"[\r\n\0]")
_BLANKS: Final = re.compile(r"[ \t]+")
_NEEDS_WORDS: Final = re.compile(r"[^\t -~]")
_PIECES: Final = re.compile(r"[ \t]*[^ \t]+")
_Q_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_WORD: Final = re.compile(
    r"=\?([!#-&+\-0-9A-Z\\^-~]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([bBqQ])\?([!->@-~ ]*)\?="
)
_CHARSET: Final = re.compile(
    r"(?:utf(?![\W_]*7)|us-|ascii|iso|latin|windows|cp\d|koi8|big5|gb|euc|shift|ks_c|mac|tis|hz)",
    re.IGNORECASE,
)
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " ")
# Fields whose values are lists of addresses: only phrases and comments may hold encoded words.
ADDRESS_FIELDS: Final = frozenset(
    ("from", "to", "cc", "bcc", "sender", "reply-to", "resent-from", "resent-to", "resent-cc")
)
PARAMETER_FIELDS: Final = frozenset(("content-type", "content-disposition"))
_ADDRESS_PIECE: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"|<[^>]*+>?|[(),;:]|[ \t]+|[^ \t"<(),;:]+|"', re.DOTALL
)
_PARAMETER: Final = re.compile(
    r'([ \t]*;[ \t]*)([^\s;=*"]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*+"|[^\s;"]+)', re.DOTALL
)


def fold(name: str, value: str, is_smtputf8: bool = False) -> bytes:
    """A whole field ``Name: value`` CRLF, folded at 78 octets where there are blanks.

    ``value`` is unfolded text, stripped here. What is not ASCII becomes encoded words (in an
    address field in its phrases and comments only, in a MIME field as RFC 2231 parameters)
    unless ``is_smtputf8``. No line is over 998 octets. Raises ValueError for a name that is
    none, and for CR, LF or NUL in the value.
    """
    # What is written into letter after letter is short.
    made = _remembered if len(value) <= WIDTH else _field
    return made(name, value, is_smtputf8)


def _field(name: str, value: str, is_smtputf8: bool) -> bytes:
    if not NAME.fullmatch(name):
        raise ValueError(f"not a header field's name: {name!r}")
    if _FORBIDDEN.search(value):
        raise ValueError(f"a value for {name} holds CR, LF or NUL")
    value = value.strip(" \t")
    if not is_smtputf8 and _NEEDS_WORDS.search(value):
        value = _encoded(name.lower(), value)
    raw = _lines(name, value)
    if _is_too_wide(raw) and name.lower() in ADDRESS_FIELDS:
        raw = _lines(name, value.replace(",", ", "))
    if _is_too_wide(raw):
        raw = _lines(name, " ".join(encode_words(value)))
    return raw + b"\r\n"


_remembered = lru_cache(maxsize=256)(_field)


def _is_too_wide(raw: bytes) -> bool:
    return len(raw) > HARD_WIDTH and any(len(line) > HARD_WIDTH for line in raw.split(b"\r\n"))


def _lines(name: str, value: str) -> bytes:
    raw = f"{name}: {value}".encode("utf-8", "surrogateescape")
    return raw if len(raw) <= WIDTH else _folded(raw, f"{name}:".encode())


def _folded(raw: bytes, label: bytes) -> bytes:
    """``raw`` broken before blanks. Unfolding gives it back, and no line is only blanks."""
    text = raw[len(label) :].decode("latin-1")
    lines: list[str] = []
    line = ""
    room = WIDTH - len(label)
    for piece in _PIECES.findall(text):
        # The first token stays beside the name: parsers stumble over an empty first line.
        if line and len(line) + len(piece) > room:
            lines.append(line)
            line, room = piece, WIDTH
        else:
            line += piece
    lines.append(line)
    return label + "\r\n".join(lines).encode("latin-1")


def _encoded(key: str, value: str) -> str:
    if key in ADDRESS_FIELDS:
        return _encode_addresses(value)
    if key in PARAMETER_FIELDS:
        value = _PARAMETER.sub(_encode_parameter, value)
        if not _NEEDS_WORDS.search(value):
            return value
    return encode_text(value)


def encode_text(value: str) -> str:
    """Text with its non-ASCII words, and the blanks between two of them, as encoded words."""
    parts: list[str] = []
    run = ""
    for piece in _PIECES.findall(value):
        if _NEEDS_WORDS.search(piece):
            run += piece
            continue
        if run:
            parts.append(_words_after_blanks(run))
            run = ""
        parts.append(piece)
    return "".join(parts) + (_words_after_blanks(run) if run else "")


def _words_after_blanks(run: str) -> str:
    word = run.lstrip(" \t")
    return run[: len(run) - len(word)] + " ".join(encode_words(word))


def _encode_addresses(value: str) -> str:
    """An address list with the phrases and comments encoded; addresses stay as they are."""
    parts: list[str] = []
    phrase = ""

    def close() -> None:
        nonlocal phrase
        core = phrase.strip(" \t")
        if core:
            at = phrase.index(core)
            parts.append(phrase[:at] + encode_text(core) + phrase[at + len(core) :])
        else:
            parts.append(phrase)
        phrase = ""

    for piece in _ADDRESS_PIECE.findall(value):
        if piece[0] in "<(),;:":
            is_glued = piece[0] == "<" and phrase[-1:] not in ("", " ", "\t")
            close()
            parts.append(f" {piece}" if is_glued else piece)
        elif piece[0] == '"' and len(piece) > 1 and _NEEDS_WORDS.search(piece):
            close()
            parts.append(" ".join(encode_words(re.sub(r"\\(.)", r"\1", piece[1:-1]))))
        elif "@" in piece or piece[0] == '"':
            close()
            parts.append(piece)
        else:
            phrase += piece
    close()
    return "".join(parts)


def _encode_parameter(match: re.Match[str]) -> str:
    """A MIME parameter with a non-ASCII value as RFC 2231 writes it."""
    before, name, value = match.groups()
    if not _NEEDS_WORDS.search(value):
        return match[0]
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    octets = value.encode("utf-8", "surrogateescape")
    plain = "".join(
        chr(o) if chr(o).isascii() and (chr(o).isalnum() or o in b"-._") else f"%{o:02X}"
        for o in octets
    )
    return f"{before}{name}*=utf-8''{plain}"


def encode_words(text: str) -> list[str]:
    """The text as encoded words in UTF-8, B or Q, whichever is shorter; no character is cut."""
    letters = [letter.encode("utf-8", "surrogateescape") for letter in text]
    quoted = [
        "_" if octets == b" " else "".join(chr(o) if o in _Q_PLAIN else f"={o:02X}" for o in octets)
        for octets in letters
    ]
    room = MAX_WORD - len("=?utf-8?q??=")
    if sum(map(len, quoted)) <= 4 * sum(map(len, letters)) / 3 + 4:
        return [f"=?utf-8?q?{''.join(group)}?=" for group in _grouped(quoted, room)]
    groups = _grouped(letters, room // 4 * 3)
    return [
        f"=?utf-8?b?{binascii.b2a_base64(b''.join(g), newline=False).decode()}?=" for g in groups
    ]


def _grouped(pieces: list[_Piece], room: int) -> list[list[_Piece]]:
    groups: list[list[_Piece]] = [[]]
    used = 0
    for piece in pieces:
        if used + len(piece) > room:
            groups.append([])
            used = 0
        groups[-1].append(piece)
        used += len(piece)
    return groups


def unfold(raw: bytes) -> str:
    """A raw value as one line of text: line ends gone, UTF-8 if it is that, else Latin-1."""
    flat = raw.replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t")
    return flat.decode("ascii") if flat.isascii() else decode_octets(flat)


def decode_octets(octets: bytes, charset: str = "utf-8") -> str:
    """Octets as text whatever they are: the charset, else UTF-8, else Latin-1."""
    # Python knows codecs that are no charsets (idna, unicode_escape): never asked by a letter. Nor
    # is UTF-7, which gives half a surrogate pair where one is written, and no text holds that.
    for name in (charset if _CHARSET.match(charset) else "utf-8", "utf-8"):
        try:
            return octets.decode(name)
        except (LookupError, ValueError):
            continue
    return octets.decode("latin-1")


def decode(value: str) -> str:
    """Unfolded text with its encoded words read (RFC 2047), for people; one line, no controls.

    Looks at the first :data:`MAX_DECODED` characters. Blanks between two encoded words go, and
    neighbours in one charset are joined before decoding, since many senders cut characters.
    """
    value = value[:MAX_DECODED]
    if "=?" not in value:
        return value.translate(_CONTROLS)
    parts: list[str] = []
    pending, charset, at = b"", "", 0
    for match in _WORD.finditer(value):
        between = value[at : match.start()]
        at = match.end()
        if between.strip(" \t") or not charset:
            parts.append(decode_octets(pending, charset or "utf-8") + between)
            pending = b""
        elif match[1].lower() != charset:
            parts.append(decode_octets(pending, charset))
            pending = b""
        charset = match[1].lower()
        pending += _word_octets(match[2], match[3])
    parts.append(decode_octets(pending, charset or "utf-8") + value[at:])
    return "".join(parts).translate(_CONTROLS)


def _word_octets(encoding: str, payload: str) -> bytes:
    if encoding in "qQ":
        return binascii.a2b_qp(payload.encode("ascii"), header=True)
    # Broken padding is common and harmless.
    letters = re.sub(r"[^A-Za-z0-9+/]", "", payload)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + "=" * (-len(letters) % 4))
