"""The log of a real Postfix, read as its letters really went."""

from __future__ import annotations

import smtplib
import time
from pathlib import Path

import pytest

from relay.reports.logfiles import LogFile
from tests.peers.postfix import Postfix, PostfixRelay
from tests.reports.logs import new_run

pytestmark = pytest.mark.peer("postfix")

SENDER = "lpse@lpse.example.go.id"
LETTER = b"From: LPSE <lpse@lpse.example.go.id>\r\nSubject: Pengumuman\r\n\r\nKepada Yth.\r\n"


def wait_for(relay: PostfixRelay, words: str, limit: float = 20) -> str:
    """The log, once these words stand in it."""
    until = time.monotonic() + limit
    while words not in (log := relay.log()):
        assert time.monotonic() < until, log
        time.sleep(0.05)
    return log


def test_what_postfix_writes_is_understood(tmp_path: Path) -> None:
    replies = {
        "dead@example.co.id": "550 5.1.1 User unknown",
        "slow@example.co.id": "451 4.7.1 Greylisted, try again later",
    }
    with Postfix(replies=replies) as server, PostfixRelay(server.port) as relay:
        with smtplib.SMTP(relay.address, relay.port, timeout=20) as client:
            client.sendmail(SENDER, ["vendor@example.co.id", *replies], LETTER)
        server.await_arrived(1)
        wait_for(relay, "status=bounced")
        log = wait_for(relay, "status=deferred")
    path = tmp_path / "mail.log"
    path.write_text(log.replace("127.0.0.1[127.0.0.1]", "mx.example.co.id[192.0.2.1]"))
    run = new_run(year=None)
    read = run.read([LogFile(str(path))])
    found = {one.refusal.entry.to: one.refusal.verdict.said for one in read}
    run.survey.finish()
    assert run.is_whole and not run.unknown_lines, run.unknown_first
    assert run.survey.delivered >= 1
    assert found[b"dead@example.co.id"].category == "unknown_user"
    assert found[b"slow@example.co.id"].category == "greylisted"
    assert [line.address for line in run.survey.addresses.lines()] == ["dead@example.co.id"]
