"""The classifier's laws: order of evidence, stages, doubt, bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Scope
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.replies import Classifier, load
from tests.replies.conftest import shipped_texts

SHIPPED = load(shipped_texts())
PERMANENT = (Action.BOUNCE_ADDRESS, Action.BOUNCE_MESSAGE)
PHRASES = [
    "user unknown",
    "mailbox full",
    "over quota",
    "blocked using zen.spamhaus.org",
    "SPF check failed",
    "rate limit exceeded",
    "too many connections",
    "relay access denied",
    "policy",
    "account inactive",
    "recipient rejected",
    "sender address rejected",
    "550 5.1.1",
    "<a@b.example>",
    "timeout",
    "virus",
    "用户不存在",
    "greylisted",
    "service unavailable",
    "command not recognized",
    "message too large",
]
texts = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PHRASES)).map(" ".join))
enhanced = st.none() | st.builds(
    EnhancedCode, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)
)
any_reply = st.builds(
    Reply,
    st.integers(0, 999) | st.sampled_from([421, 450, 451, 452, 550, 552, 553, 554]),
    enhanced,
    texts,
    st.none() | st.sampled_from(list(Stage)),
)


def say(text: str, stage: Stage | None = None, mx: str = "") -> tuple[Category, Action, Scope]:
    said = SHIPPED.classify(replies.parse(text, stage), mx)
    return said.category, said.action, said.scope


@given(any_reply, st.sampled_from(["", "mx.google.com", "a.mx.yahoodns.net.", "."]))
def test_every_reply_gets_an_answer(reply: Reply, mx: str) -> None:
    said = SHIPPED.classify(reply, mx)
    assert 0 < said.confidence <= 1
    assert said.rule


@given(any_reply)
def test_nothing_is_given_up_on_a_transient_reply(reply: Reply) -> None:
    if not reply.is_permanent and not (reply.enhanced and reply.enhanced.klass == 5):
        assert SHIPPED.classify(reply).keeps_the_mail


@given(any_reply)
@settings(max_examples=300)
def test_before_mail_nothing_is_given_up(reply: Reply) -> None:
    if reply.stage in (Stage.CONNECT, Stage.HELO, Stage.STARTTLS, Stage.AUTH):
        said = SHIPPED.classify(reply)
        assert said.action not in PERMANENT
        assert said.scope not in (Scope.RECIPIENT, Scope.MESSAGE)


@given(any_reply)
@settings(max_examples=300)
def test_at_mail_no_address_is_blamed(reply: Reply) -> None:
    if reply.stage is Stage.MAIL:
        assert SHIPPED.classify(reply).action is not Action.BOUNCE_ADDRESS


@given(any_reply)
def test_unsure_keeps_the_mail(reply: Reply) -> None:
    said = SHIPPED.classify(reply)
    assert said.keeps_the_mail or said.confidence >= 0.5


@pytest.mark.parametrize("code", [250, 354, 0, 999])
def test_what_is_no_rejection_is_kept(classifier: Classifier, code: int) -> None:
    said = classifier.classify(Reply(code, None, "OK"))
    assert said.keeps_the_mail
    assert said.category is Category.OTHER
