"""What a log comes to: the verdicts of `classify`, addresses, deliveries, what is not known."""

import random
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.shipped import rule_texts, shipped_classifier
from relay.mail.instant import DAY, from_iso
from relay.replies import parse, rows
from relay.reports import grouped
from relay.reports.entries import Refused
from relay.reports.failing import STRIKES
from relay.reports.logfiles import LogFile
from relay.reports.verdicts import Verdicts, kind_of
from relay.suppression import SuppressionSettings
from tests.reports.logs import LATEST, SENT, new_run, refused, run_over

EXIM = "2026-02-27 14:11:09 1abcDE-0001Ab-2C"


def refusal(text: str, to: str = "budi@gmail.com") -> Refused:
    return Refused(0, to.encode(), b"", b"mx.x.id", None, b"A", True, True, text.encode())


def test_a_refusal_is_classified_as_classify_does() -> None:
    """Over every sample of every rule, in the way that both servers write it."""
    verdicts, classifier = Verdicts(shipped_classifier()), shipped_classifier()
    count = 0
    for where, text in rule_texts().items():
        for rule in parse(text, where).rules:
            for sample in rule.samples:
                said = sample.text.replace("\n", " ")
                for line in (
                    f"to=<budi@gmail.com>, relay={sample.mx or 'mx.x.id'}[192.0.2.1]:25, delay=1,"
                    f" dsn=5.0.0, status=bounced (host {sample.mx or 'mx.x.id'}[192.0.2.1] said:"
                    f" {said} (in reply to RCPT TO command))",
                    "** budi@gmail.com R=dnslookup T=remote_smtp H=mx.x.id [192.0.2.1]: SMTP error"
                    f" from remote mail server after RCPT TO:<budi@gmail.com>: {said}",
                ):
                    wanted = rows.classify_row(classifier, {"text": line})
                    if "error" in wanted:
                        continue
                    told = rows.shown(verdicts.of(refusal(line)).said)
                    assert {"id": None, **told} == wanted, line
                    count += 1
    assert count > 500


def test_what_differs_only_in_names_and_ids_is_one_kind() -> None:
    head = "to=<{0}>, relay=mx.x.id[192.0.2.1]:25, delay={1}, dsn=5.1.1, status=bounced (host"
    text = head + " mx.x.id[192.0.2.1] said: 550 5.1.1 <{0}>: unknown {2}.91 - gsmtp)"
    one = refusal(text.format("a@x.id", 1, "z29si8738067yhn"), "a@x.id")
    other = refusal(text.format("b@x.id", 22, "a11si9031175qhb"), "b@x.id")
    assert kind_of(one) == kind_of(other)
    assert kind_of(one) != kind_of(
        other._replace(text=other.text.replace(b"550 5.1.1", b"450 4.1.1"))
    )
    assert kind_of(one) != kind_of(other._replace(text=other.text.replace(b"unknown", b"full")))


def test_delivered_failed_waiting(tmp_path: Path) -> None:
    run, found = run_over(
        tmp_path,
        [
            SENT,
            refused("dead@gmail.com"),
            refused("full@x.id", "host mx.x.id[192.0.2.1] said: 452 4.2.2 Mailbox full (in reply to"
                    " RCPT TO command)", status="deferred", dsn="4.2.2", queue_id="AAA"),
            refused("late@x.id", "connect to mx.x.id[192.0.2.1]:25: Connection timed out",
                    status="deferred", dsn="4.4.1", queue_id="BBB"),
            refused("soon@x.id", "connect to mx.x.id[192.0.2.1]:25: Connection timed out",
                    status="deferred", dsn="4.4.1", queue_id="CCC"),
            "Feb 28 14:11:09 lpse postfix/qmgr[1]: AAA: from=<l@x.id>, status=expired, returned to"
            " sender",
            "Feb 28 14:11:09 lpse postfix/qmgr[1]: AAA: removed",
            SENT.replace("budi@gmail.com", "soon@x.id").replace("4F2A1C0123", "CCC"),
        ],
    )  # fmt: skip
    survey = run.survey
    assert (survey.delivered, survey.failed, survey.deferrals) == (2, 2, 3)
    assert [one.refusal.verdict.said.category for one in found] == [
        "unknown_user",
        "mailbox_full",
        "network",
        "network",
    ]
    assert (found[0].file.rpartition("/")[2], found[0].line) == ("mail.log", 2)
    whole = grouped.total(survey.groups.values())
    assert (whole.sent, whole.delivered, whole.failed, whole.waiting) == (5, 2, 2, 1)
    lines = list(survey.addresses.lines())
    assert {line.address: line.category for line in lines} == {
        "dead@gmail.com": "unknown_user",
        "full@x.id": "mailbox_full",
    }
    assert next(line for line in lines if line.address == "full@x.id").last_at == from_iso(
        "2026-02-28T07:11:09Z"
    )


