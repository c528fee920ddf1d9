"""Headers: a letter's fields read, added, changed and removed on octets, the body untouched.

Nothing raises on what a letter holds, and nothing is lost: ``Headers.parse(head).to_bytes()`` is
``head`` again (a last newline is added where it lacks one). A line that is no field, and what
lies over :data:`MAX_FIELDS`, is kept as a field without a name, *odd*; :meth:`Headers.mended`
puts it under :data:`ODD`, so that what leaves the house is a header block for everybody.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from relay.mail import folding
from relay.mail.folding import fold
from relay.mail.mailboxes import addresses
from relay.mail.verdict import AddHeader, ChangeHeader, RenameHeader

__all__ = ["MAX_HEAD", "Field", "Headers", "addresses", "fold", "split"]

MAX_HEAD: Final = 1024 * 1024  # octets of a header block that the door takes
MAX_FIELDS: Final = 2_000  # fields that are told apart; the rest of the block is one odd field
ODD: Final = "X-LPSE-Original-Line"  # where an odd line is kept
_NAME: Final = rb"([!-9;-~]{1,200})[ \t]*:"
# One field with its folded lines, or one line that is none; LF alone ends a line here, so that
# a head which was not normalised is kept octet for octet too.
_FIELD: Final = re.compile(rb"((?:%s|)[^\n]*\n(?:[ \t][^\n]*\n)*+)" % _NAME)
_ALL_FIELDS: Final = re.compile(rb"(?:%s[^\n]*\n(?:[ \t][^\n]*\n)*+)*+" % _NAME)


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name as written, and the complete octets, folded, CRLF-ended.

    ``name`` is empty for an odd line.
    """

    name: str
    raw: bytes

    @property
    def key(self) -> str:
        """The name in lower case, by which fields are compared."""
        return self.name.lower()

    @property
    def is_sound(self) -> bool:
        """True for a name followed by a colon at once: RFC 5322 without its obsolete blank."""
        return bool(self.name) and self.raw[len(self.name)] == 0x3A

    @property
    def value(self) -> bytes:
        """The octets after the colon, still folded, with the line's end."""
        return self.raw[self.raw.index(b":") + 1 :] if self.name else self.raw

    @property
    def unfolded(self) -> str:
        """The value on one line, stripped; encoded words stay as they are."""
        return folding.unfold(self.value)

    @property
    def decoded(self) -> str:
        """The value for people: unfolded, encoded words read, no controls, ≤ 2048 characters."""
        return folding.decode(self.unfolded)

    @classmethod
    def make(cls, name: str, value: str, is_smtputf8: bool = False) -> Field:
        """A field from text, folded. Raises ValueError as :func:`fold` does."""
        return cls(name, fold(name, value, is_smtputf8))


def split(letter: bytes) -> tuple[bytes, bytes]:
    """A letter's header block (its fields CRLF-ended, no blank line) and its body.

    The head ends at the first blank line. Where the lines before that do not end with a field,
    it ends after the last field, so that a text sent without a blank line, or without any
    header, is the body, not lost among odd lines.
    """
    if letter.startswith(b"\r\n"):
        return b"", letter[2:]
    blank = letter.find(b"\r\n\r\n")
    end = blank + 2 if blank >= 0 else len(letter)
    fields = _ALL_FIELDS.match(letter, 0, end)
    if fields is not None and fields.end() == end and blank >= 0:
        return letter[:end], letter[end + 2 :]
    head = letter[:end] if letter[:end].endswith(b"\n") else letter[:end] + b"\r\n"
    last = 0
    for match in _FIELD.finditer(head):
        if match[2] is not None:
            last = match.end()
    if blank >= 0 and last == end:
        return head, letter[end + 2 :]
    return head[:last], letter[last:]


