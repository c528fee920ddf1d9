"""Lines of logs, and a run over them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from relay.config.shipped import profile_texts, shipped_classifier
from relay.mail.instant import HOUR, Instant, from_iso
from relay.reports.entries import Entry
from relay.reports.logfiles import LogFile
from relay.reports.loglines import LogReader
from relay.reports.maillog import Found, LogRun
from relay.reports.providers import by_host
from relay.reports.stamps import Stamps
from relay.reports.survey import Survey
from relay.reports.verdicts import Verdicts
from relay.shaping.profiles import Profiles, parse

LATEST = from_iso("2026-03-01T00:00:00Z")
WIB = 7 * HOUR

SENT = (
    "Feb 27 14:11:09 lpse postfix/smtp[123]: 4F2A1C0123: to=<budi@gmail.com>,"
    " relay=gmail-smtp-in.l.google.com[74.125.45.27]:25, delay=1.2, delays=0.1/0/0.5/0.6,"
    " dsn=2.0.0, status=sent (250 2.0.0 OK 1234 z29si87.91 - gsmtp)"
)


def refused(
    to: str = "budi@gmail.com",
    said: str = "host mx.example.net[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO"
    " command)",
    at: str = "Feb 27 14:11:09",
    status: str = "bounced",
    dsn: str = "5.1.1",
    queue_id: str = "4F2A1C0123",
) -> str:
    return (
        f"{at} lpse postfix/smtp[9]: {queue_id}: to=<{to}>, relay=mx.example.net[192.0.2.1]:25,"
        f" delay=2, delays=0/0/1/1, dsn={dsn}, status={status} ({said})"
    )


def reader(latest: Instant = LATEST, zone: int = WIB, year: int | None = None) -> LogReader:
    return LogReader(Stamps(zone, latest, year))


def read(line: str) -> Entry:
    return reader().read(line.encode())


@cache
def shipped() -> Profiles:
    return Profiles(parse(text, where) for where, text in profile_texts().items())


def new_run(year: int | None = 2026) -> LogRun:
    survey = Survey(Verdicts(shipped_classifier()), by_host(shipped()), WIB)
    return LogRun(survey, WIB, lambda: LATEST, year)


def run_over(folder: Path, lines: Iterable[str]) -> tuple[LogRun, list[Found]]:
    """A log of these lines, read."""
    path = folder / "mail.log"
    path.write_text("\n".join(lines) + "\n")
    run = new_run()
    found = list(run.read([LogFile(str(path))]))
    run.survey.finish()
    return run, found
