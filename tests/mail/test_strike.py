"""Strikes: the words and the small questions of an address' history."""

from __future__ import annotations

from relay.mail import address
from relay.mail.classification import Category
from relay.mail.strike import CAUSE_OF, Cause, History, Listed, Strike, key_of

ADDRESS = "vendor@example.co.id"


def test_a_history_is_clean_without_strikes_and_without_a_row() -> None:
    strike = Strike(ADDRESS, 0, Cause.UNKNOWN, "rule", 7, 1, is_documented=True)
    assert History(ADDRESS).is_clean
    assert not History(ADDRESS, (strike,)).is_clean
    assert not History(ADDRESS, listed=Listed(ADDRESS, None, "surat", "uid 0", 0)).is_clean
    assert strike.ref == (7, 1)


def test_a_recipient_and_its_address_have_one_key() -> None:
    for text in ("Vendor@Example.co.id", "a.B+c@[192.0.2.1]", '"A b"@example.co.id'):
        parsed = address.parse(text)
        assert key_of(str(parsed)) == parsed.key
    assert key_of("Bukan Alamat") == "bukan alamat"


def test_a_complaint_is_no_category_of_a_reply() -> None:
    assert Cause.COMPLAINT.category is None
    assert CAUSE_OF[Category.MAILBOX_FULL] is Cause.FULL
    assert all(cause.category is category for category, cause in CAUSE_OF.items())
