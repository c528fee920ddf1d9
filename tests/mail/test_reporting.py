"""A report of ours is a letter from the empty sender, signed where its name has a key."""

from __future__ import annotations

from relay.mail import address, reporting
from relay.mail.dkim import hash_body
from relay.mail.envelope import REPORT_FLOW


def test_the_letter() -> None:
    to = address.parse("panitia@lpse.example.go.id")
    made = reporting.message(7, b"Subject: x\r\n", b"isi\r\n", to, "relay.example.go.id", 5)
    assert (made.id, made.envelope.sender, made.received_at) == (7, "", 5)
    assert [str(one.as_given) for one in made.envelope.recipients] == [str(to)]
    assert made.particulars.from_domain == "relay.example.go.id"
    assert made.particulars.flow == REPORT_FLOW
    assert made.particulars.subject == "Email tidak terkirim (Undelivered mail)"
    assert made.content.body_hash == hash_body(b"isi\r\n")
