"""`classify`: one reply for people and scripts, rows in their order, bad rows named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.house import Site, run

REPLY = "550 5.1.1 The email account that you tried to reach does not exist"
KEYS = ["category", "scope", "action", "rule", "confidence"]


def test_one_reply() -> None:
    answer = run(
        "classify", REPLY, "--mx", "gmail-smtp-in.l.google.com", "--stage", "rcpt", "--json"
    )
    assert answer.code == 0
    assert list(answer.json) == KEYS
    assert (answer.json["category"], answer.json["scope"]) == ("unknown_user", "recipient")
    assert answer.json["action"] == "bounce_address"
    people = run("classify", REPLY).out
    assert people.startswith("category    unknown_user\n")
    assert "action      bounce_address: give up for this recipient" in people


def test_from_standard_input() -> None:
    assert run("classify", "-", "--json", stdin=REPLY + "\n").json["category"] == "unknown_user"


def test_rows_keep_their_order_and_a_bad_one_is_named(tmp_path: Path) -> None:
    rows = [
        json.dumps({"id": "a", "text": REPLY}),
        "not json",
        json.dumps({"id": 7, "reply_code": 452, "text": "4.2.2 over quota"}),
        "",
        json.dumps({"id": "c", "reply_code": {}}),
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(rows))
    for answer in (
        run("classify", "--jsonl", str(file)),
        run("classify", "--jsonl", "-", stdin="\n".join(rows)),
    ):
        assert answer.code == 1
        said = [json.loads(line) for line in answer.out.splitlines()]
        assert len(said) == 4
        assert [row.get("id") for row in said] == ["a", None, 7, "c"]
        assert list(said[0]) == ["id", *KEYS]
        assert ["error" in row for row in said] == [False, True, False, True]
        assert [row.get("error", "")[:8] for row in said] == ["", "line 2: ", "", "line 5: "]
    assert run("classify", "--jsonl", "-", stdin=rows[0]).code == 0
    assert run("classify", "--jsonl", "-", stdin="").code == 0


def test_the_rules_of_a_site_come_first(site: Site) -> None:
    (site.folder / "site.d").mkdir()
    (site.folder / "site.d" / "rules.yaml").write_text(
        "rules:\n  - id: site.dinas\n    pattern: kotak surat dinas\n    category: mailbox_full\n"
        "    samples: ['552 5.2.2 Kotak surat dinas penuh']\n"
    )
    answer = site.run("classify", "552 Kotak surat dinas penuh", "--json")
    assert (answer.json["rule"], answer.json["category"]) == ("site.dinas", "mailbox_full")
    (site.folder / "site.d" / "rules.yaml").write_text("rules:\n  - id: x\n")
    assert site.run("classify", REPLY).code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give a reply, or --jsonl FILE"),
        ((REPLY, "--jsonl", "-"), "give a reply, or --jsonl FILE"),
        ((REPLY, "--stage", "helo2"), "--stage: unknown stage 'helo2': one of connect"),
        (("",), "classify: nothing to classify"),
        (("250 2.0.0 OK queued",), "classify: 250 is not a rejection: the server said yes"),
        (("354 Go ahead",), "classify: 354 is not a rejection"),
        (("--jsonl", "nowhere"), "nowhere: No such file"),
        (("--jsonl", "-", "--mx", "a"), "each row says its own mx and stage"),
        ((REPLY, "--config", "nowhere.yaml"), "nowhere.yaml: no such file"),
    ],
)
def test_what_cannot_be(words: tuple[str, ...], says: str) -> None:
    answer = run("classify", *words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err


PASTED = """<a@gmail.com>: host gmail-smtp-in.l.google.com[192.0.2.1] said:
    550-5.1.1 The email account that you tried to reach does not exist
    (in reply to RCPT TO command)

<b@example.co.id>: host mx.example.co.id[192.0.2.2] said: 552 5.2.2 Mailbox full (in reply to
    RCPT TO command)
<c@example.net>: host mx.example.net[192.0.2.3] refused to talk to me: 421 4.7.0 Try again later
"""


def test_blocks_that_were_pasted_together_are_judged_one_by_one() -> None:
    rows = run("classify", "-", "--json", stdin=PASTED).json
    assert [row["category"] for row in rows[:2]] == ["unknown_user", "mailbox_full"]
    assert len(rows) == 3
    people = run("classify", PASTED)
    assert people.code == 0
    assert people.out.startswith("1 of 3\ncategory    unknown_user\n")
    assert "\n\n3 of 3\ncategory    " in people.out
    one = run("classify", PASTED.split("\n\n", maxsplit=1)[0], "--json")
    assert one.json == rows[0]


def test_help_and_error_name_the_same_stages() -> None:
    told = run("classify", REPLY, "--stage", "x").err.rpartition("one of ")[2].strip()
    helped = " ".join(run("classify", "--help").out.split())
    assert told in helped
