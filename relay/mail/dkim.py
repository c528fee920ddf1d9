"""DKIM: relaxed canonicalisation, the body hash and the signature (RFC 6376), in linear time.

The body hash is taken in pieces of any size as the letter comes in; the header is signed as the
letter leaves. ``l=`` is never written, and a letter whose From is not exactly one address is
never signed: what a reader sees as the sender must be what the signature vouches for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from relay.mail.address import Address, AddressError, parse_domain
from relay.mail.headers import Field, addresses
from relay.mail.instant import Instant

MIN_BITS: Final = 1024  # RFC 8301 3.2: signers 2048, verifiers take 1024
MAX_BITS: Final = 4096  # RFC 8301 3.2: verifiers need not take more
MAX_FROM: Final = 64 * 1024  # octets of a From field that are read
# Signed once more often than present, so that none can be added (RFC 6376 8.15).
OVERSIGNED: Final = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Feedback-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)
# Signed as often as present.
ALSO_SIGNED: Final = (
    "X-LPSE-Return-Path",
    "Cc",
    "Reply-To",
    "Sender",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
)
_PADDING: Final = padding.PKCS1v15()
_SHA256: Final = hashes.SHA256()
_SELECTOR: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class DkimKeyError(ValueError):
    """A key that cannot sign; the message names what is wrong."""


class DkimNameError(DkimKeyError):
    """A domain or selector under which no key can be published; ``part`` says which."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


class SigningError(ValueError):
    """A letter that must not be signed, or a signature that its referee refuses."""


class BodyHash:
    """SHA-256 over the relaxed-canonical body (RFC 6376 3.4.4), in pieces of any split."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        # What may turn out to be the end: so many empty lines, then perhaps blanks, then CR.
        self._newlines = 0
        self._tail = b""
        self._is_empty = True

    def update(self, piece: bytes) -> None:
        """Take the next octets of the body, CRLF lines, not dot-stuffed."""
        text = _relaxed_lines(self._tail + piece)
        core = text.removesuffix(b"\r").removesuffix(b" ")
        self._tail = text[len(core) :]
        lines = core.rstrip(b"\r\n")
        ends = core[len(lines) :]
        if ends != b"\r\n" * (len(ends) // 2):  # bare newlines among them: content
            pairs = re.match(rb"(?:\n\r)*+", ends[::-1])
            cut = pairs.end() if pairs else 0
            lines, ends = core[: len(core) - cut], ends[len(ends) - cut :]
        if lines:
            self._empty_lines()
            self._hash.update(lines)
            self._is_empty = False
        self._newlines += len(ends) // 2

    def digest(self) -> bytes:
        """The 32 octets of the hash; more pieces may still follow."""
        if not self._tail.endswith(b"\r"):
            whole = self._hash.copy()
            if not self._is_empty:
                whole.update(b"\r\n")
            return whole.digest()
        # A bare CR at the very end is content.
        rest = BodyHash()
        rest._hash = self._hash.copy()
        rest._newlines, rest._is_empty = self._newlines, False
        rest._empty_lines()
        rest._hash.update(self._tail + b"\r\n")
        return rest._hash.digest()

    def _empty_lines(self) -> None:
        while self._newlines:
            count = min(self._newlines, 32 * 1024)
            self._hash.update(b"\r\n" * count)
            self._newlines -= count


def hash_body(body: bytes) -> bytes:
    """The hash of a whole body, see :class:`BodyHash`."""
    whole = BodyHash()
    whole.update(body)
    return whole.digest()


def _relaxed_lines(text: bytes) -> bytes:
    """Lines of a body as the hash sees them; at once where they hold no blank, as base64 does."""
    if b" " not in text and b"\t" not in text:
        return text
    return _single_blanks(text).replace(b" \r\n", b"\r\n")


def _single_blanks(text: bytes) -> bytes:
    """Every run of blanks and tabs as one blank. Each round halves the runs: linear."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key with the names under which its public half is published."""

    domain: str
    selector: str
    private: rsa.RSAPrivateKey

    @property
    def record_name(self) -> str:
        """Where the TXT record stands: ``s1._domainkey.lpse.example.go.id``."""
        return f"{self.selector}._domainkey.{self.domain}"


