"""Digest: one report a day on all that failed of an announcement, in plain words and for machines.

An announcement may be one letter to many or many letters of one subject; either way its sender
reads one list, by reason, in Indonesian and English. The first :data:`MOST_LISTED` recipients stand
in it and in the part for machines (RFC 3464), the rest are counted. All foreign text is escaped as
in `dsn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from relay.mail import ids
from relay.mail.dsn import (
    SUBJECT,
    Original,
    Undelivered,
    assembled,
    escaped,
    fields_of,
    grouped,
    label_of,
)
from relay.mail.instant import Instant

MOST_LISTED: Final = 500  # recipients
MOST_SAID: Final = 200  # characters of a server's words
MOST_SUBJECT: Final = 100  # characters of a letter's subject


@dataclass(frozen=True, slots=True)
class Missed:
    """One recipient of a digest, with the subject of the letter that did not arrive."""

    undelivered: Undelivered
    subject: str


def last_before(now: Instant, at: time, zone: tzinfo) -> Instant:
    """The latest moment, not after `now`, at which a clock in that zone showed `at`."""
    here = datetime.fromtimestamp(now / 1000, zone)
    moment = datetime.combine(here.date(), at, zone)
    if moment > here:
        moment = datetime.combine(here.date() - timedelta(days=1), at, zone)
    return int(moment.timestamp() * 1000)


def digest(
    listed: Sequence[Missed],
    unlisted: int,
    original: Original,
    hostname: str,
    report_id: int,
    now: Instant,
) -> tuple[bytes, bytes]:
    """Header block and body of one digest; `unlisted` recipients more failed. `original` is the
    first of the letters. Raises ValueError without recipients, for more than :data:`MOST_LISTED`,
    and for a sender ``<>``."""
    if not 0 < len(listed) <= MOST_LISTED:
        raise ValueError(f"a digest lists 1 to {MOST_LISTED} recipients, not {len(listed)}")
    total = len(listed) + unlisted
    lines = _words(listed, unlisted, hostname)
    words = "\r\n".join(lines).encode("ascii") + b"\r\n"
    groups = [[("Reporting-MTA", f"dns; {hostname}")]]
    for one in listed:
        job = one.undelivered.delivery
        fields = fields_of(one.undelivered, MOST_SAID)
        groups.append([*fields, ("Final-Log-ID", ids.show(job.message_id, job.n))])
    subject = f"{SUBJECT}: {total}"
    return assembled(subject, words, grouped(groups), original, hostname, report_id, now)


def _words(listed: Sequence[Missed], unlisted: int, hostname: str) -> list[str]:
    total = len(listed) + unlisted
    subjects = list(dict.fromkeys(one.subject for one in listed))
    kinds: dict[tuple[str, str], list[Missed]] = {}
    for one in listed:
        indonesian, english, _ = label_of(one.undelivered)
        kinds.setdefault((indonesian, english), []).append(one)
    ordered = sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    several = f"{len(subjects)} surat; judulnya ada di belakang tiap alamat"
    lines = [
        f"Ini pemberitahuan otomatis dari server email {hostname}, sekali sehari.",
        f"Email Bapak/Ibu tidak terkirim ke {total} alamat:",
        f"  {_title(subjects[0]) if len(subjects) == 1 else several}",
    ]
    for (name, _), ones in ordered:
        lines += ["", f"{name} ({len(ones)}):"]
        for one in ones:
            title = f"  {_title(one.subject)}" if len(subjects) > 1 else ""
            lines.append(f"  <{escaped(one.undelivered.delivery.recipient)}>{title}")
        lines += _example(ones)
    if unlisted:
        lines += ["", f"Dan {unlisted} alamat lain; daftarnya ada pada pengelola server email."]
    return lines + _english(ordered, subjects, total, unlisted, hostname)


def _english(
    ordered: Sequence[tuple[tuple[str, str], Sequence[Missed]]],
    subjects: Sequence[str],
    total: int,
    unlisted: int,
    hostname: str,
) -> list[str]:
    several = f"{len(subjects)} letters; each address above has its subject beside it"
    lines = [
        "",
        "--",
        f"This is an automatic notice from the mail server {hostname}, once a day.",
        f"Your mail did not reach {'1 address' if total == 1 else f'{total} addresses'}:",
        f"  {_title(subjects[0]) if len(subjects) == 1 else several}",
        "",
        "The addresses stand above, by reason:",
        *(f"  {name} = {english}: {len(ones)}" for (name, english), ones in ordered),
    ]
    if unlisted:
        lines.append(f"  and {unlisted} more, of which the mail server's keeper has the list")
    return lines


def _title(subject: str) -> str:
    return escaped(subject, MOST_SUBJECT) or "(tanpa judul / no subject)"


def _example(ones: Sequence[Missed]) -> list[str]:
    """What was said of the first of them that was answered at all."""
    for one in ones:
        job, made = one.undelivered.delivery, one.undelivered.attempts
        if made or job.why:
            said = escaped(made[-1].said() if made else job.why, MOST_SAID)
            return ["  Contoh jawaban / example of an answer:", f"  {said}"]
    return []