def test_the_day_is_the_one_on_which_the_letter_came(tmp_path: Path) -> None:
    run, _ = run_over(
        tmp_path, [SENT.replace("14:11:09", "00:00:10"), SENT.replace("27 14:11:09", "28 00:00:01")]
    )
    lines = grouped.lines(run.survey.groups, ("day", "provider"))
    assert [(line.day, line.provider, line.delivered) for line in lines] == [
        ("2026-02-27", "gmail", 2)
    ]


def test_exim_says_when_a_letter_came_in_another_line(tmp_path: Path) -> None:
    run, _ = run_over(
        tmp_path,
        [
            f"{EXIM} <= l@x.id H=spse [192.0.2.9] P=esmtp S=99",
            f"{EXIM.replace(':09', ':49')} => a@x.id R=r T=t H=mx.x.id [192.0.2.1]",
            f"{EXIM.replace(':09', ':49')} Completed",
        ],
    )
    line = grouped.total(run.survey.groups.values())
    assert line.p50 == pytest.approx(40, rel=0.03)


def test_exims_last_word_is_what_was_said_before(tmp_path: Path) -> None:
    error = "SMTP error from remote mail server after RCPT TO:<a@x.id>: 452 4.2.2 Mailbox full"
    run, _ = run_over(
        tmp_path,
        [
            f"{EXIM} == a@x.id R=r T=t defer (-44) H=mx.x.id [192.0.2.1]: {error}",
            f"{EXIM} ** a@x.id: retry timeout exceeded",
        ],
    )
    (line,) = run.survey.addresses.lines()
    assert line.category == "mailbox_full"
    assert "Mailbox full" not in line.said  # the last line's own words


def test_who_once_took_mail_is_not_active_and_who_takes_it_again_is_healed(tmp_path: Path) -> None:
    sent = SENT.replace("budi@gmail.com", "OLD@gmail.com")
    lines = [sent, refused("old@gmail.com", at="Feb 28 14:11:09"), refused("new@gmail.com")]
    run, _ = run_over(tmp_path, lines)
    told = {line.address: line.wording for line in run.survey.addresses.lines()}
    assert told == {"old@gmail.com": "tidak aktif", "new@gmail.com": "tidak terdaftar"}
    healed = sent.replace("Feb 27", "Mar  1")
    run, _ = run_over(tmp_path, [*lines, healed])
    assert [line.address for line in run.survey.addresses.lines()] == ["new@gmail.com"]
    assert len(list(run.survey.addresses.lines(with_healed=True))) == 2


def test_a_block_is_no_fault_of_the_address(tmp_path: Path) -> None:
    said = (
        "host mx.example.net[192.0.2.1] said: 550 5.7.1 Our system has detected an unusual rate of"
        " unsolicited mail originating from your IP address (in reply to end of DATA command)"
    )
    run, _ = run_over(tmp_path, [refused(said=said, dsn="5.7.1")])
    assert run.survey.failed == 1
    assert list(run.survey.addresses.lines()) == []


def test_the_list_is_the_relays_own_rule(tmp_path: Path) -> None:
    said = "host mx.x.id[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command)"
    run, _ = run_over(
        tmp_path,
        [
            refused("once@x.id", said),
            refused("twice@x.id", said),
            refused("twice@x.id", said, at="Feb 28 15:11:09"),
            refused("quick@x.id", said),
            refused("quick@x.id", said, at="Feb 27 15:11:09"),
        ],
    )
    listed = list(run.survey.addresses.suppressed(LATEST, SuppressionSettings()))
    assert [(address, one.cause) for address, one, _ in listed] == [("twice@x.id", "unknown_user")]
    later = LATEST + 400 * DAY
    assert not list(run.survey.addresses.suppressed(later, SuppressionSettings()))