def published_domain(domain: str, selector: str) -> str:
    """The domain as it is signed for. Raises DkimNameError where the names cannot be published."""
    try:
        name = parse_domain(domain).name
    except AddressError as error:
        raise DkimNameError("domain", f"DKIM domain {domain!r}: {error}") from None
    odd = f"{selector}._domainkey.{domain} is no name for a DKIM record"
    if name.startswith("["):
        raise DkimNameError("domain", odd)
    if not all(_SELECTOR.fullmatch(label) for label in selector.split(".")):
        raise DkimNameError("selector", odd)
    return name


def load_key(pem: bytes, domain: str, selector: str) -> Key:
    """Read and check an RSA private key in PEM; the first time that costs some 40 ms.

    Raises DkimKeyError with what is wrong: the names, no PEM, a public or encrypted key, another
    algorithm, or a size outside 1024–4096 bits.
    """
    name = published_domain(domain, selector)
    where = f"DKIM key {selector} of {name}"
    if b"-----BEGIN" not in pem:
        raise DkimKeyError(f"{where}: no PEM in it (-----BEGIN PRIVATE KEY-----)")
    if b"PRIVATE KEY-----" not in pem:
        raise DkimKeyError(f"{where}: holds no private key (a public key or a certificate?)")
    try:
        private = _private(pem)
    except TypeError:
        raise DkimKeyError(f"{where}: is encrypted with a password; decrypt it") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DkimKeyError(f"{where}: cannot be read ({error})") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        kind = type(private).__name__.removesuffix("PrivateKey").lstrip("_")
        raise DkimKeyError(f"{where}: is a key of kind {kind}, not RSA")
    if not MIN_BITS <= private.key_size <= MAX_BITS:
        raise DkimKeyError(f"{where}: has {private.key_size} bits, not {MIN_BITS}–{MAX_BITS}")
    return Key(name, selector.lower(), private)


@lru_cache(maxsize=64)  # it holds the interpreter while it checks; a reload reads the same again
def _private(pem: bytes) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(pem, password=None)


def sign(
    fields: Sequence[Field],
    body_hash: bytes,
    key: Key,
    now: Instant,
    oversigned: Iterable[str] = OVERSIGNED,
    also_signed: Iterable[str] = ALSO_SIGNED,
) -> bytes:
    """A complete ``DKIM-Signature`` field, folded, CRLF-ended, to be put above ``fields``.

    rsa-sha256, relaxed/relaxed, ``t=`` in seconds; ``fields`` are the header as it leaves,
    ``body_hash`` is that of the body as it leaves. Raises SigningError where From is not one
    field with one address, or a field is odd.
    """
    order, h_tag = _chosen(
        tuple([field.key for field in fields]), tuple(oversigned), tuple(also_signed)
    )
    _check_from([field for field in fields if field.key == "from"])
    text = [_relaxed(fields[at].key.encode(), fields[at].value) for at in order]
    head = (
        f" v=1; a=rsa-sha256; c=relaxed/relaxed; t={now // 1000};\r\n"
        f" d={key.domain}; s={key.selector};\r\n"
        f" bh={base64.b64encode(body_hash).decode()};\r\n"
        f" h={h_tag};\r\n b="
    ).encode()
    unsigned = _relaxed(b"dkim-signature", head)
    signature = key.private.sign(b"".join(text) + unsigned[:-2], _PADDING, _SHA256)
    letters = base64.b64encode(signature)
    folded = b"\r\n ".join([letters[at : at + 74] for at in range(0, len(letters), 74)])
    return b"DKIM-Signature:" + head + folded + b"\r\n"


@lru_cache(maxsize=128)  # an application's letters have their fields in a few orders
def _chosen(
    keys: tuple[str, ...], oversigned: tuple[str, ...], also_signed: tuple[str, ...]
) -> tuple[tuple[int, ...], str]:
    """Which fields are signed, by their place, in that order; and what ``h=`` says of them.
    ``keys``: the fields' names, top down. Raises SigningError where a field is odd."""
    places: dict[str, list[int]] = {}
    for at, key in enumerate(keys):
        if not key:
            raise SigningError("the header block holds a line that is no field")
        places.setdefault(key, []).append(at)
    names: list[str] = []
    order: list[int] = []
    for extra, wanted in ((1, oversigned), (0, also_signed)):
        for name in wanted:
            present = places.get(name.lower(), [])
            names += [name] * (len(present) + extra)
            order += reversed(present)  # the lowest is the first one signed (RFC 6376 5.4.2)
    return tuple(order), _folded_names(names)


