"""What patterns see of a text, and that a frame around a sentence blames nobody."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.mail import reply as replies
from relay.mail.classification import Action
from relay.mail.reply import Stage
from relay.replies import Classifier, wording


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("User\n  Unknown\t!", "user unknown !"),
        ("doesn’t exist – “here”", 'doesn\'t exist - "here"'),
        ("<spam.trap@full.example>: no", "<a@b>: no"),
        ("rate of 550-5.7.1 unsolicited 550 5.7.1 mail", "rate of unsolicited mail"),
        ("undeliverable address: host mx[192.0.2.1] said: 550 5.1.1 No user", "no user"),
        ("host mx said: 550 user unknown", "user unknown"),
        ("somebody said: 5", "somebody said: 5"),
        ("@ @@ a@", "@ @@ a@"),
        ("", ""),
    ],
)
def test_a_text_made_comparable(text: str, seen: str) -> None:
    assert wording.comparable(text) == seen


@given(st.text(st.characters()))
@example("\udcff user unknown")
def test_a_pattern_can_be_looked_for_in_it(text: str) -> None:
    """Octets that were no UTF-8 come as halves of surrogate pairs, which RE2 does not take."""
    seen = wording.comparable(text)
    assert seen.encode().decode() == seen


@given(st.text())
def test_it_is_bounded_and_lower_case(text: str) -> None:
    seen = wording.comparable(text)
    assert len(seen) <= 2 * wording.MAX_TEXT
    assert seen == seen.lower()


FRAMES = [
    "550 5.7.1 <v@example.co.id>: Recipient address rejected: {}",
    "550 <v@example.co.id>... {}",
    "550 permanent failure for one or more recipients (v@example.co.id:{})",
    "550 5.1.1 <v@example.co.id>: Recipient address rejected: undeliverable address: "
    "host mx.example.co.id[192.0.2.2] said: {}",
]
ABOUT_US = [
    "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    "Your IP 192.0.2.1 has been blacklisted",
    "Too many connections from 192.0.2.1",
    "You have exceeded the hourly message quota",
    "SPF check failed",
    "No reverse DNS for 192.0.2.1",
    "Sender address rejected: Domain not found",
    "Sender verify failed",
    "You must be authenticated to send",
    "Message rejected as spam by Content Filtering",
    "Virus found in message",
    "Message size exceeds fixed limit",
    "Greylisted, please try again later",
    "Temporary lookup failure",
    "Missing Date: header",
    "Too many hops",
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("sentence", ABOUT_US)
def test_a_frame_blames_no_address(classifier: Classifier, frame: str, sentence: str) -> None:
    said = classifier.classify(replies.parse(frame.format(sentence), Stage.RCPT))
    assert said.action is not Action.BOUNCE_ADDRESS, said.rule


DEAD = [
    "User unknown",
    "No such user here",
    "Mailbox does not exist",
    "Unknown recipient",
    "Account has been disabled",
    "用户不存在",
    "Pengguna tidak ditemukan",
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("sentence", DEAD)
def test_a_frame_hides_no_dead_address(classifier: Classifier, frame: str, sentence: str) -> None:
    said = classifier.classify(replies.parse(frame.format(sentence), Stage.RCPT))
    assert said.action is Action.BOUNCE_ADDRESS, said.rule
