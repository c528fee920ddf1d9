"""The small parts: what is remembered, what EHLO offers, what parameters are let through."""

from __future__ import annotations

import pytest

from relay.clock import SystemClock
from relay.mail.envelope import Options
from relay.transports import commands
from relay.transports.commands import Addressee, Parcel
from relay.transports.memo import Memo


class Clock(SystemClock):
    """A clock that is put forward by hand."""

    ahead = 0.0

    def monotonic(self) -> float:
        return self.ahead


def test_a_memo_forgets() -> None:
    clock = Clock()
    memo = Memo(clock, 60)
    memo.add("a")
    clock.ahead = 59
    assert "a" in memo and "b" not in memo
    memo.add("a")
    clock.ahead = 118
    assert "a" in memo
    clock.ahead = 120
    assert "a" not in memo
    memo.add("a")
    memo.discard("a")
    memo.discard("never there")
    assert "a" not in memo


def test_a_memo_is_bounded() -> None:
    memo = Memo(Clock(), 60, capacity=3)
    for name in "abcd":
        memo.add(name)
    assert [name for name in "abcd" if name in memo] == ["b", "c", "d"]


def test_what_ehlo_offers() -> None:
    text = "mx hello\nPIPELINING\nsize 1000\nAUTH PLAIN\nAUTH=LOGIN plain\n\n8BITMIME \nX-Own a  b"
    assert commands.capabilities(text) == {
        "PIPELINING": "",
        "SIZE": "1000",
        "AUTH": "PLAIN LOGIN PLAIN",
        "8BITMIME": "",
        "X-OWN": "A  B",
    }
    assert commands.capabilities("PIPELINING") == {}  # the first line is a greeting


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(ret="FULL"), " RET=FULL"),
        (Options(ret="EVERYTHING"), ""),
        (Options(envid="a b"), ""),
        (Options(envid="a\r\nRSET"), ""),
        (Options(envid="x" * 501), ""),
        (Options(envid="a+20b"), " ENVID=a+20b"),
    ],
)
def test_parameters_of_mail_that_are_none_are_left_out(options: Options, words: str) -> None:
    parcel = Parcel("a@b.example", (Addressee("c@d.example"),), b"", b"", options)
    assert commands.mail(parcel, {"DSN": ""}).decode() == f"MAIL FROM:<a@b.example>{words}\r\n"
    assert commands.mail(parcel, {}).decode() == "MAIL FROM:<a@b.example>\r\n"


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (Addressee("c@d.example", frozenset({"SUCCESS", "DELAY"})), " NOTIFY=SUCCESS,DELAY"),
        (Addressee("c@d.example", frozenset({"NEVER"})), " NOTIFY=NEVER"),
        (Addressee("c@d.example", frozenset()), ""),
        (Addressee("c@d.example", frozenset({"SOMETIMES"})), ""),
        (Addressee("c@d.example", None, "rfc822;c@d.example"), " ORCPT=rfc822;c@d.example"),
        (Addressee("c@d.example", None, "rfc822;c d"), ""),
    ],
)
def test_parameters_of_rcpt_that_are_none_are_left_out(to: Addressee, words: str) -> None:
    assert commands.rcpt(to, {"DSN": ""}).decode() == f"RCPT TO:<c@d.example>{words}\r\n"
    assert commands.rcpt(to, {}).decode() == "RCPT TO:<c@d.example>\r\n"
