"""Every client delivers to a plain server: many recipients, AUTH, STARTTLS, DSN, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers import clients
from tests.peers.certificates import self_signed
from tests.peers.clients import Letter, Sent, Server
from tests.peers.listening import Listening

SENDER = "lpse@lpse.example.go.id"
VENDORS = ("vendor@example.co.id", "rekanan@example.co.id", "penyedia@example.co.id")
TEXT = "Kepada Yth. Penyedia – undangan\r\n.satu titik\r\n"
LETTER = Letter(
    SENDER,
    VENDORS,
    (
        f"From: LPSE <{SENDER}>\r\nTo: vendor@example.co.id\r\n"
        "Subject: LPSE Pengumuman Pembatalan Lelang\r\n"
        "Date: Tue, 4 Oct 2011 14:11:00 +0700\r\nMessage-ID: <1.2@localhost>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        f"Content-Transfer-Encoding: 8bit\r\n\r\n{TEXT}"
    ).encode(),
)
Client = Callable[[Server, Letter], Sent]
PLAIN = [
    pytest.param(clients.swaks, marks=pytest.mark.peer("clients")),
    pytest.param(clients.curl_smtp, marks=pytest.mark.peer("clients")),
    pytest.param(clients.msmtp, marks=pytest.mark.peer("clients")),
    pytest.param(clients.nullmailer, marks=pytest.mark.peer("clients")),
    pytest.param(clients.nodemailer, marks=pytest.mark.peer("node")),
]
WRITING = [
    pytest.param(clients.phpmailer, marks=pytest.mark.peer("clients")),
    pytest.param(clients.javamail, marks=pytest.mark.peer("clients")),
    pytest.param(clients.commons_email, marks=pytest.mark.peer("clients")),
]


def text_of(content: bytes) -> str:
    return Letter("", (), content).text().replace("\r\n", "\n").strip()


@pytest.mark.parametrize("client", PLAIN)
def test_sends_the_octets(client: Client) -> None:
    with Listening() as server:
        sent = client(Server(server.port), LETTER)
        assert sent.exit_code == 0, sent.output
        (heard,) = server.heard
        assert heard.sender == SENDER
        assert sorted(heard.recipients) == sorted(VENDORS)
        assert heard.content.rstrip() == LETTER.content.rstrip()
        assert not heard.is_encrypted


@pytest.mark.parametrize("client", WRITING)
def test_writes_a_letter(client: Client) -> None:
    with Listening() as server:
        sent = client(Server(server.port), LETTER)
        assert sent.exit_code == 0, sent.output
        (heard,) = server.heard
        assert heard.sender == SENDER
        assert heard.recipients == list(VENDORS)
        written = Letter("", (), heard.content).parsed()
        assert written["Subject"] == "LPSE Pengumuman Pembatalan Lelang"
        assert text_of(heard.content) == text_of(LETTER.content)


@pytest.mark.parametrize("client", PLAIN + WRITING)
def test_authenticates_over_starttls(client: Client, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")
    with Listening(certificate=certificate, users={"spse": "rahasia 1"}) as server:
        door = Server(server.port, user="spse", password="rahasia 1", starttls=True)
        sent = client(door, LETTER)
        assert sent.exit_code == 0, sent.output
        (heard,) = server.heard
        assert (heard.user, heard.is_encrypted) == ("spse", True)


@pytest.mark.parametrize("client", [clients.swaks, clients.javamail])
@pytest.mark.peer("clients")
def test_a_wrong_password_fails(client: Client) -> None:
    with Listening(users={"spse": "rahasia"}) as server:
        sent = client(Server(server.port, user="spse", password="salah"), LETTER)
        assert sent.exit_code != 0
        assert "535" in sent.output
        assert server.heard == []


@pytest.mark.peer("clients")
def test_javamail_sends_to_nobody_after_one_refusal_unless_told() -> None:
    with Listening(refused={VENDORS[1]: "550 5.1.1 unknown"}) as server:
        sent = clients.javamail(Server(server.port), LETTER)
        assert sent.exit_code == 1
        assert "550 5.1.1 unknown" in sent.output
        assert server.heard == []
        told = {"mail.smtp.sendpartial": "true"}
        sent = clients.javamail(Server(server.port), LETTER, properties=told)
        assert "550 5.1.1 unknown" in sent.output
        (heard,) = server.heard
        assert heard.recipients == [VENDORS[0], VENDORS[2]]


@pytest.mark.peer("clients")
def test_commons_email_sends_from_many_threads_at_once() -> None:
    with Listening() as server:
        sent = clients.commons_email(Server(server.port), LETTER, copies=20, separately=True)
        assert sent.exit_code == 0, sent.output
        assert sent.output.count("sent to 1\n") == 60
        assert len(server.heard) == 60
        assert {heard.recipients[0] for heard in server.heard} == set(VENDORS)


@pytest.mark.peer("clients")
def test_javamail_sends_a_thousand_recipients_in_one_message() -> None:
    many = tuple(f"vendor{n}@example.co.id" for n in range(1000))
    with Listening() as server:
        sent = clients.javamail(Server(server.port), Letter(SENDER, many, LETTER.content))
        assert sent.exit_code == 0, sent.output
        (heard,) = server.heard
        assert heard.recipients == list(many)


@pytest.mark.peer("postfix", "clients")
def test_javamail_asks_for_delivery_notices_where_they_are_offered() -> None:
    from tests.peers.postfix import Postfix

    asked = {
        "mail.smtp.dsn.notify": "FAILURE,DELAY",
        "mail.smtp.dsn.ret": "HDRS",
        "mail.debug": "true",
        "mail.smtp.from": "bounces@lpse.example.go.id",
    }
    with Postfix() as server:
        sent = clients.javamail(Server(server.port), LETTER, properties=asked)
        assert sent.exit_code == 0, sent.output
        assert "MAIL FROM:<bounces@lpse.example.go.id> RET=HDRS" in sent.output
        assert "NOTIFY=FAILURE,DELAY" in sent.output
        assert len(server.await_arrived(3)) == 3