def test_what_nobody_knows_is_counted_in_kinds(tmp_path: Path) -> None:
    said = "host mx.x.id[192.0.2.1] said: 550 flurble {} wobble (in reply to RCPT TO command)"
    run, _ = run_over(tmp_path, [refused(said=said.format(n)) for n in range(5)] + ["??", "!!", ""])
    (kind,) = run.survey.unknown.values()
    assert (kind.count, kind.code) == (5, 550)
    assert "flurble # wobble" in kind.shape
    assert run.unknown_lines == 2
    assert str(run.unknown_first[0]).endswith("mail.log:6: no time stamp that is known here")
    assert run.is_whole


def test_damage_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(SENT + "\n")
    bad.write_bytes(SENT.encode() + b"\n" + b"\0" * 30 + b"\n" + SENT[:100].encode() + b"\n")
    run = new_run()
    list(run.read([LogFile(str(bad)), LogFile(str(tmp_path / "none")), LogFile(str(good))]))
    assert run.survey.delivered == 2
    assert [str(fault).rpartition("/")[2] for fault in run.faults] == [
        "bad:2: NUL octets stand where a line should be",
        "bad:3: a delivery without its status: the line was cut",
        "none: No such file or directory",
    ]
    assert not run.is_whole


def test_of_one_address_a_few_failures_are_kept(tmp_path: Path) -> None:
    run, _ = run_over(tmp_path, [refused() for _ in range(3 * STRIKES)])
    (failing,) = run.survey.addresses.failing.values()
    assert (failing.missed, len(failing.failures)) == (3 * STRIKES, STRIKES)


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    lines = [refused(at=f"Feb {day:2d} 14:11:09") for day in range(1, 28)]
    told = []
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        run, _ = run_over(tmp_path, lines)
        (line,) = run.survey.addresses.lines()
        told.append((line.first_at, line.last_at, line.missed))
    assert set(told) == {(from_iso("2026-02-01T07:11:09Z"), from_iso("2026-02-27T07:11:09Z"), 27)}


def test_the_newest_file_is_read_last(tmp_path: Path) -> None:
    """As `mail.log*` names them: the letter waits in one file and ends in another."""
    said = "connect to mx.x.id[192.0.2.1]:25: Connection timed out"
    waits = refused("late@x.id", said, at="Feb 20 14:11:09", status="deferred", dsn="4.4.1")
    head = "lpse postfix/qmgr[1]: 4F2A1C0123: from=<l@x.id>"
    texts = {
        "mail.log": f"Feb 28 14:11:09 {head}, status=expired, returned to sender\n",
        "mail.log.1": f"-- begins --\n{waits}\n",
        "mail.log.2.gz": "no time at all\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run = new_run()
    files = [LogFile(str(tmp_path / name)) for name in (*texts, "none")]
    assert [Path(file.name).name for file in run.in_order(files)][:2] == ["mail.log.1", "mail.log"]
    list(run.read(files))
    run.survey.finish()
    whole = grouped.total(run.survey.groups.values())
    assert (whole.failed, whole.waiting) == (1, 0)


HOSTILE = (
    *("a", "== ", "== a@x ", "1a", "said: ", "H=x ", "host a[", "host a[b] said: ", "a@", "550-"),
    *("550 5.1.1 ", "(in reply to ", "<a@b> ", ": ", "5.1.1 ", "[", "RCPT TO:<", "0a0a0a0a0a0a-"),
    "SMTP error from remote mail server after x: ",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_line_costs_no_more_than_its_length(tmp_path: Path, piece: str) -> None:
    body = (piece * 60_000)[:60_000]
    lines = [
        refused(said=body),
        refused(said=f"host mx[1] said: 550 {body}"),
        f"{EXIM} ** a@x.id R=r T=t H=mx.x.id [192.0.2.1]: {body}",
        f"{EXIM} ** a@x.id {body}",
        f"{EXIM} == {body}",
    ]
    run_over(tmp_path, [refused()])  # what is made once a process is none of theirs
    began = time.process_time()
    run_over(tmp_path, lines)
    assert time.process_time() - began < 2


@given(octets=st.binary(max_size=2000))
def test_any_file_is_read_to_its_end(octets: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(octets)
        file.flush()
        run = new_run()
        list(run.read([LogFile(file.name)]))
        run.survey.finish()
    assert run.lines <= octets.count(b"\n") + 1 or run.damaged
