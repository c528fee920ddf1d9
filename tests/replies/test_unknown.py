"""Replies that no rule knew: one kind a sentence, nobody's address in it, a rule that loads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import reply as replies
from relay.mail.reply import Reply
from relay.replies import load, unknown

FIRST = replies.parse("550 Kuota server 10 untuk <a@x.example> habis, id 4bF9Qk21z (192.0.2.1)")
SECOND = replies.parse("550 Kuota server 77 untuk <b@y.example> habis, id 9zz81QwE (192.0.2.99)")


def test_what_differs_is_marked() -> None:
    assert unknown.shape(FIRST) == unknown.shape(SECOND)
    assert unknown.shape(FIRST) == "550 kuota server # untuk <<address>> habis, id <id> (<ip>)"
    text = "554 see https://help.example.com/x?id=1 at mx1.mail.example.com [2001:db8:0:1::1]"
    assert unknown.shape(replies.parse(text)) == "554 see <url> at <host> <ip>"


def test_kinds_are_counted_the_most_frequent_first() -> None:
    rows = [(30, FIRST), (10, replies.parse("550 x")), (20, SECOND)]
    kinds = unknown.kinds(rows)
    assert [(kind.count, kind.first_at, kind.last_at) for kind in kinds] == [
        (2, 20, 30),
        (1, 10, 10),
    ]
    assert "x.example" not in kinds[0].sample


def test_kinds_are_bounded() -> None:
    words = (f"w{'x' * (n % 100)} y{'z' * (n // 100)}" for n in range(unknown.MAX_SHAPES + 5))
    kinds = unknown.kinds((n, Reply(550, None, word)) for n, word in enumerate(words))
    assert len(kinds) == unknown.MAX_SHAPES + 1
    assert kinds[0].count == 5


def test_a_draft_is_a_rule_that_loads() -> None:
    (kind,) = unknown.kinds([(1, FIRST)])
    classifier = load({"site.yaml": "rules:\n" + unknown.draft(kind)})
    assert classifier.classify(SECOND).rule == "site.kuota-server-untuk-address"


def test_a_draft_escapes_what_a_pattern_would_read() -> None:
    (kind,) = unknown.kinds([(1, replies.parse("550 (it's [bad]* \\ {really}"))])
    classifier = load({"site.yaml": "rules:\n" + unknown.draft(kind)})
    assert classifier.classify(replies.parse(kind.sample)).rule.startswith("site.")


def test_a_draft_fits_a_reply_with_signs_that_cannot_be_quoted() -> None:
    reply = replies.parse("554 [/foo] [link=x] hm\x1b[2J\u202ehm")
    (kind,) = unknown.kinds([(1, reply)])
    classifier = load({"site.yaml": "rules:\n" + unknown.draft(kind)})
    assert classifier.classify(reply).rule.startswith("site.")


def test_two_drafts_have_two_names() -> None:
    kinds = unknown.kinds(
        [(1, replies.parse("554 ein Satz: zu")), (1, replies.parse("554 ein Satz!"))]
    )
    drafted = unknown.drafts(kinds)
    assert ["id: site.ein-satz" in text for text in drafted] == [True, True]
    assert "id: site.ein-satz-2" in drafted[1]


@pytest.mark.parametrize(
    ("text", "recipient", "left"),
    [
        ("mailbox Budi.Santoso is asleep", "budi.santoso@x.id", "mailbox <name> is asleep"),
        ("budi.santoso2 is asleep", "budi.santoso@x.id", "budi.santoso2 is asleep"),
        ("<budi@x.id> is asleep", "budi@x.id", "<budi@x.id> is asleep"),
        ("a mailbox is asleep", "a@x.id", "a mailbox is asleep"),
        ("info sleeps", '"info"@x.id', "<name> sleeps"),
        ("nobody", "", "nobody"),
    ],
)
def test_the_recipients_name_is_left_out(text: str, recipient: str, left: str) -> None:
    assert unknown.without(Reply(550, None, text), recipient).text == left


@given(st.text(), st.integers(200, 599))
def test_any_text_has_a_shape_and_a_draft_that_is_yaml(text: str, code: int) -> None:
    reply = Reply(code, None, text)
    (kind,) = unknown.kinds([(1, reply)])
    assert len(kind.shape) <= unknown.MAX_SHAPE + 4
    drafted = unknown.draft(kind)
    assert len(drafted.splitlines()) == 4
