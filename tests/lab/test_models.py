"""The lab's providers judge as they say they do: quotas, penalties that renew, dead addresses."""

from __future__ import annotations

from relay.lab.models import Gmail, Greylisting, Outlook, Try, Window, Yahoo
from relay.mail.instant import SECOND


def tried(recipient: str = "vendor@gmail.com", is_encrypted: bool = True) -> Try:
    """A try from one address."""
    return Try("192.0.2.1", "lpse@lpse.example.go.id", recipient, is_encrypted)


def test_a_window_slides() -> None:
    window = Window(2, 1000)
    for now in (0, 400):
        assert not window.is_full(now)
        window.count(now)
    assert window.is_full(999)
    assert not window.is_full(1000)


def test_gmail_blocks_over_its_quota_and_every_letter_renews_it() -> None:
    gmail = Gmail(Window(2, 60 * SECOND), penalty=10 * SECOND)
    assert gmail.end(tried(), 0) is None
    assert gmail.end(tried(), 1) is None
    first = gmail.end(tried(), 2)
    assert first is not None and "550-5.7.1 [192.0.2.1 1]" in first
    assert gmail.end(tried(), 59 * SECOND) is not None  # the window is still full: a new block
    assert gmail.blocks == 2
    assert gmail.end(tried(), 68 * SECOND) is not None  # within its penalty, which starts again
    assert gmail.end(tried(), 77 * SECOND) is not None
    assert gmail.blocks == 2
    assert gmail.end(tried(), 87 * SECOND) is None


def test_gmail_wants_tls_and_knows_its_dead() -> None:
    gmail = Gmail(dead=frozenset({"gone@gmail.com"}))
    assert "5.7.29" in str(gmail.end(tried(is_encrypted=False), 0))
    assert "NoSuchUser" in str(gmail.rcpt(tried("gone@gmail.com"), 0))
    assert gmail.rcpt(tried(), 0) is None


def test_yahoo_says_unknown_only_after_the_dot() -> None:
    yahoo = Yahoo(dead=frozenset({"gone@yahoo.com"}))
    assert yahoo.rcpt(tried("gone@yahoo.com"), 0) is None
    assert str(yahoo.end(tried("gone@yahoo.com"), 0)).startswith(
        "554 delivery error: dd This user doesn't have a yahoo.com account (gone@yahoo.com)"
    )
    assert yahoo.end(tried("vendor@yahoo.com"), 0) is None


def test_outlook_is_busy_over_its_rate() -> None:
    outlook = Outlook(Window(1, 60 * SECOND), dead=frozenset({"gone@outlook.com"}))
    assert outlook.rcpt(tried("a@outlook.com"), 0) is None
    assert outlook.end(tried("a@outlook.com"), 0) is None
    assert str(outlook.rcpt(tried("a@outlook.com"), 1)).startswith("451 4.7.650")
    assert str(outlook.rcpt(tried("gone@outlook.com"), 1)).startswith("550 5.5.0")


def test_greylisting_counts_from_the_first_try_of_a_triple() -> None:
    host = Greylisting(delay=10 * SECOND, full=frozenset({"full@dinas.example.go.id"}))
    ask = tried("a@dinas.example.go.id")
    assert "Greylisted" in str(host.rcpt(ask, 0))
    assert "Greylisted" in str(host.rcpt(ask, 9_999))
    assert host.rcpt(ask, 10_000) is None
    assert "Greylisted" in str(host.rcpt(tried("full@dinas.example.go.id"), 10_000))
    assert "4.2.2" in str(host.rcpt(tried("full@dinas.example.go.id"), 20_000))
