"""Addresses: what RFC 5321 takes, what it refuses and in which words, and the time it takes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import address
from relay.mail.address import Address, AddressError, Domain, parse


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("vendor@example.co.id", "vendor", "example.co.id"),
        ("PT.Maju+lelang@Example.CO.ID", "PT.Maju+lelang", "example.co.id"),
        ("a@localhost", "a", "localhost"),
        ("a@example.id.", "a", "example.id"),
        ("o'brien=x@example.id", "o'brien=x", "example.id"),
        ('"vendor"@example.id', "vendor", "example.id"),
        ('"ven\\dor"@example.id', "vendor", "example.id"),
        ('"a b"@example.id', '"a b"', "example.id"),
        ('"a\\"\\\\b@c"@example.id', '"a\\"\\\\b@c"', "example.id"),
        ('""@example.id', '""', "example.id"),
        ("@relay.id:a@example.id", "a", "example.id"),
        ("@r.id,@[192.0.2.1],@[IPv6:::1]:a@example.id", "a", "example.id"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[ipv6:2001:DB8:0::1]", "a", "[IPv6:2001:db8::1]"),
        ("a@[x400:c=id]", "a", "[x400:c=id]"),
        ("a@bücher.example", "a", "xn--bcher-kva.example"),
        ("a@BÜCHER。example", "a", "xn--bcher-kva.example"),
        ("a@straße.example", "a", "xn--strae-oqa.example"),
        ("a@1.example", "a", "1.example"),
    ],
)
def test_reads(text: str, local: str, domain: str) -> None:
    assert parse(text) == Address(local, Domain(domain))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the address is empty"),
        ("foo", "there is no @"),
        ("@example.id", "there is nothing before the @"),
        ("@a.id:@example.id", "there is nothing before the @"),
        ("a@", "there is no domain"),
        ("a@.", "there is no domain"),
        ("a b@example.id", "there is a space before the @"),
        ("a@b@example.id", "there is more than one @"),
        (".a@example.id", "has a dot at its start or end"),
        ("a.@example.id", "has a dot at its start or end"),
        ("a..b@example.id", "two in a row"),
        ("a<b@example.id", "holds '<', which must be quoted"),
        ('"a"b@example.id', "is not followed by an @"),
        ('"a@example.id', "has no closing quote"),
        ("a@exam ple.id", "there is a space in the domain"),
        ("a@.example.id", "a dot at its start"),
        ("a@example..id", "two in a row"),
        ("a@-x.id", "'-x' is not made of"),
        ("a@x-.id", "'x-' is not made of"),
        ("a@x_y.id", "'x_y' is not made of"),
        ("a@" + "x" * 64 + ".id", "longer than 63"),
        ("a@" + "x." * 127 + "xx", "longer than 25"),
        ("a@" + "x" * 300, "the domain is longer than 255"),
        ("a@" + "1234567." * 31 + "12345", "the address is longer than 254"),
        ("a@" + "ü." * 40 + "id", "Domain too long"),
        ("a@xn--ü.example", "no international name"),
        ("x" * 65 + "@example.id", "longer than 64 octets"),
        ("ü" * 33 + "@example.id", "longer than 64 octets"),
        ("a\r\n@example.id", r"control character \(U\+000D\)"),
        ("a\0@example.id", r"control character \(U\+0000\)"),
        ("a\u2028@example.id", "control character"),
        ("a\udcff@example.id", "control character"),
        ("a@[192.0.2.1", "no closing bracket"),
        ("a@[192.0.2.256]", "no address literal"),
        ("a@[IPv6:::g]", "no address literal"),
        ("a@[IPv6:fe80::1%eth0]", "no address literal"),
        ("a@[]", "no address literal"),
        ("a" * 1025, "longer than 1024 characters"),
    ],
)
def test_refuses(text: str, fault: str) -> None:
    with pytest.raises(AddressError, match=fault):
        parse(text)


def test_a_utf8_local_part_needs_smtputf8_and_a_utf8_domain_does_not() -> None:
    assert parse("pelanggan–é@example.id").needs_utf8
    assert not parse("a@bücher.example").needs_utf8


def test_what_a_domain_says_of_itself() -> None:
    assert Domain("localhost").is_single_label and not Domain("example.id").is_single_label
    literal = parse("a@[IPv6:::1]").domain
    assert literal.is_literal and not literal.is_single_label
    assert str(literal) == "[IPv6:::1]"


def test_the_key_is_in_lower_case_and_the_text_is_not() -> None:
    mailbox = parse("Vendor@Example.ID")
    assert (str(mailbox), mailbox.key) == ("Vendor@example.id", "vendor@example.id")


def test_domain_of() -> None:
    assert address.domain_of("a@Example.id") == "example.id"
    assert address.domain_of("") == address.domain_of("foo") == ""


@pytest.mark.parametrize(
    ("entry", "sender", "is_allowed"),
    [
        ("@lpse.example.go.id", "info@LPSE.example.go.id", True),
        ("@lpse.example.go.id", "info@x.lpse.example.go.id", False),
        ("@lpse.example.go.id", "info@xlpse.example.go.id", False),
        ("@.example.go.id", "info@lpse.example.go.id", True),
        ("@.example.go.id", "info@a.lpse.example.go.id", True),
        ("@.example.go.id", "info@example.go.id", False),
        ("@.example.go.id", "info@lpseexample.go.id", False),
        ("Info@Lpse.example.go.id", "info@lpse.example.go.id", True),
        ("info@lpse.example.go.id", "xinfo@lpse.example.go.id", False),
        ("@BÜCHER.example", "a@bücher.example", True),
    ],
)
def test_allowed_senders(entry: str, sender: str, is_allowed: bool) -> None:
    entries = ["@other.example", address.allowed_entry(entry)]
    assert address.matches_allowed(parse(sender), entries) is is_allowed
    assert not address.matches_allowed(parse(sender), [])


@pytest.mark.parametrize("entry", ["", "@", "@.", "lpse.example.go.id", "@x_y"])
def test_a_bad_entry_is_named(entry: str) -> None:
    with pytest.raises(AddressError):
        address.allowed_entry(entry)


@given(st.text(max_size=80) | st.text(alphabet='a@".\\[]: <,é-', max_size=40))
def test_total_and_its_own_text_reads_the_same(text: str) -> None:
    try:
        mailbox = parse(text)
    except AddressError as error:
        assert str(error)
        return
    assert parse(str(mailbox)) == mailbox
    assert mailbox.needs_utf8 is not str(mailbox).isascii()
    assert not set("\r\n\0") & set(str(mailbox))


@pytest.mark.parametrize(
    "text",
    [
        '"' + "\\" * 1000,
        '"' * 1000,
        "@" * 1000,
        "@a," * 300,
        "a." * 500,
        "é" * 1000,
        "a@" + "é" * 250,
        "a@" + "-." * 120,
        "x" * 1_000_000,
    ],
)
def test_hostile_text_costs_nothing(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(AddressError):
        parse(text)
    assert time.process_time() - begun < 0.1
