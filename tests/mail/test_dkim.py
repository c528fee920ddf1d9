"""DKIM: our signatures as dkimpy judges them, the pieces, the time, the keys and their records."""

from __future__ import annotations

import hashlib
import time
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.dkim import (
    BodyHash,
    DkimKeyError,
    Key,
    SigningError,
    dns_record,
    hash_body,
    load_key,
    public_matches,
    referee,
    sign,
)
from relay.mail.headers import Field, Headers

DOMAIN = "lpse.example.go.id"
NOW = 1_700_000_000_000


def pem_of(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


@cache
def made_key(bits: int = 1024) -> Key:
    return load_key(pem_of(rsa.generate_private_key(65537, bits)), DOMAIN, "s1")


def verifies(head: bytes, body: bytes, key: Key) -> bool:
    def answer(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == key.record_name
        return dns_record(key).encode()

    return bool(dkim.verify(head + b"\r\n" + body, dnsfunc=answer))


HEAD = (
    b"From: LPSE <info@lpse.example.go.id>\r\nTo: a@example.id,\r\n\tb@example.id\r\n"
    b"Subject:  Pengumuman \t Lelang \r\nDate: Mon, 28 Sep 2026 09:16:00 +0700\r\n"
    b"Message-ID: <1@lpse.example.go.id>\r\nReceived: from x\r\nReceived: from y\r\n"
    b"Cc: c@example.id\r\nCc: d@example.id\r\nX-Note:\r\n"
)
LINES = st.lists(
    st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"bc d", b".", b"\xff", b"  \t ", b"=20"]),
    max_size=40,
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(LINES, st.lists(st.integers(0, 80), max_size=8))
def test_dkimpy_verifies_any_body_in_any_pieces(body: bytes, cuts: list[int]) -> None:
    pieces = BodyHash()
    begun = 0
    for cut in [*sorted(cuts), len(body)]:
        pieces.update(body[begun:cut])
        begun = max(begun, min(cut, len(body)))
    assert pieces.digest() == hash_body(body)
    key = made_key()
    signed = sign(Headers.parse(HEAD).fields, pieces.digest(), key, NOW) + HEAD
    # A letter without its last newline gets one on its way, as the relaxed form foresees.
    whole = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    assert verifies(signed, whole, key)
    assert not verifies(signed, whole + b"x", key)


VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=120
)


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES, st.sampled_from(["To", "Subject", "Cc", "List-Id", "MIME-Version"]))
def test_dkimpy_verifies_any_header(first: str, second: str, name: str) -> None:
    key = made_key()
    headers = Headers.parse(HEAD).add(name, first).add(name.upper(), second, at_end=True)
    head = headers.to_bytes()
    signed = sign(headers.fields, hash_body(b"x\r\n"), key, NOW) + head
    assert verifies(signed, b"x\r\n", key)
    assert all(len(line) <= 78 for line in signed[: -len(head)].split(b"\r\n"))


@pytest.mark.parametrize(
    "name", ["From", "To", "Subject", "Date", "Message-ID", "Feedback-ID", "MIME-Version"]
)
def test_nothing_oversigned_can_be_added(name: str) -> None:
    key = made_key()
    signed = sign(Headers.parse(HEAD).fields, hash_body(b""), key, NOW) + HEAD
    assert verifies(signed, b"", key)
    assert not verifies(f"{name}: evil@example.com\r\n".encode() + signed, b"", key)
    assert not verifies(signed + f"{name}: evil@example.com\r\n".encode(), b"", key)


def test_the_tags() -> None:
    signed = sign(Headers.parse(HEAD).fields, hash_body(b""), made_key(), NOW)
    text = "".join(signed.decode().split())
    assert text.startswith("DKIM-Signature:v=1;a=rsa-sha256;c=relaxed/relaxed;t=1700000000;d=lpse")
    assert "d=lpse.example.go.id;s=s1;" in text and ";l=" not in text and ":Received" not in text
    assert "h=From:From:To:To:Subject:Subject:Date:Date:Message-ID:Message-ID:Feedback-ID:" in text
    assert "Content-Transfer-Encoding:Cc:Cc;b=" in text


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"\r\n \r\n\t\t", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),
        (b"a", b"a\r\n"),
        (b"a ", b"a\r\n"),
        (b"\r\n\r\na\r\n", b"\r\n\r\na\r\n"),
        (b"a\rb\nc\r\n", b"a\rb\nc\r\n"),
        (b"a\r\n\r", b"a\r\n\r\r\n"),
        (b"\r", b"\r\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n"),
        (b"a\n\r\n\r\n", b"a\n\r\n"),
        (b"a \r", b"a \r\r\n"),
    ],
)
def test_the_relaxed_body(body: bytes, canonical: bytes) -> None:
    one = BodyHash()
    for octet in body:
        one.digest()  # asking does not disturb
        one.update(bytes([octet]))
    assert one.digest() == hash_body(body) == hashlib.sha256(canonical).digest()


@pytest.mark.parametrize(
    "body",
    [
        b"a" + b" " * 1_000_000 + b"b",
        b" " * 1_000_000,
        b"\t " * 500_000,
        b"\r\n" * 500_000,
        b" \r\n" * 300_000 + b"x",
        b"\r" * 1_000_000,
        b"\n" * 1_000_000,
        b"a  " * 300_000,
    ],
)
def test_linear_on_any_body(body: bytes) -> None:
    begun = time.process_time()
    whole = hash_body(body)
    pieces = BodyHash()
    for at in range(0, len(body), 1024):
        pieces.update(body[at : at + 1024])
    assert pieces.digest() == whole
    assert time.process_time() - begun < 5