@dataclass(frozen=True, slots=True)
class Headers:
    """A header block as its fields, top down. A value: every change gives another one."""

    fields: tuple[Field, ...]
    # The fields by their keys, made when first asked for: a letter is asked some thirty times.
    _by_key: dict[str, list[Field]] | None = dataclasses.field(
        default=None, init=False, repr=False, compare=False
    )

    @classmethod
    def parse(cls, head: bytes) -> Headers:
        """Read a header block without its blank line."""
        if head and not head.endswith(b"\n"):
            head += b"\r\n"
        rest = b""
        if head.count(b"\n") > MAX_FIELDS:
            begins = [match.start() for match in islice(_FIELD.finditer(head), MAX_FIELDS + 1)]
            if len(begins) > MAX_FIELDS:
                head, rest = head[: begins[-1]], head[begins[-1] :]
        fields = [Field(name.decode("ascii"), raw) for raw, name in _FIELD.findall(head)]
        return cls((*fields, Field("", rest)) if rest else tuple(fields))

    def to_bytes(self) -> bytes:
        """The header block, without the blank line."""
        return b"".join([field.raw for field in self.fields])

    def all(self, name: str) -> tuple[Field, ...]:
        """The fields of that name, top down."""
        return tuple(self._named(name))

    def get(self, name: str, nth: int = 0) -> Field | None:
        """The ``nth`` field of that name from the top, None where there is none."""
        found = self._named(name)
        return found[nth] if nth < len(found) else None

    def _named(self, name: str) -> Sequence[Field]:
        by_key = self._by_key
        if by_key is None:
            by_key = {}
            for one in self.fields:
                by_key.setdefault(one.name.lower(), []).append(one)
            object.__setattr__(self, "_by_key", by_key)
        return by_key.get(name.lower(), ())

    def unfolded(self, name: str) -> str | None:
        """The first such field's value on one line."""
        field = self.get(name)
        return None if field is None else field.unfolded

    def decoded(self, name: str) -> str | None:
        """The first such field's value for people."""
        field = self.get(name)
        return None if field is None else field.decoded

    @property
    def odd(self) -> tuple[Field, ...]:
        """What is no field."""
        return tuple([field for field in self.fields if not field.name])

    def mended(self) -> Headers:
        """The same with each odd line under :data:`ODD`, and no blank before a colon.

        Itself where there is nothing to mend.
        """
        for one in self.fields:
            if not one.is_sound:
                break
        else:
            return self
        return Headers(tuple([f if f.is_sound else _mended(f) for f in self.fields]))

    def add(
        self, name: str, value: str, at_end: bool = False, is_smtputf8: bool = False
    ) -> Headers:
        """With one more field, on top or below the others. Raises ValueError as :func:`fold`."""
        return self.with_field(Field.make(name, value, is_smtputf8), at_end)

    def with_field(self, field: Field, at_end: bool = False) -> Headers:
        """With one more finished field, on top or below the others."""
        return Headers((*self.fields, field) if at_end else (field, *self.fields))

    def change(
        self, name: str, value: str | None, nth: int = 0, is_smtputf8: bool = False
    ) -> Headers:
        """With the ``nth`` field's value replaced, or the field removed (``value`` None).

        Where there is no such field one is added at the end, as milter does it; there is
        nothing to remove. Raises ValueError as :func:`fold`.
        """
        at = self._position(name, nth)
        if value is None:
            return self if at is None else self._with(at)
        if at is None:
            return self.add(name, value, at_end=True, is_smtputf8=is_smtputf8)
        return self._with(at, Field.make(self.fields[at].name, value, is_smtputf8))

    def rename(self, name: str, new_name: str, nth: int = 0) -> Headers:
        """With the ``nth`` field's octets kept under another name. Raises ValueError for a bad one.

        Without such a field nothing changes.
        """
        if not folding.NAME.fullmatch(new_name):
            raise ValueError(f"not a header field's name: {new_name!r}")
        at = self._position(name, nth)
        if at is None:
            return self
        raw = new_name.encode() + b":" + self.fields[at].value
        return self._with(at, Field(new_name, raw))

    def without(self, names: Iterable[str]) -> Headers:
        """Without any field of these names."""
        keys = {name.lower() for name in names}
        return Headers(tuple([field for field in self.fields if field.name.lower() not in keys]))

    def apply(self, edit: AddHeader | ChangeHeader | RenameHeader) -> Headers:
        """With a filter's edit applied. Raises ValueError as the methods do."""
        if isinstance(edit, AddHeader):
            return self.add(edit.name, edit.value, edit.at_end)
        if isinstance(edit, ChangeHeader):
            return self.change(edit.name, edit.value, edit.nth)
        return self.rename(edit.name, edit.new_name, edit.nth)

    def _position(self, name: str, nth: int) -> int | None:
        key = name.lower()
        places = [at for at, field in enumerate(self.fields) if field.name.lower() == key]
        return places[nth] if nth < len(places) else None

    def _with(self, at: int, *fields: Field) -> Headers:
        return Headers((*self.fields[:at], *fields, *self.fields[at + 1 :]))


def _mended(field: Field) -> Field:
    """An odd line, or many, as the folded value of a field; a blank before the colon taken out."""
    if field.name:
        return Field(field.name, field.name.encode() + b":" + field.value)
    lines = field.raw.rstrip(b"\r\n").replace(b"\n", b"\n ")
    return Field(ODD, ODD.encode() + b": " + lines.lstrip(b" \t") + b"\r\n")
