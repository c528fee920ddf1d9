"""Lines of Postfix and Exim: what each tells, and hypothesis' lines, which never break it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import iso
from relay.reports.entries import (
    LOCAL,
    OTHER,
    Arrived,
    Aside,
    Ended,
    LineError,
    Refused,
    Sent,
    UnknownShape,
)
from tests.reports.logs import SENT, read, reader, refused

SMTP = "4F2A1C0123: to=<budi@gmail.com>, relay=gmail-smtp-in.l.google.com[74.125.45.27]:25"
REST = ", delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 OK)"
EXIM = "2026-02-27 14:11:09 1abcDE-0001Ab-2C"
H = "R=dnslookup T=remote_smtp H=mx.example.net [192.0.2.1]"


@pytest.mark.parametrize(
    "line",
    [
        SENT,
        SENT.replace("postfix/smtp", "postfix-out/smtp"),
        SENT.replace("postfix/smtp", "postfix-out/smtp-slow/smtp"),
        SENT.replace("postfix/smtp", "postfix/relay/smtp"),
        SENT.replace("Feb 27 14:11:09", "2026-02-27T14:11:09.123456+07:00"),
        SENT.replace("Feb 27 14:11:09", "2026-02-27T07:11:09Z"),
        SENT.replace("Feb 27 14:11:09", "2026-02-27 14:11:09"),
        SENT.replace("relay=", "orig_to=<budi@lama.id>, relay="),
        SENT.replace(", delay=", ", conn_use=2, delay="),
        f"2026-02-27 14:11:09 4F2A1C-000123-XX => budi@gmail.com {H} QT=1.2s DT=1s".replace(
            "mx.example.net", "gmail-smtp-in.l.google.com"
        ).replace("4F2A1C-000123-XX", "4F2A1C-0123AB-XX"),
    ],
)
def test_a_delivery(line: str) -> None:
    entry = read(line)
    assert isinstance(entry, Sent)
    assert (entry.to, entry.host) == (b"budi@gmail.com", b"gmail-smtp-in.l.google.com")
    assert entry.took == 1.2
    assert iso(entry.at)[:19] == "2026-02-27T07:11:09"
    assert entry.queue_id.startswith(b"4F2A1C")


def test_long_queue_ids_and_quoted_local_parts() -> None:
    line = SENT.replace("4F2A1C0123", "3PqLmN1vZyz9s4D").replace("budi@", '"a, b>c"@')
    entry = read(line)
    assert isinstance(entry, Sent)
    assert (entry.queue_id, entry.to) == (b"3PqLmN1vZyz9s4D", b'"a, b>c"@gmail.com')


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        (refused(), {}),
        (refused(status="deferred"), {"is_final": False}),
        (
            refused(
                status="deferred",
                said="delivery temporarily suspended: connect to mx.example.net[192.0.2.1]:25:"
                " Connection refused",
            ),
            {"is_final": False, "is_tried": False},
        ),
        (refused().replace("relay=", "orig_to=<b@lama.id>, relay="), {"given": b"b@lama.id"}),
        (
            refused().replace("relay=mx.example.net[192.0.2.1]:25", "relay=none"),
            {"host": b""},
        ),
    ],
)
def test_a_refusal_of_postfix(line: str, changes: dict[str, Any]) -> None:
    entry = read(line)
    wanted = {
        "to": b"budi@gmail.com",
        "given": b"",
        "host": b"mx.example.net",
        "took": 2.0,
        "queue_id": b"4F2A1C0123",
        "is_final": True,
        "is_tried": True,
    }
    assert isinstance(entry, Refused)
    told = entry._asdict()
    assert told.pop("text").startswith(b"to=<budi@gmail.com>")
    told.pop("at")
    assert told == wanted | changes


ERROR = "SMTP error from remote mail server after RCPT TO:<a@x.id>: 550 5.1.1 User unknown"


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (f"** a@x.id {H}: {ERROR}", {}),
        (f"** a@x.id <b@y.id> {H} X=TLS1.3:X:256 CV=yes: {ERROR}", {"given": b"b@y.id"}),
        (f"** a@x.id P=<lpse@z.id> {H}: {ERROR}", {}),
        (f"== a@x.id {H.replace(' H=', ' defer (-44) H=')}: {ERROR}", {"is_final": False}),
        (
            "== a@x.id R=dnslookup T=remote_smtp defer (110): Connection timed out",
            {"is_final": False, "host": b""},
        ),
        (
            "== a@x.id R=dnslookup T=remote_smtp defer (-53): retry time not reached for any host",
            {"is_final": False, "host": b"", "is_tried": False},
        ),
        ("** a@x.id: Unrouteable address", {"host": b""}),
        ("** a@x.id: retry timeout exceeded", {"host": b""}),
    ],
)
@pytest.mark.parametrize(
    "head",
    [
        EXIM,
        EXIM.replace("09 1a", "09.123 1a"),
        EXIM.replace("09 1a", "09 +0700 1a"),
        EXIM.replace("09 1a", "09.123 +0700 [4711] 1a"),
        EXIM.replace("0001Ab-2C", "000000001Ab-2C3d"),
        EXIM.replace("2026", "Feb 27 14:11:09 lpse exim[4711]: 2026"),
        EXIM.replace("2026-02-27 14:11:09", "Feb 27 14:11:09 lpse exim4[4711]:"),
    ],
)
def test_a_refusal_of_exim(head: str, told: str, changes: dict[str, Any]) -> None:
    entry = read(f"{head} {told}")
    wanted = {
        "to": b"a@x.id",
        "given": b"",
        "host": b"mx.example.net",
        "took": None,
        "is_final": True,
        "is_tried": True,
    }
    assert isinstance(entry, Refused)
    assert iso(entry.at)[:19] == "2026-02-27T07:11:09"
    fields = entry._asdict()
    assert {name: fields[name] for name in wanted} == wanted | changes
    assert entry.text.decode() == told


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Feb 27 14:11:09 lpse postfix/smtpd[1]: connect from a[192.0.2.1]", OTHER),
        ("Feb 27 14:11:09 lpse kernel: eth0 up", OTHER),
        ("Feb 27 14:11:09 lpse last message repeated 2 times", OTHER),
        (SENT.replace("status=sent", "status=deliverable"), OTHER),
        (SENT.replace("postfix/smtp[", "postfix/local["), LOCAL),
        (SENT.replace("gmail-smtp-in.l.google.com[74.125.45.27]", "127.0.0.1[127.0.0.1]"), LOCAL),
        (f"{EXIM} => budi <budi@x.id> R=local_user T=mail_spool", LOCAL),
        (f"{EXIM} => budi@x.id {H}".replace("H=mx.example.net", "H=localhost"), LOCAL),
        (f"{EXIM} ** |/bin/false R=system_aliases: failed", LOCAL),
        ("2026-02-27 14:11:09 Start queue run: pid=4711", OTHER),
        ("2026-02-27 14:11:09 [47", OTHER),
        (f"{EXIM} H=mx.example.net [192.0.2.1] Connection refused", OTHER),
    ],
)
def test_lines_aside(line: str, wanted: Aside) -> None:
    assert read(line) is wanted


def test_lines_about_a_letter() -> None:
    head = "Feb 27 14:11:09 lpse postfix/qmgr[1]: 4F2A1C0123"
    removed, expired = (
        read(f"{head}: removed"),
        read(f"{head}: from=<lpse@x.go.id>, status=expired, returned to sender"),
    )
    assert isinstance(removed, Ended) and isinstance(expired, Ended)
    assert (removed.queue_id, removed.is_expired) == (b"4F2A1C0123", False)
    assert (expired.queue_id, expired.is_expired) == (b"4F2A1C0123", True)
    assert isinstance(read(f"{EXIM} <= lpse@x.go.id H=spse [192.0.2.9] P=esmtp S=99"), Arrived)
    ended = read(f"{EXIM} Completed")
    assert isinstance(ended, Ended) and not ended.is_expired


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (SENT[:120], "cut"),
        (SENT.replace("delay=1.2", "delay=soon"), "delay"),
        (SENT.replace("delay=1.2", "delay=-1"), "delay"),
        (f"{EXIM} => ", "without its recipient"),
        ("Feb 30 14:11:09 lpse postfix/qmgr[1]: x", "no day 30"),
        ("\0\0\0\0\0\0\0\0\0\0\0", "NUL"),
        ("Feb 27 14:11:09 \0\0\0", "NUL"),
    ],
)
def test_damaged_lines(line: str, told: str) -> None:
    with pytest.raises(LineError, match=told) as caught:
        read(line)
    assert not isinstance(caught.value, UnknownShape)


@pytest.mark.parametrize("line", ["", "hello", "-- Logs begin at Fri --", "Feb 27 14:11:09 lpse x"])
def test_unknown_shapes(line: str) -> None:
    with pytest.raises(UnknownShape):
        read(line)


def test_the_second_line_of_a_second_reads_the_same() -> None:
    one = reader()
    for line in (SENT, refused(), f"{EXIM} => a@x.id {H}"):
        assert one.read(line.encode()) == one.read(line.encode()) == read(line)


WORDS = (
    ": to=<|>, |, status=|sent|bounced|, relay=|[|]: | => | ** | H=|QT=|\0|2026-02-27T14:11:09"
    "|+07:00|, delay=|1e999|nan|/|@| |::|é|Feb 27 14:11:09 "
)
PIECES = st.sampled_from(
    [SENT, refused(), f"{EXIM} ** a@x.id {H}: {ERROR}", EXIM, *WORDS.split("|")]
)


@given(
    st.one_of(
        st.binary(max_size=300), st.lists(PIECES, max_size=8).map(lambda p: "".join(p).encode())
    )
)
def test_any_line_has_an_answer_or_the_one_error(line: bytes) -> None:
    answered(line)


def answered(line: bytes) -> None:
    try:
        entry = reader().read(line)
    except LineError as error:
        assert str(error)
    else:
        assert isinstance(entry, Sent | Refused | Arrived | Ended | Aside)


@given(st.data())
def test_a_line_that_was_cut_has_an_answer_too(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from([SENT, refused(), f"{EXIM} ** a@x.id {H}: {ERROR}"])).encode()
    at = data.draw(st.integers(0, len(line)))
    octets = data.draw(st.binary(max_size=4))
    answered(line[:at] + octets + line[at + len(octets) :])