def test_linear_on_a_header_of_blanks() -> None:
    begun = time.process_time()
    headers = Headers.parse(HEAD + b"List-Id: a" + b" " * 500_000 + b"\r\n")
    sign(headers.fields, hash_body(b""), made_key(), NOW)
    assert time.process_time() - begun < 2.5


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        (b"To: a@b.id\r\n", "has 0 From fields"),
        (b"From: a@b.id\r\nfrom: a@b.id\r\n", "has 2 From fields"),
        (b"From: a@b.id, c@d.id\r\n", "holds 2 addresses"),
        (b"From: a@b.id <c@d.id> <e@f.id>\r\n", "holds 2 addresses"),
        (b"From: LPSE\r\n", "no address that can be read"),
        (b"From: \r\n", "holds 0 addresses"),
        (b"From: a@b.id (" + b"(" * 70_000 + b"\r\n", "longer than 65536"),
        (b"From: a@b.id\r\nodd\r\n", "no field"),
    ],
)
def test_a_doubtful_letter_is_not_signed(head: bytes, fault: str) -> None:
    with pytest.raises(SigningError, match=fault):
        sign(Headers.parse(head).fields, hash_body(b""), made_key(), NOW)


def test_bad_keys_are_named() -> None:
    key = made_key()
    good = pem_of(key.private)
    public = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    cases = [
        (good, "x_y.id", "s1", "DKIM domain 'x_y.id'"),
        (good, "[192.0.2.1]", "s1", "no name for a DKIM record"),
        (good, DOMAIN, "s_1", "no name for a DKIM record"),
        (good, DOMAIN, "", "no name for a DKIM record"),
        (b"", DOMAIN, "s1", "no PEM"),
        (public, DOMAIN, "s1", "holds no private key"),
        (good[:200] + b"\n-----END PRIVATE KEY-----\n", DOMAIN, "s1", "cannot be read"),
        (pem_of(key.private, b"secret"), DOMAIN, "s1", "encrypted with a password"),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), DOMAIN, "s1", "of kind Ed25519, not RSA"),
    ]
    for pem, domain, selector, fault in cases:
        with pytest.raises(DkimKeyError, match=fault.replace("[", r"\[")):
            load_key(pem, domain, selector)


def test_a_key_that_is_read_again_is_not_checked_again() -> None:
    """The check holds the interpreter for 40 ms, at each reload and for each domain's key."""
    pem = pem_of(rsa.generate_private_key(65537, 1024))
    first, second = load_key(pem, DOMAIN, "s1"), load_key(pem, "other.id", "s2")
    assert first.private is second.private
    assert (second.domain, second.selector) == ("other.id", "s2")


def test_sizes_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.mail.dkim.MIN_BITS", 1025)
    with pytest.raises(DkimKeyError, match="has 1024 bits, not 1025–4096"):
        load_key(pem_of(made_key().private), DOMAIN, "s1")


@pytest.mark.parametrize(
    ("record", "difference"),
    [
        ("{}", None),
        ("p={p}", None),
        ("v=DKIM1;k=rsa; h=sha1:sha256; s=email; t=y; n=a note; p={split}; junk", None),
        ("v=DKIM2; p={p}", "version is 'DKIM2'"),
        ("v=spf1 -all", "version is 'spf1-all'"),
        ("k=rsa", "has no p="),
        ("p=", "revoked"),
        ("k=ed25519; p={p}", "of kind 'ed25519'"),
        ("h=sha1; p={p}", "hashes 'sha1' only"),
        ("s=tlsrpt; p={p}", "service 'tlsrpt'"),
        ("p={p}!", "no base64"),
        ("p=AAAA", "not this key's"),
    ],
)
def test_a_published_record(record: str, difference: str | None) -> None:
    key = made_key()
    public = dns_record(key).rpartition("p=")[2]
    text = record.format(dns_record(key), p=public, split=public[:50] + " " + public[50:])
    answer = public_matches(text, key)
    assert answer is None if difference is None else difference in str(answer)


def test_the_referee() -> None:
    key = made_key()
    referee(key)
    referee(key, dns_record(key), NOW)
    other = load_key(pem_of(rsa.generate_private_key(65537, 1024)), DOMAIN, "s1")
    with pytest.raises(SigningError, match=r"s1\._domainkey\.lpse\.example\.go\.id: the record's"):
        referee(key, dns_record(other))
    with pytest.raises(SigningError, match="no base64"):
        referee(key, "v=DKIM1; k=rsa; p=!!!")


def test_the_referee_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    key = made_key()
    # A fault of ours that only another implementation can see.
    monkeypatch.setattr("relay.mail.dkim.hash_body", lambda body: b"x" * 32)
    with pytest.raises(SigningError, match=r"s1\._domainkey\..*: dkimpy refuses it \(body hash"):
        referee(key)
    monkeypatch.undo()
    monkeypatch.setattr("relay.mail.dkim._relaxed", lambda name, value: name + value)
    with pytest.raises(SigningError, match="dkimpy finds the signature wrong"):
        referee(key)


def test_an_odd_field_is_refused_even_if_made_by_hand() -> None:
    with pytest.raises(SigningError):
        sign([Field("", b"x\r\n")], b"", made_key(), NOW)