def _check_from(fields: Sequence[Field]) -> None:
    if len(fields) != 1:
        raise SigningError(f"the letter has {len(fields)} From fields, not one")
    if len(fields[0].raw) > MAX_FROM:
        raise SigningError(f"the From field is longer than {MAX_FROM} octets")
    _check_author(fields[0])


@lru_cache(maxsize=64)  # and a few authors
def _check_author(field: Field) -> None:
    found = addresses(field.unfolded)
    if len(found) != 1:
        raise SigningError(f"From holds {len(found)} addresses, not one")
    if not isinstance(found[0], Address):
        raise SigningError("From holds no address that can be read")


def _relaxed(key: bytes, value: bytes) -> bytes:
    """A field in relaxed form (RFC 6376 3.4.2), CRLF-ended."""
    flat = _single_blanks(value.replace(b"\r\n", b""))
    return key + b":" + flat.strip(b" ") + b"\r\n"


def _folded_names(names: Iterable[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 70:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n ".join(lines).removesuffix(":")


def dns_record(key: Key) -> str:
    """The value of the TXT record at ``key.record_name`` (RFC 6376 3.6.1)."""
    return f"v=DKIM1; k=rsa; p={base64.b64encode(_public(key)).decode()}"


def _public(key: Key) -> bytes:
    return key.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_matches(record_text: str, key: Key) -> str | None:
    """None where a published TXT record lets ``key`` sign; else what differs, in words."""
    tags: dict[str, str] = {}
    for part in record_text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(), "".join(value.split()))
    if tags.get("v", "DKIM1") != "DKIM1":
        return f"the record's version is {tags['v']!r}, not DKIM1"
    if "p" not in tags:
        return "the record has no p= (the public key)"
    if not tags["p"]:
        return "the record's p= is empty: the key is revoked"
    if tags.get("k", "rsa") != "rsa":
        return f"the record is for a key of kind {tags['k']!r}, not rsa"
    if "sha256" not in tags.get("h", "sha256").split(":"):
        return f"the record allows the hashes {tags['h']!r} only, not sha256"
    if not {"*", "email"} & set(tags.get("s", "*").split(":")):
        return f"the record is for the service {tags['s']!r}, not for email"
    try:
        published = base64.b64decode(tags["p"], validate=True)
    except (binascii.Error, ValueError):
        return "the record's p= is no base64 (cut short, or quotes left in it?)"
    if published != _public(key):
        return "the record's public key is not this key's"
    return None


def referee(key: Key, dnstxt: str | None = None, now: Instant = 0) -> None:
    """Sign a short letter and have dkimpy verify it, against ``dnstxt`` or the key's own record.

    Raises SigningError with the reason: a signature of ours that the world would refuse.
    """
    import dkim

    text = dns_record(key) if dnstxt is None else dnstxt
    difference = public_matches(text, key)
    if difference:  # dkimpy would not say which
        raise SigningError(f"{key.record_name}: {difference}")
    record = text.encode("ascii", "replace")
    fields = [
        Field.make("From", f"LPSE <lpse@{key.domain}>"),
        Field.make("Subject", "Contoh surat  untuk memeriksa kunci DKIM"),
    ]
    body = b"Surat  contoh.\t \r\n\r\n.\r\n\r\n"
    head = sign(fields, hash_body(body), key, now) + b"".join(field.raw for field in fields)

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        is_ours = name.decode("ascii", "replace").rstrip(".").lower() == key.record_name
        return record if is_ours else None

    verifier = dkim.DKIM(head + b"\r\n" + body, minkey=MIN_BITS)
    try:
        is_valid = verifier.verify(dnsfunc=answer)
    except (dkim.DKIMException, ValueError) as error:
        raise SigningError(f"{key.record_name}: dkimpy refuses it ({error})") from None
    if not is_valid:
        raise SigningError(f"{key.record_name}: dkimpy finds the signature wrong")
