"""`classify`: one reply for people and scripts, rows in their order, bad rows named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.house import Site, run

REPLY = "550 5.1.1 The email account that you tried to reach does not exist"
ACCEPTED = "not a rejection: it was accepted"
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


def test_octets_that_are_no_utf_8_are_read_all_the_same() -> None:
    """A log in Latin-1, piped in or pasted: the shell hands its octets over as they are."""
    line = b"550 5.1.1 No such user \xe9\n"
    row = b'{"text": "550 5.1.1 No such user \xe9"}\n'
    pasted = line.decode("utf-8", "surrogateescape")
    for answer in (
        run("classify", "-", "--json", stdin=line),
        run("classify", pasted, "--json"),
        run("classify", "--jsonl", "-", stdin=row),
    ):
        assert (answer.code, answer.json["category"]) == (0, "unknown_user")


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
        (("250 2.0.0 OK queued",), "classify: not a rejection: it was accepted"),
        (("354 Go ahead",), "classify: not a rejection: it was accepted"),
        (("999 x",), "classify: text: 999 is no SMTP code, these are 200 to 599"),
        (("099-x",), "099 is no SMTP code"),
        (("to=<a@x.id>, relay=mx[1.2.3.4]:25, dsn=2.0.0, status=sent (250 OK)",), ACCEPTED),
        (("a@x.id: status=sent",), ACCEPTED),
        (("to=<a@x.id>, relay=mx., dsn=2.0.0, stat=Sent (ok)",), ACCEPTED),
        (('10:00 1a => a@x.id R=dns T=smtp H=mx [1.2.3.4] C="250 OK id=1"',), ACCEPTED),
        (("<a@x.id>: host mx[1.2.3.4] said: 250 2.0.0 OK (in reply to end of DATA)",), ACCEPTED),
        (("the server said 250 2.0.0 OK queued",), ACCEPTED),
        (("--jsonl", "nowhere"), "nowhere: No such file"),
        (("--jsonl", "-", "--mx", "a"), "each row says its own mx and stage"),
        ((REPLY, "--config", "nowhere.yaml"), "nowhere.yaml: no such file"),
    ],
)
def test_what_cannot_be(words: tuple[str, ...], says: str) -> None:
    answer = run("classify", *words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err


EVENT = {
    "at": "2011-10-04T07:11:09.123Z",
    "event": "attempted",
    "id": "0000000000001",
    "n": 1,
    "recipient": "v…@gmail.com",
    "provider": "gmail",
    "mx": "gmail-smtp-in.l.google.com",
    "stage": "eod",
    "code": 550,
    "enhanced": "5.7.1",
    "text": "[192.0.2.1] Our system has detected an unusual rate of unsolicited mail",
    "failure": None,
    "category": "other",
}


def test_an_event_of_our_own_log_is_read_field_by_field() -> None:
    line = json.dumps(EVENT)
    plain = f"550 5.7.1 {EVENT['text']}"
    words = ("--mx", str(EVENT["mx"]), "--stage", "eod", "--json")
    meant = run("classify", plain, *words).json
    for pasted in (
        line,
        f"Nov 24 22:43:48 mail lpse-relay[7]: {line}",
        json.dumps(EVENT, indent=1),
    ):
        assert run("classify", pasted, "--json").json == meant
    assert meant["category"] != "other"
    both = run("classify", f"{line}\n{json.dumps(EVENT | {'code': 250, 'text': 'OK'})}", "--json")
    assert both.code == 2
    assert both.json == [meant, {"error": ACCEPTED}]
    row = run("classify", "--jsonl", "-", stdin=line).out
    assert json.loads(row) == {"id": "0000000000001", **meant}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code": None, "text": "timed out", "failure": "timeout"}, "failure.timeout"),
        ({"code": None, "failure": "hunger"}, "failure: 'hunger' is none that"),
        ({"code": None}, "event: 'attempted' holds no reply"),
        ({"event": "delivered", "code": None}, ACCEPTED),
        ({"event": "refused"}, "event: 'refused' holds no reply of a server"),
    ],
)
def test_an_event_without_a_rejection(changed: dict[str, object], said: str) -> None:
    answer = run("classify", json.dumps(EVENT | changed), "--json")
    assert answer.code == (0 if said.startswith("failure.") else 2)
    assert said in answer.out


def test_a_text_that_is_no_reply_keeps_its_answer_and_is_said_to_be_none() -> None:
    answer = run("classify", "hello world", "--json")
    assert (answer.code, answer.json["rule"]) == (0, "unknown")
    assert answer.err == "no SMTP reply was recognised in this\n"
    for reply in ("mailbox full", "550 hello world", "5.0.0 hello world"):
        assert run("classify", reply).err == ""


def test_a_row_without_a_reply_is_told_what_a_row_has() -> None:
    (row,) = map(
        json.loads, run("classify", "--jsonl", "-", stdin='{"code": 550}').out.splitlines()
    )
    assert "`reply_code`, `text`, or both" in row["error"]


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
