"""smtp-sink counts, keeps and refuses; smtp-source sends as many as it is told."""

from __future__ import annotations

import pytest

from tests.peers.sink import SmtpSink, smtp_source

pytestmark = pytest.mark.peer("postfix")


def test_source_and_sink_count_alike() -> None:
    with SmtpSink() as sink:
        sent = smtp_source(sink.port, sessions=5, messages=200, octets=4096)
        assert sent.returncode == 0, sent.stderr
        sink.await_messages(200)
        assert sink.messages() == 200


def test_sink_keeps_what_it_took() -> None:
    with SmtpSink("-p", keep=True) as sink:
        sent = smtp_source(sink.port, recipients=2, recipient="vendor@example.co.id")
        assert sent.returncode == 0, sent.stderr
        sink.await_messages(1)
        (kept,) = sink.kept.iterdir()
        assert b"vendor@example.co.id" in kept.read_bytes()


def test_sink_refuses_as_told() -> None:
    with SmtpSink("-f", "RCPT", "-B", "550 5.1.1 unknown") as sink:
        sent = smtp_source(sink.port)
        assert sent.returncode != 0
        assert b"550 5.1.1 unknown" in sent.stderr
        assert sink.messages() == 0
