"""What a refusal is: too fast for now, blocked for a while, or a door that people must open."""

from __future__ import annotations

import pytest

from relay.config.shipped import shipped_classifier
from relay.mail import reply as replies
from relay.mail.reply import Stage
from relay.shaping.base import NOBODY, Identity
from relay.shaping.meaning import Kind, Meaning, kind_of, meaning, named
from tests.scheduling import BLOCKED

US = Identity("192.0.2.1", "lpse.example.go.id", "lpse.example.go.id")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (BLOCKED, Kind.BLOCK),
        (
            "550-5.7.28 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail"
            " originating from your IP address. To protect our users from spam, mail sent from your"
            " IP address has been blocked.",
            Kind.BLOCK,
        ),
        (
            "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from"
            " your IP address. Mail has been temporarily rate limited.",
            Kind.THROTTLE,
        ),
        (
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected"
            " volume or user complaints - 4.16.55.1",
            Kind.THROTTLE,
        ),
        (
            "553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying"
            " will NOT succeed.",
            Kind.ADMINISTRATIVE,
        ),
        (
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your"
            " Internet service provider since part of their network is on our block list (S3150).",
            Kind.ADMINISTRATIVE,
        ),
        (
            "550 SC-001 (BAY004-MC1F1) Mail rejected by Outlook.com for policy reasons.",
            Kind.ADMINISTRATIVE,
        ),
        (
            "550 5.7.606 Access denied, banned sending IP [192.0.2.1].",
            Kind.ADMINISTRATIVE,
        ),
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
            Kind.ADMINISTRATIVE,
        ),
        (
            "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record"
            " setup, or the corresponding forward DNS entry does not point to the sending IP.",
            Kind.ADMINISTRATIVE,
        ),
        (
            "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP"
            " reputation. (S775)",
            Kind.THROTTLE,
        ),
        ("550 blocked", Kind.BLOCK),
    ],
)
def test_how_a_provider_refuses(text: str, kind: Kind) -> None:
    read = shipped_classifier().classify(replies.parse(text, Stage.EOD), "mx.example.net")
    assert meaning(read, False) is Meaning.REFUSAL
    assert kind_of(read, text) is kind


@pytest.mark.parametrize(
    ("reply", "identity", "name"),
    [
        ("originating from your DKIM domain [lpse.example.go.id 36]", US, "dkim"),
        ("originating from your DKIM domain [example.go.id]", US, "dkim"),
        ("originating from your DKIM domain [other.example]", US, ""),
        ("originating from your DKIM domain [other.go.id]", US, ""),
        ("originating from your SPF domain [lpse.example.go.id 36]", US, "envelope"),
        ("originating from your IP address", US, ""),
        ("your SPF domain [lpse.example.go.id]", Identity("192.0.2.1"), ""),
        ("your DKIM domain [lpse.example.go.id]", NOBODY, ""),
    ],
)
def test_whom_of_us_it_names(reply: str, identity: Identity, name: str) -> None:
    assert named(f"421 4.7.28 {reply}", identity) == name
