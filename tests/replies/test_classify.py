"""The classifier's laws: order of evidence, stages, doubt, bounds."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Scope
from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.replies import Classifier, conventions, load
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


@pytest.mark.parametrize(
    ("text", "stage", "means"),
    [
        # text before codes: a throttle in a permanent reply with an unknown-user code
        ("550 5.1.1 <a@b> has sent to too many recipients this hour", None, "rate_limited slow"),
        ("550 5.7.1 No such user!", "rcpt", "unknown_user bounce_address"),
        # the basic code says whether it lasts
        ("450 5.1.1 User unknown", "rcpt", "unknown_user retry_later"),
        ("550 4.2.2 Mailbox full", "rcpt", "mailbox_full retry_later"),
        ("421 5.7.32 the From: header isn't aligned with", "eod", "auth_failed fix_config"),
        # whose address is named
        ("550 5.1.1 Sender address rejected: User unknown", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 User unknown", "mail", "auth_failed fix_config"),
        ("553 5.7.1 <a@b>: Sender address rejected: not owned", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 <a@b> sender user unknown", "rcpt", "auth_failed fix_config"),
        ("550 sender user unknown", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 sender mailbox does not exist", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 The sender's account doesn't exist", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 return path user unknown", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 user unknown: sender <a@b.example>", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 No such user (MAIL FROM:<a@b.example>)", "rcpt", "auth_failed fix_config"),
        ("550 5.2.1 account of the sender is disabled", "rcpt", "auth_failed fix_config"),
        ("550 5.1.1 User unknown; sender will be told", "rcpt", "unknown_user bounce_address"),
        ("550 5.1.1 User unknown, returned to sender", "rcpt", "unknown_user bounce_address"),
        # a relay that wants to know us is ours to mend; one that does not know the domain is not
        ("554 5.7.1 <a@b>: Relay access denied", "rcpt", "policy bounce_address"),
        ("550 relay not permitted", "rcpt", "policy bounce_address"),
        ("550 Relaying denied. Proper authentication required.", "rcpt", "auth_failed fix_config"),
        ("550 relay not permitted, SMTP AUTH required", "rcpt", "auth_failed fix_config"),
        ("550 Open relay not allowed; please authenticate", "rcpt", "auth_failed fix_config"),
        ("550 Relaying denied for unauthenticated hosts", "rcpt", "auth_failed fix_config"),
        ("550 You must log in first: no relaying", "rcpt", "auth_failed fix_config"),
        ("550 Relay ditolak, perlu autentikasi", "rcpt", "auth_failed fix_config"),
        # before MAIL it is about the site or about us
        ("550 5.1.1 User unknown", "connect", "unknown_user retry_later"),
        ("554 5.7.1 spam", "connect", "sender_blocked slow"),
        ("550 5.7.1 against our policy", "mail", "sender_blocked slow"),
        ("554 relay access denied", "mail", "policy retry_later"),
        ("554 go away", "connect", "sender_blocked slow"),
        # nested: the inner text is the reason, the outer code says whether it lasts
        (
            "450 4.1.1 <a@b>: Recipient address rejected: undeliverable address: "
            "host mx said: 550 5.1.1 User unknown",
            "rcpt",
            "unknown_user retry_later",
        ),
        ("550 permanent failure (a@b:550 5.2.1 inactive)", "eod", "inactive_user bounce_address"),
        # whose quota
        ("452 4.2.2 quota exceeded", "rcpt", "mailbox_full retry_later"),
        # a full mailbox may be emptied while the letter waits, one that nobody opens will not
        ("552 5.2.2 Mailbox full", "rcpt", "mailbox_full retry_later"),
        ("550 5.2.2 over quota", "rcpt", "mailbox_full retry_later"),
        ("552 5.2.2", "rcpt", "mailbox_full retry_later"),
        ("552 Kotak surat penuh", "rcpt", "mailbox_full retry_later"),
        ("552 5.2.2 over quota and inactive", "rcpt", "mailbox_full bounce_address"),
        ("452 4.2.2 over quota and inactive", "rcpt", "mailbox_full retry_later"),
        ("554 daily relay quota exceeded", "eod", "rate_limited slow"),
        # numbers that are no codes, addresses that are no words
        ("550 mx5.1.1 at 10.5.1.1 id 4.7.28", "eod", "other retry_later"),
        ("550 <spam.blocked@full.example>: no such user", "rcpt", "unknown_user bounce_address"),
        # nothing at all
        ("421", "helo", "other retry_later"),
        ("550", "rcpt", "unknown_user retry_later"),
        ("554", "connect", "sender_blocked slow"),
        ("", None, "other retry_later"),
    ],
)
def test_the_order_of_evidence(text: str, stage: str | None, means: str) -> None:
    category, action, _ = say(text, Stage.of(stage or ""))
    assert f"{category} {action}".startswith(means)


@pytest.mark.parametrize(
    "piece", ["a", "@", "a@", "550 5.7.1 ", "(said: 550 ", "user ", "不", "\0"]
)
def test_a_megabyte_costs_what_its_first_4_kib_cost(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    whole = SHIPPED.classify(Reply(550, None, text, Stage.RCPT))
    head = SHIPPED.classify(Reply(550, None, text[:4096], Stage.RCPT))
    assert whole == head


def test_it_says_when_no_rule_knew_the_words() -> None:
    known = SHIPPED.classify(replies.parse("550 5.1.1 User unknown"))
    guessed = SHIPPED.classify(replies.parse("550 5.1.1 xyzzy"))
    nothing = SHIPPED.classify(replies.parse(""))
    assert [SHIPPED.is_guess(said) for said in (known, guessed, nothing)] == [False, True, True]


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_has_a_meaning(kind: FailureKind) -> None:
    said = SHIPPED.classify_failure(Failure(kind, "x"))
    assert said.rule == f"failure.{kind.value}"
    assert said.scope in conventions.SCOPES[said.action]


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        (FailureKind.DNS, (Category.NETWORK, Scope.DESTINATION, Action.RETRY_LATER)),
        (FailureKind.NULL_MX, (Category.BAD_DOMAIN, Scope.RECIPIENT, Action.BOUNCE_ADDRESS)),
        (FailureKind.AMBIGUOUS, (Category.NETWORK, Scope.MESSAGE, Action.RETRY_LATER)),
        (FailureKind.CREDENTIALS, (Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG)),
        (FailureKind.TLS, (Category.AUTH_FAILED, Scope.DESTINATION, Action.RETRY_LATER)),
    ],
)
def test_what_failures_mean(kind: FailureKind, means: tuple[Category, Scope, Action]) -> None:
    said = SHIPPED.classify_failure(Failure(kind, "x"))
    assert (said.category, said.scope, said.action) == means


@pytest.mark.parametrize(
    ("mx", "text", "expected"),
    [
        ("gmail-smtp-in.l.google.com", "550 5.1.1 ... p=NoSuchUser - gsmtp", True),
        ("GMAIL-SMTP-IN.L.GOOGLE.COM.", "550 5.1.1 ... p=NoSuchUser - gsmtp", True),
        ("mx.example.net", "550 5.1.1 ... p=NoSuchUser - gsmtp", False),  # who repeats its words
        ("", "550 5.1.1 ... p=NoSuchUser - gsmtp", False),
        ("gmail-smtp-in.l.google.com", "550 5.1.1 User unknown", False),  # a general rule
        ("gmail-smtp-in.l.google.com", "550 5.1.1 xyzzy", False),  # a code
    ],
)
def test_a_rule_is_documented_where_its_provider_said_it(
    classifier: Classifier, mx: str, text: str, expected: bool
) -> None:
    read = classifier.classify(replies.parse(text, Stage.RCPT), mx)
    assert classifier.is_documented(read, mx) is expected


def test_an_unsure_reading_is_not_documented(classifier: Classifier) -> None:
    mx = "gmail-smtp-in.l.google.com"
    read = classifier.classify(replies.parse("550 5.1.1 ... p=NoSuchUser - gsmtp", Stage.RCPT), mx)
    assert not classifier.is_documented(replace(read, confidence=0.8), mx)
