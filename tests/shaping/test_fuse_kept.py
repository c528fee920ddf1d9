"""What a fuse remembers: over a restart, for a while, and within bounds."""

from __future__ import annotations

from fractions import Fraction

import pytest

from relay.mail.instant import DAY, HOUR
from relay.shaping import fuse as fuses
from relay.shaping.fuse import FuseBox
from relay.shaping.strand import PENDING, Days, Rule, Strand
from tests.shaping.fusebox import FULL, LETTER, NOW, SPAM, UNKNOWN, Box


def test_bounces_are_remembered_for_an_hour_and_not_without_end() -> None:
    strand = Strand()
    rule = Rule(30, 1, 30)
    for n in range(PENDING + 10):
        strand.bounce((NOW + n, n, 1), NOW + n)
    assert len(strand.bounced) == PENDING
    strand.bounce((NOW + HOUR + 5_000, 1, 1), NOW + HOUR + 5_000)
    assert len(strand.bounced) == 10
    for _ in range(30):
        strand.note(True, rule, Fraction(15, 100), NOW + 3 * HOUR)
    assert strand.pending == ()


def test_a_bounce_of_what_is_not_watched_is_not_remembered() -> None:
    box = FuseBox()
    box.bounced("gmail", LETTER, UNKNOWN, (1, 1), NOW)
    assert box.dirty(NOW) == {}
    box.note("gmail", LETTER, None, NOW)
    box.bounced("gmail", LETTER, SPAM, (1, 1), NOW)
    box.bounced("gmail", LETTER, FULL, (1, 1), NOW)
    assert "bounced" not in box.dirty(NOW)["fuse:gmail"]


def test_it_survives_a_restart_in_every_moment() -> None:
    box = Box()
    box.days(1)
    for n in range(40):
        assert box.note(UNKNOWN).is_blown is (n >= 15)
        box.note(SPAM if n < 4 else None)
        box.restarted()
    assert [alert.name for alert in box.alerts] == ["fuse:gmail"]
    assert len(box.box.pending("fuse:gmail")) == 15
    assert box.box._watched["gmail"].days.totals(box.now)[0] == 1_000
    assert len(box.box._watched["gmail"].letters) == 1


def test_what_cannot_be_read_is_named_and_the_rest_is_taken() -> None:
    box = FuseBox()
    box.note("yahoo", LETTER, UNKNOWN, NOW)
    good = box.dirty(NOW)
    again = FuseBox()
    bad = {"fuse:a": "{", "fuse:b": "[]", "fuse:c": '{"addresses":{"slots":[[1]]},"days":[]}'}
    with pytest.raises(ValueError, match=r"fuse:a: .*fuse:b: .*fuse:c: "):
        again.restore({**bad, **good, "state:gmail": "?"}, NOW)
    assert list(again._watched) == ["yahoo"]


def test_nothing_that_was_kept_lies_in_the_future() -> None:
    box = Box()
    box.note(UNKNOWN, 40)
    kept = box.box.dirty(box.now)
    days = {"fuse:gmail": kept["fuse:gmail"].replace('"days":[]', '"days":[[99999,9,9]]')}
    again = FuseBox()
    again.restore(days, NOW - DAY)
    watched = again._watched["gmail"]
    assert (watched.strand.attempts, watched.strand.blown_at) == (0, NOW - DAY)
    assert watched.days.totals(NOW) == (0, 0)


def test_what_is_of_no_use_any_more_goes() -> None:
    box = Box()
    box.note(UNKNOWN)
    box.note(SPAM)
    kept = box.box.dirty(box.now)
    again = FuseBox()
    later = box.now + 2 * HOUR
    again.restore(kept, later)
    assert again.dirty(later) == {}
    again.note("gmail", b"\x02", None, later)
    assert "letters" in kept["fuse:gmail"]
    assert "letters" not in again.dirty(later)["fuse:gmail"]
    again = FuseBox()
    again.restore(kept, box.now + 31 * DAY)
    assert again.dirty(box.now + 31 * DAY) == {"fuse:gmail": ""}
    again.not_kept({"fuse:gmail": ""})
    assert again.dirty(box.now) == {"fuse:gmail": ""}
    assert again.dirty(box.now) == {}


def test_a_refusal_is_urgent_to_keep_and_an_acceptance_is_not() -> None:
    def is_urgent() -> bool:
        return box.is_urgent

    box = FuseBox()
    box.note("gmail", LETTER, None, NOW)
    assert not is_urgent()
    box.note("gmail", LETTER, SPAM, NOW)
    assert is_urgent()
    kept = box.dirty(NOW)
    assert not is_urgent()
    box.not_kept(kept)
    assert is_urgent()
    assert box.dirty(NOW) == kept


def test_letters_and_destinations_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET", "REFUSED", "FORGET"):
        monkeypatch.setattr(fuses, name, 3)
    box = Box()
    box.note(SPAM, 5, letter=b"bad")
    for n in range(9):
        box.note(None, letter=bytes([n]))
        box.note(SPAM, letter=bytes([n]))
        box.note(None, letter=bytes([100 + n]))
    assert len(box.box._quiet) == 3
    watched = box.box._watched["gmail"]
    assert len(watched.letters) == 3
    assert b"bad".hex() in watched.letters
    for n in range(5):
        box.note(SPAM, 5, letter=bytes([n]))
    assert len(watched.letters) == 3
    for n in range(5):
        box.note(None, at=f"mx{n}.example.co.id")
        box.note(None, letter=bytes([n]))
    box.box.dirty(box.now)
    box.now += 2 * HOUR
    assert box.box.dirty(box.now) == {}
    assert list(box.box._watched) == ["gmail"]


def test_days_beyond_the_thirty_are_left_out() -> None:
    days = Days()
    days.add(100, 10, 1)
    days.add(70, 5, 5)
    days.add(71, 3, 3)
    assert days.totals(100 * DAY) == (13, 4)
    assert days.dump() == [(71, 3, 3), (100, 10, 1)]
    assert days.totals(101 * DAY) == (10, 1)
    assert days.totals(900 * DAY) == (0, 0)
