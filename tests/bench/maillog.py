"""Measures how many lines of a mail log a second are read: usage: python -m tests.bench.maillog.

Three logs are made, the same each time, one line in twenty a refusal: deliveries only, in the way
of Postfix and of Exim, and a whole Postfix log with the lines of its other daemons. What is told
is the processor's time, so that other programs on the machine do not count.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from relay.config.shipped import profile_texts, shipped_classifier
from relay.mail.instant import HOUR
from relay.reports.logfiles import LogFile
from relay.reports.maillog import LogRun
from relay.reports.providers import by_host
from relay.reports.survey import Survey
from relay.reports.verdicts import Verdicts
from relay.shaping.profiles import Profiles, parse

MARK = 100_000  # lines a second on one core
SHARE = 0.05  # of refusals
HOSTS = {
    "gmail.com": "gmail-smtp-in.l.google.com",
    "yahoo.co.id": "mta7.am0.yahoodns.net",
    "hotmail.com": "hotmail-com.olc.protection.outlook.com",
    "cv-maju.co.id": "mail.cv-maju.co.id",
}
SAID = (
    ("5.1.1", "bounced", "550-5.1.1 The email account that you tried to reach does not exist."
     " Please try 550 5.1.1 double-checking the address {id} - gsmtp", "RCPT TO"),
    ("5.0.0", "bounced", "554 delivery error: dd This user doesn't have a yahoo.com account ({to})"
     " [0] - mta{n}.mail.skl.yahoo.com", "end of DATA"),
    ("5.2.2", "bounced", "552 5.2.2 {to}: mailbox is full", "RCPT TO"),
    ("4.7.0", "deferred", "421-4.7.0 [203.0.113.7      15] Our system has detected an unusual rate"
     " of unsolicited mail {id} - gsmtp", "end of DATA"),
    ("4.7.1", "deferred", "451 4.7.1 <{to}>: Recipient address rejected: Greylisted, see"
     " http://postgrey.example/{n}", "RCPT TO"),
)  # fmt: skip


def _letters(lines: int, seed: int) -> Iterator[tuple[str, str, str, str, bool, random.Random]]:
    chance = random.Random(seed)
    names = list(HOSTS)
    for n in range(lines):
        at = 1_700_000_000 + n // 40
        domain = names[chance.randrange(4)]
        to = f"vendor{chance.randrange(lines // 8 + 1)}@{domain}"
        queue_id = f"{chance.randrange(16**10):010X}"
        yield (
            time.strftime("%b %e %H:%M:%S", time.gmtime(at)),
            to,
            HOSTS[domain],
            queue_id,
            (chance.random() < SHARE),
            chance,
        )


def _reply(to: str, chance: random.Random) -> tuple[str, str, str, str]:
    dsn, status, text, command = SAID[chance.randrange(len(SAID))]
    session = f"{chance.randrange(16**12):x}si{chance.randrange(10**7)}yhn.{chance.randrange(99)}"
    return dsn, status, text.format(to=to, id=session, n=chance.randrange(9999)), command


def postfix(lines: int, seed: int) -> Iterator[str]:
    """Deliveries only."""
    for at, to, host, queue_id, is_refused, chance in _letters(lines, seed):
        head = (
            f"{at} lpse postfix/smtp[{chance.randrange(9999)}]: {queue_id}: to=<{to}>,"
            f" relay={host}[192.0.2.{chance.randrange(255)}]:25, delay={chance.random() * 9:.2g},"
            f" delays=0.1/0/0.5/0.6,"
        )
        if is_refused:
            dsn, status, text, command = _reply(to, chance)
            yield (
                f"{head} dsn={dsn}, status={status} (host {host}[192.0.2.1] said: {text}"
                f" (in reply to {command} command))"
            )
        else:
            yield f"{head} dsn=2.0.0, status=sent (250 2.0.0 OK {queue_id.lower()} - gsmtp)"


def whole(lines: int, seed: int) -> Iterator[str]:
    """Every daemon's lines."""
    for line in postfix(lines // 5, seed):
        at, queue_id = line[:15], line.split(": ")[1]
        yield f"{at} lpse postfix/smtpd[77]: {queue_id}: client=spse.example.go.id[192.0.2.9]"
        yield f"{at} lpse postfix/cleanup[78]: {queue_id}: message-id=<{queue_id}@example.go.id>"
        yield f"{at} lpse postfix/qmgr[79]: {queue_id}: from=<lpse@example.go.id>, size=4096"
        yield line
        yield f"{at} lpse postfix/qmgr[79]: {queue_id}: removed"


def exim(lines: int, seed: int) -> Iterator[str]:
    """Deliveries only."""
    for n, (_, to, host, queue_id, is_refused, chance) in enumerate(_letters(lines, seed)):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_700_000_000 + n // 40))
        letter = f"1a{queue_id[:4]}-00{queue_id[4:8]}-{queue_id[8:]}"
        if is_refused:
            _, status, text, _ = _reply(to, chance)
            sign = "**" if status == "bounced" else "=="
            defer = " defer (-44)" if sign == "==" else ""
            yield (
                f"{at} {letter} {sign} {to} R=dnslookup T=remote_smtp{defer} H={host} [192.0.2.1]:"
                f" SMTP error from remote mail server after RCPT TO:<{to}>: {text}"
            )
        else:
            yield (
                f"{at} {letter} => {to} R=dnslookup T=remote_smtp H={host} [192.0.2.1]"
                f' X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes C="250 2.0.0 OK" QT=2s DT=1s'
            )


def measure(name: str, make: Callable[[int, int], Iterator[str]], lines: int) -> dict[str, Any]:
    """One log, written, read, measured."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mail.log"
        path.write_text("\n".join(make(lines, 7)) + "\n")
        profiles = Profiles(parse(text, where) for where, text in profile_texts().items())
        survey = Survey(Verdicts(shipped_classifier()), by_host(profiles), 7 * HOUR)
        run = LogRun(survey, 7 * HOUR, lambda: 0)
        began, spent = time.perf_counter(), time.process_time()
        refusals = sum(1 for _ in run.read([LogFile(str(path))]))
        spent, took = time.process_time() - spent, time.perf_counter() - began
    letters = lines // 5 if make is whole else lines
    if run.damaged or run.unknown_lines or survey.delivered + refusals != letters:
        raise SystemExit(f"{name}: lines that were not read: {[str(f) for f in run.faults][:3]}")
    return {
        "log": name,
        "lines": run.lines,
        "refusals": refusals,
        "lines_per_s": round(run.lines / spent),
        "by_the_wall": round(run.lines / took),
        "of_the_mark": round(run.lines / spent / MARK, 2),
    }


def main() -> int:
    """Print a row a log; 1 where one is below the mark."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--lines", type=int, default=400_000)
    given.add_argument("--json", action="store_true")
    asked = given.parse_args()
    logs = {"postfix, deliveries only": postfix, "postfix, whole": whole, "exim": exim}
    rows = [measure(name, make, asked.lines) for name, make in logs.items()]
    if asked.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print(
                f"{row['log']:<26}{row['lines']:>9,} lines {row['lines_per_s']:>9,} lines/s"
                f" ({row['of_the_mark']:.2f} of the mark; by the wall {row['by_the_wall']:,})"
            )
    return 0 if all(row["of_the_mark"] >= 1 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
