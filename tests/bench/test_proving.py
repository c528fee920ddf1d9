"""The proof that stands before the bench: it must be able to fail."""

from __future__ import annotations

import pytest

from tests.bench.beside.proving import LETTERS, seen_in, unproved

GO_ON = b'7 write(12, "354 Start mail input"..., 40) = 40\n'
SYNC = b"9 fdatasync(5) = 0\n"
RESUMED = b"9 fdatasync(5 <unfinished ...>\n7 read(3) = 1\n9 <... fdatasync resumed>) = 0\n"
FAILED = b"9 fdatasync(5) = -1 EIO (Input/output error)\n"
TAKEN = b'7 sendto(12, "250 2.0.0 queued as 1M8"..., 30) = 30\n'
RCPT = b'7 write(12, "250 2.1.5 ok"..., 12) = 12\n'


@pytest.mark.parametrize(
    ("letter", "is_synced", "syncs"),
    [
        (RCPT + GO_ON + SYNC + TAKEN, True, 1.0),
        (GO_ON + RESUMED + TAKEN + SYNC, True, 2.0),
        (GO_ON + TAKEN + SYNC, False, 1.0),  # the outcome's, or too late
        (SYNC + GO_ON + TAKEN, False, 1.0),
        (GO_ON + FAILED + TAKEN, False, 0.0),
        (GO_ON + SYNC, False, 1.0),  # its 250 was not seen
    ],
)
def test_each_letter_is_synced_between_its_354_and_its_250(
    letter: bytes, is_synced: bool, syncs: float
) -> None:
    assert seen_in(letter * LETTERS) == {"syncs_a_letter": syncs, "is_synced": is_synced}


def test_one_letter_without_a_sync_is_enough() -> None:
    good = GO_ON + SYNC + TAKEN
    assert not seen_in(good * (LETTERS - 1) + GO_ON + TAKEN)["is_synced"]


def test_what_was_not_proved_is_said() -> None:
    good = {"is_signed": True, "is_synced": True}
    found = {"ours": good, "postfix": {"is_signed": True}}
    assert unproved(found) == []
    assert unproved(found | {"a": good | {"is_synced": False}}) == ["a: it said 250 before a sync"]
    assert unproved({"a": good | {"is_signed": False}}) == ["a: its signature does not hold"]
    assert unproved({"a": {"fault": "OSError: no"}}) == ["a: OSError: no"]
