"""Transactions for the tests of filters."""

from __future__ import annotations

from relay.config.shipped import texts
from relay.filters.base import Transaction
from relay.filters.rules import Rule, shipped
from relay.ingress.content import arrive
from relay.mail.address import parse
from relay.mail.envelope import Recipient, Source

SENDER = "lpse@lpse.example.go.id"
NOW = 1_317_712_260_000  # 2011-10-04 07:11 UTC: 14:11 WIB
RULES: tuple[Rule, ...] = shipped(texts("relay.filters", ".")["filters/./classes.yaml"])


class Alerts:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def alert(self, name: str, detail: str) -> None:
        self.told.append((name, detail))


def source(is_trusted: bool = True, user: str | None = None) -> Source:
    return Source("127.0.0.1", "localhost", None, user, "127.0.0.1:2525", is_trusted)


def recipient(text: str = "vendor@example.co.id") -> Recipient:
    return Recipient(text, parse(text))


def transaction(
    letter: bytes | str = b"",
    sender: str = SENDER,
    is_trusted: bool = True,
    user: str | None = None,
) -> Transaction:
    """As it stands at the data stage."""
    octets = letter.encode() if isinstance(letter, str) else letter
    arrived = arrive(octets.replace(b"\n", b"\r\n"))
    return Transaction(
        id=1 << 40,
        source=source(is_trusted, user),
        now=NOW,
        sender=sender,
        recipients=[recipient()],
        headers=arrived.headers,
        content=arrived.content(arrived.headers, ()),
    )


def head(subject: str = "", more: str = "") -> str:
    """A usual header."""
    return (
        f"From: LPSE <{SENDER}>\nTo: vendor@example.co.id\nSubject: {subject}\n"
        f"Date: Tue, 04 Oct 2011 14:11:00 +0700\nMessage-ID: <1@lpse.example.go.id>\n"
        f"Auto-Submitted: auto-generated\n{more}"
    )
