"""Doubt: what passes, or was never looked up, keeps the mail; what is plain does not."""

import pytest

from relay.mail import reply as replies
from relay.mail.classification import Action
from relay.mail.reply import Stage
from relay.replies import Classifier, doubt, load

PASSING = [
    ("550 User temporarily suspended", "inactive_user"),
    ("550 5.2.0 account disabled temporarily", "inactive_user"),
    ("550 Mailbox disabled, try again later", "inactive_user"),
    ("550 5.2.1 mailbox suspended, will be active later", "inactive_user"),
    ("550 5.1.1 User unknown temporarily", "unknown_user"),
    ("550 user not found, please try again", "unknown_user"),
    ("550 mailbox unavailable, please retry", "unknown_user"),
    ("550 5.1.2 domain not found, try again later", "bad_domain"),
    ("550 Relay access denied temporarily", "policy"),
    ("550 Akun dinonaktifkan sementara", "inactive_user"),
    ("550 Alamat email tidak ditemukan, coba lagi", "unknown_user"),
    ("550 Konto momentan gesperrt", "inactive_user"),
    ("550 Postfach vorübergehend deaktiviert", "inactive_user"),
    ("550 Benutzer unbekannt, bitte spaeter erneut versuchen", "unknown_user"),
    ("550 Compte temporairement désactivé", "inactive_user"),
    ("550 La cuenta está deshabilitada temporalmente", "inactive_user"),
    ("550 Ящик временно заблокирован", "inactive_user"),
    ("550 用户暂时停用", "inactive_user"),
]
NOT_LOOKED_UP = [
    ("550 5.1.1 LDAP lookup error, no such user", "unknown_user"),
    ("550 5.1.1 User unknown; DNS error", "unknown_user"),
    ("550 <vendor@example.co.id>... User unknown; DNS error", "unknown_user"),
    ("550 5.1.1 Directory lookup failed: user unknown", "unknown_user"),
    ("550 5.1.1 user unknown (database error)", "unknown_user"),
    ("550 5.1.1 user unknown: LDAP server timed out", "unknown_user"),
    ("550 5.1.1 user not found (backend is currently unavailable)", "unknown_user"),
    ("550 5.1.1 user unknown: error while querying the directory", "unknown_user"),
    ("550 5.1.1 no such user, could not contact the LDAP server", "unknown_user"),
    ("550 5.1.2 DNS lookup failure for domain", "bad_domain"),
    ("550 5.1.1 internal error: no such user", "unknown_user"),
]
PLAIN = [
    "550 5.1.1 User unknown",
    "550 5.1.1 LDAP: no such user",
    "550 5.1.1 User unknown in LDAP directory",
    "550 5.1.1 user not found in directory",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    "550 5.1.2 Host unknown (Name server: mx.example.com: host not found)",
    "550 5.1.2 Domain not found: DNS error NXDOMAIN",
    "554 5.7.1 recipient verify from ldap failed",
    "550 This account was disabled permanently, do not try again later",
    "550 5.1.1 User unknown, check the address and try again",
    "550 5.1.1 <sementara@example.co.id>: User unknown",
]


@pytest.mark.parametrize(("text", "category"), PASSING + NOT_LOOKED_UP)
def test_a_doubtful_verdict_keeps_the_mail(
    classifier: Classifier, text: str, category: str
) -> None:
    said = classifier.classify(replies.parse(text, Stage.RCPT))
    assert (said.category, said.action) == (category, Action.RETRY_LATER), said.rule
    assert said.confidence < 0.5


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_verdict_gives_the_address_up(classifier: Classifier, text: str) -> None:
    said = classifier.classify(replies.parse(text, Stage.RCPT))
    assert said.action is Action.BOUNCE_ADDRESS, said.rule


def test_a_provider_may_not_say_it_either(classifier: Classifier) -> None:
    text = "554 delivery error: dd This account is temporarily disabled - mta1.mail.yahoo.com"
    said = classifier.classify(replies.parse(text, Stage.EOD), "mta5.am0.yahoodns.net")
    assert said.action is Action.RETRY_LATER


def test_where_the_codes_guess_a_named_sender_is_a_doubt(classifier: Classifier) -> None:
    plain = classifier.classify(replies.parse("550 5.1.1 xyzzy", Stage.RCPT))
    named = classifier.classify(replies.parse("550 5.1.1 xyzzy, sender", Stage.RCPT))
    assert (plain.action, named.action) == (Action.BOUNCE_ADDRESS, Action.RETRY_LATER)
    assert not doubt.is_cast("xyzzy, sender", is_guess=False)


def test_a_site_knows_what_it_says(texts: dict[str, str]) -> None:
    site = """
rules:
  - id: site.dinas
    pattern: dinas dinonaktifkan sementara
    category: inactive_user
    samples: ["550 Akun dinas dinonaktifkan sementara"]
"""
    reply = replies.parse("550 Akun dinas dinonaktifkan sementara", Stage.RCPT)
    classifier = load({**texts, "site.yaml": site})
    assert classifier.classify(reply).action is Action.BOUNCE_ADDRESS
    assert classifier.shipped(reply).action is Action.RETRY_LATER
