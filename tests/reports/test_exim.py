"""The main log of a real Exim (4.96, every log selector on), read as its letter really went."""

from __future__ import annotations

from pathlib import Path

from relay.mail.instant import iso
from relay.reports import grouped
from relay.reports.logfiles import LogFile
from tests.reports.logs import new_run

LOG = Path(__file__).with_name("exim-all.log")


def test_what_exim_writes_is_understood() -> None:
    run = new_run()
    found = {
        one.refusal.entry.to: one.refusal.verdict.said.category
        for one in run.read([LogFile(str(LOG))])
    }
    run.survey.finish()
    assert run.is_whole and not run.unknown_lines
    assert found == {
        b"a@nohost.id": "unknown_user",
        b"dead@y.id": "unknown_user",
        b"slow@y.id": "greylisted",
        b"full@y.id": "mailbox_full",
        b"b@refuse.id": "network",
    }
    whole = grouped.total(run.survey.groups.values())
    assert (whole.sent, whole.delivered, whole.failed, whole.waiting) == (6, 1, 3, 2)
    assert whole.p50 is not None and 2.0 < whole.p50 < 2.2
    assert run.survey.first_at is not None
    assert iso(run.survey.first_at)[:19] == "2026-11-29T12:50:29"
