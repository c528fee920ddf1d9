"""A letter by its own route, to a real mail server (aiosmtpd)."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from relay.observe.mailing import Host, Mailing
from relay.observe.ways import Undelivered
from tests.ingress import tls
from tests.observe.peers import HOST, Mailbox, mail, message

ROOTS = tls.made().certificate_file
FROM, TO = "lpse-relay@relay.lpse.example.go.id", "ops@lpse.example.go.id"


def mailing(box: Mailbox, **how: Any) -> Mailing:
    return Mailing(TO, FROM, Host("127.0.0.1", box.port, **how))


def test_the_letter_as_it_arrives() -> None:
    with mail() as box:
        assert mailing(box).carry(message()) == f"accepted by smtp://127.0.0.1:{box.port}"
    (envelope,) = box.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (FROM, [TO])
    assert box.sessions[0].host_name == HOST
    letter = box.letter()
    assert letter["Subject"] == "[lpse-relay] warning: pause:gmail"
    assert (letter["From"], letter["To"]) == (FROM, TO)
    assert letter["Date"] == "Tue, 04 Oct 2011 07:11:00 +0000"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith(f"@{HOST}>")
    text = letter.get_content()
    assert "gmail untuk sementara tidak mau menerima email kita" in text
    assert "gmail has had enough of our mail for now" in text
    assert "> 421 4.7.28 too fast" in text
    content = envelope.original_content
    assert content is not None
    content.decode("ascii")
    assert max(map(len, content.splitlines())) <= 998


def test_a_digest_has_all_rows() -> None:
    with mail() as box:
        mailing(box).carry(message("pause:gmail", "low_disk"))
    assert box.letter()["Subject"] == "[lpse-relay] warning: 2 alerts: pause:gmail, low_disk"
    assert "Disk hampir penuh" in box.letter().get_content()


def test_a_second_try_is_the_same_letter_and_another_alert_is_another() -> None:
    way = Mailing(TO, FROM, Host("127.0.0.1", 25))
    ids = [way.letter(message(name))["Message-ID"] for name in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("how", "says", "is_lasting"),
    [
        ({"rcpt": "550 5.1.1 No such user"}, "550 5.1.1 No such user", True),
        ({"rcpt": "451 4.3.0 Later"}, "451 4.3.0 Later", False),
        ({"dot": "554 5.7.1 Spam"}, "554 5.7.1 Spam", True),
        ({"dot": "452 4.3.1 Full"}, "452 4.3.1 Full", False),
    ],
)
def test_refusals_are_said(how: dict[str, Any], says: str, is_lasting: bool) -> None:
    with mail(**how) as box, pytest.raises(Undelivered) as caught:
        mailing(box).carry(message())
    assert str(caught.value) == f"smtp://127.0.0.1:{box.port}: {says}"
    assert caught.value.is_lasting is is_lasting


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Undelivered, match="Connection refused") as caught:
        Mailing(TO, FROM, Host("127.0.0.1", port)).carry(message())
    assert not caught.value.is_lasting


@pytest.mark.parametrize("implicit", [False, True])
def test_a_password_goes_over_tls_that_is_believed(implicit: bool) -> None:
    how: dict[str, Any] = {"is_implicit": implicit, "user": "relay", "password": "open sesame"}
    with mail(tls.server(), implicit=implicit) as box:
        with pytest.raises(Undelivered, match="certificate is not believed") as caught:
            mailing(box, **how).carry(message())
        assert caught.value.is_lasting
        assert not box.envelopes
        mailing(box, **how, ca_file=ROOTS).carry(message())
        assert len(box.envelopes) == 1
        with pytest.raises(Undelivered, match=r"535 5\.7\.8"):
            mailing(box, **(how | {"password": "wrong"}), ca_file=ROOTS).carry(message())


def test_a_password_never_goes_in_the_clear() -> None:
    with mail() as box:
        with pytest.raises(Undelivered, match="STARTTLS") as caught:
            mailing(box, user="relay", password="open sesame").carry(message())
        assert caught.value.is_lasting
    assert not box.envelopes


def test_starttls_is_taken_where_it_is_offered() -> None:
    with mail(tls.server()) as box:
        mailing(box).carry(message())
    assert box.sessions[0].ssl


def test_what_is_shown_holds_no_password() -> None:
    way = Mailing(TO, FROM, Host("::1", 465, True, "u", "hidden"))
    assert "hidden" not in repr(way)
    assert way.to == f"{TO} by smtps://[::1]:465"
