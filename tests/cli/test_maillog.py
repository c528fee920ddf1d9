"""`maillog`: an old server's logs as tables, CSV and JSON; what cannot be read is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.house import Site, run
from tests.reports.logs import SENT, refused

KEYS = ["category", "scope", "action", "rule", "confidence"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "mail.log"
    lines = [SENT, refused("dead@gmail.com"), refused("dead@gmail.com", at="Feb 28 15:11:09")]
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_summary_tells_it_all(log: Path) -> None:
    answer = run("maillog", str(log), "--year", "2026")
    assert answer.code == 0
    assert "3 lines, 2026-02-27T07:11:09.000Z to 2026-02-28T08:11:09.000Z" in answer.out
    assert "1 delivered, 2 failed, 0 waiting" in answer.out
    assert "tidak terdaftar" in answer.out
    assert "2026-02-28 15:11:09 WIB" in answer.out
    whole = run("maillog", str(log), "--year", "2026", "--json").json
    assert (whole["lines"], whole["delivered"], whole["failed"]) == (3, 1, 2)
    assert whole["addresses"][0]["address"] == "dead@gmail.com"
    assert whole["addresses"][0]["last_failure_at"] == "2026-02-28T08:11:09.000Z"
    assert [line["failed"] for line in whole["delivery"]] == [0, 1, 1]
    assert whole["said"] == [
        {
            "count": 2,
            "category": "unknown_user",
            "action": "bounce_address",
            "rule": "text.unknown-user",
        }
    ]


def test_packed_logs_and_standard_input(log: Path) -> None:
    packed = log.with_name("mail.log.2.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    for answer in (
        run("maillog", str(packed), "--json"),
        run("maillog", "-", "--json", stdin=log.read_bytes()),
        run("maillog", "-", "--json", stdin=packed.read_bytes()),
    ):
        assert (answer.json["delivered"], answer.json["failed"]) == (1, 2)
    both = run("maillog", str(packed), str(log), "--json").json
    assert (both["lines"], both["delivered"]) == (6, 2)


def test_a_pipe_by_name_is_read_once(log: Path) -> None:
    words = f"{sys.executable} -m relay maillog {log} <(cat {log}) --json"
    done = subprocess.run(["bash", "-c", words], capture_output=True, timeout=60)
    assert json.loads(done.stdout)["lines"] == 6


def test_each_refusal_as_classify_says_it(log: Path) -> None:
    answer = run("maillog", str(log), "--jsonl", "--year", "2026")
    told = [json.loads(line) for line in answer.out.splitlines()]
    assert [row["id"] for row in told] == [f"{log}:2", f"{log}:3"]
    said = run("classify", refused("dead@gmail.com"), "--json").json
    assert {key: told[0][key] for key in KEYS} == said
    assert told[0]["address"] == "dead@gmail.com"
    assert told[0]["text"] == "User unknown"
    people = run("maillog", str(log), "--show", "refusals").out
    assert people.count("dead@gmail.com  bounced  unknown_user  bounce_address") == 2
    assert len(rows(run("maillog", str(log), "--show", "refusals", "--csv").out)) == 2


def test_the_list_for_the_relay(log: Path) -> None:
    lately = time.gmtime(time.time() - 10 * 86400), time.gmtime(time.time() - 2 * 86400)
    stamps = [time.strftime("%b %e %H:%M:%S", at) for at in lately]
    log.write_text("\n".join(refused("dead@gmail.com", at=at) for at in stamps))
    answer = run("maillog", str(log), "--show", "suppression", "--csv")
    assert answer.out.splitlines()[0] == "address,reason,rule,first_at,last_at,until_at"
    (row,) = rows(answer.out)
    assert (row["address"], row["reason"]) == ("dead@gmail.com", "unknown_user")
    assert row["until_at"].endswith("Z")
    (told,) = run("maillog", str(log), "--show", "suppression", "--json").json
    assert told == row


def test_parts_as_csv_are_no_formulas(log: Path) -> None:
    log.write_text(refused("=1+1@gmail.com") + "\n")
    (row,) = rows(run("maillog", str(log), "--show", "addresses", "--csv").out)
    assert row["address"] == "'=1+1@gmail.com"
    (row,) = rows(run("maillog", str(log), "--show", "delivery", "--csv").out)
    assert (row["provider"], row["failed"], row["category"]) == ("gmail", "1", "unknown_user")


def test_foreign_text_is_escaped(log: Path) -> None:
    said = "host mx.x.id[192.0.2.1] said: 550 5.1.1 \x1b[31m[red]No\u202e such user[/red]"
    log.write_text(refused(said=said) + "\n")
    out = run("maillog", str(log)).out
    assert "\x1b" not in out and "\u202e" not in out
    assert "[red]No\\u202e such user[/red]" in out


def test_damage_is_named_and_the_rest_is_done(log: Path) -> None:
    damaged = log.with_name("cut.gz")
    damaged.write_bytes(gzip.compress(log.read_bytes())[:-12])
    with log.open("ab") as file:
        file.write(SENT.encode()[:100] + b"\nwhat?\n")
    answer = run("maillog", str(damaged), "none.log", str(log), "--json")
    assert answer.code == 1
    assert answer.json["delivered"] >= 1
    assert f"{log}:4: a delivery without its status: the line was cut" in answer.err
    assert "none.log: No such file or directory" in answer.err
    assert f"lpse-relay: {damaged}" in answer.err
    assert f"{log}:5: no time stamp that is known here" in answer.err
    assert answer.json["damaged"] == 3
    assert run("maillog", "none.log").code == 2


def test_what_is_no_mail_log(log: Path) -> None:
    log.write_text("GET / HTTP/1.1\n\nHost: x\n")
    answer = run("maillog", str(log))
    assert (answer.code, "no line is of a mail log" in answer.err) == (1, True)
    log.write_text("\n\n")
    assert run("maillog", str(log)).code == 0


def test_following_ends_with_what_was_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def later(seconds: float) -> None:
        if log.read_bytes().count(b"\n") > 3:
            raise KeyboardInterrupt
        with log.open("ab") as file:
            file.write(refused("late@gmail.com").encode() + b"\n")

    monkeypatch.setattr("relay.cli.maillog.time.sleep", later)
    answer = run("maillog", "-f", str(log), "--show", "refusals")
    assert answer.code == 0
    whole = run("maillog", "-f", str(log)).out
    assert whole.count("bounced") == 3 and "1 delivered, 3 failed" in whole
    assert [line.split()[1] for line in answer.out.splitlines()] == [
        "dead@gmail.com",
        "dead@gmail.com",
        "late@gmail.com",
    ]


def test_a_sites_rules_and_zone_count(site: Site, log: Path) -> None:
    site.write("lab: true\nstate_dir: state\ninbox: {zone: WIT}\n")
    (site.folder / "site.d").mkdir()
    rule = (
        "rules:\n  - id: site.ours\n    pattern: user unknown\n    category: policy\n"
        "    samples: ['550 5.1.1 User unknown']\n"
    )
    (site.folder / "site.d" / "rules.yaml").write_text(rule)
    answer = site.run("maillog", str(log), "--json", "--year", "2026")
    assert answer.json["said"][0]["rule"] == "site.ours"
    assert answer.json["first_at"] == "2026-02-27T05:11:09.000Z"
    assert answer.json["addresses"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--zone", "Jakarta"], "--zone: 'Jakarta' is none of"),
        (["--zone", "+99:00"], "--zone"),
        (["--csv"], "--csv needs --show"),
        (["--csv", "--json", "--show", "delivery"], "not both"),
        (["--json", "--show", "refusals"], "--jsonl"),
        (["--show", "everything"], "everything"),
    ],
)
def test_bad_usage(log: Path, words: list[str], told: str) -> None:
    answer = run("maillog", str(log), *words)
    assert answer.code == 2
    assert told in answer.err


def test_zones(log: Path) -> None:
    for zone, first in (("UTC", "14:11:09"), ("-03:30", "17:41:09"), ("WITA", "06:11:09")):
        answer = run("maillog", str(log), "--json", "--year", "2026", "--zone", zone)
        assert answer.json["first_at"] == f"2026-02-27T{first}.000Z"


def test_a_bar_stands_on_a_terminal_only(log: Path) -> None:
    words = [sys.executable, "-m", "relay", "maillog", str(log), "--show", "delivery", "--csv"]
    ours, theirs = pty.openpty()
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as screen:
        drawn = screen.read(4096)
    assert b"mail.log" in drawn
    assert done.stdout.startswith(b"day,provider,")
    silent = subprocess.run(words, capture_output=True, timeout=60)
    assert (silent.stderr, silent.stdout) == (b"", done.stdout)
