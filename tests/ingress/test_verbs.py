"""Verbs: the syntax and the order of commands, by the cases of aiosmtpd's own test-suite.

Each case is played against our door and against aiosmtpd as it is, so that neither column can be
wrong. `test_verbs_letter.py` has the cases about DATA and lost connections, `test_verbs_secure.py`
those about AUTH and STARTTLS. Left out of aiosmtpd's suite, and why

- its Python interface (hooks, `handle_EHLO` with four arguments, `auth_*` methods, `AuthResult`,
  its warnings and log lines), controllers, handlers and command line: the door uses none of them
- `TestRequireTLS`: we have no such setting; who may not relay is refused at RCPT in any case
- `TestStrictASCII`: SMTPUTF8 is always offered
- `handle_exception`: any fault of ours is a 451 and never ends a session (`test_handler.py`)
- time-outs (`dialogs/idle*.smtp`, `test_stalls.py`), end of file (`dialogs/end-of-file.smtp`),
  smuggling (`test_smuggling.py`), PROXY (refused: `dialogs/proxy*.smtp`), LMTP (not spoken)
"""

from __future__ import annotations

from typing import Final

import pytest

from relay.ingress import strangers
from relay.ingress.protocol import MAX_BOGUS
from tests.ingress.cases import Case, case, play_ours, play_theirs
from tests.ingress.house import SENDER, Log, pipeline

HELO: Final = "HELO client.example → 250"
EHLO: Final = "EHLO client.example → 250"
MAIL: Final = "MAIL FROM:<ani@example.org> → 250"
RCPT: Final = "RCPT TO:<budi@example.org> → 250"
FROM: Final = "MAIL FROM:<ani@example.org>"
TO: Final = "RCPT TO:<budi@example.org>"

GREETINGS: Final = (
    case("HELO", HELO),
    case("HELO without a name", "HELO → 501"),
    case("HELO twice", HELO, HELO),
    case("EHLO and what it offers", "EHLO client.example → 250 +SIZE +SMTPUTF8 -STARTTLS"),
    case("EHLO without a name", "EHLO → 501"),
    case("EHLO twice", EHLO, EHLO),
    case("EHLO after HELO", HELO, EHLO),
    case("HELO after EHLO", EHLO, HELO),
    case("nothing goes before it", f"{FROM} → 503", f"{TO} → 503", "DATA → 503"),
    case("HELO forgets the message", HELO, MAIL, RCPT, HELO, f"{TO} → 503", MAIL, "DATA → 503"),
    case("EHLO forgets the message", EHLO, MAIL, RCPT, EHLO, f"{TO} → 503", MAIL, "DATA → 503"),
)

NO_HELP: Final = "not offered: no program asks for it; RFC 5321 4.3.2 has 502 for that"
NEVER_VERIFIED: Final = "RFC 5321 3.5.3: VRFY tells nothing about anybody, whatever it is asked"
PATIENT: Final = f"{MAX_BOGUS}, not 5: an application that tries a verb keeps its session"

OTHERS: Final = (
    case("NOOP", "NOOP → 250"),
    case("NOOP with an argument", "NOOP anything → 250"),
    case("QUIT", "QUIT → 221 closed"),
    case("QUIT with an argument", "QUIT now → 221 closed / 501", why="who wants to go may go"),
    case("RSET", "RSET → 250"),
    case("RSET with an argument", "RSET all → 501"),
    case("RSET forgets", EHLO, MAIL, RCPT, "RSET → 250", f"{TO} → 503", MAIL, "DATA → 503"),
    case("VRFY", "VRFY <budi@example.org> → 252"),
    case("VRFY without an argument", "VRFY → 252 / 501", why=NEVER_VERIFIED),
    case("VRFY of no address", "VRFY @@ → 252 / 502", why=NEVER_VERIFIED),
    case("EXPN", "EXPN staff → 502"),
    case("HELP", "HELP → 502 / 250", why=NO_HELP),
    case("HELP with a verb", "HELP MAIL → 502 / 250", why=NO_HELP),
    case("HELP with no verb", "HELP me → 502 / 501", why=NO_HELP),
    case("an empty line", " → 500"),
    case("an unknown verb", "XYZZY → 500", "NOOP → 250"),
    case("octets that are no verb", "\\x80FAIL → 500", "\\x80 FAIL → 500", "NOOP → 250"),
    case("a verb of 513 octets", "a" * 513 + " → 500", "NOOP → 250"),
    case("a line of a million octets", "a" * 1_000_000 + " → 500", "NOOP → 250"),
    case("verbs in lower case", "ehlo client.example → 250", f"{FROM.lower()} → 250"),
    case(
        "unknown verbs without an end",
        *["XYZZY → 500"] * 4,
        "XYZZY → 500 / 502 closed",
        *["XYZZY → 500 / -"] * (MAX_BOGUS - 6),
        "XYZZY → 500 closed / -",
        why=PATIENT,
    ),
)

LENIENT: Final = "a known parameter is understood after HELO too"
SENDERS: Final = (
    *(
        case(f"{hello[:4]}, then {said}", hello, f"{said} → 501")
        for hello in (HELO, EHLO)
        for said in ("MAIL", "MAIL <ani@example.org>", "MAIL FROM:")
    ),
    case(
        "a name before the address",
        EHLO,
        "MAIL FROM: Ani <ani@example.org> → 553 / 501",
        why="RFC 5321 4.3.2: 553 is MAIL's code for an address that is none",
    ),
    case("two at once", HELO, MAIL, f"{FROM} → 503"),
    case("the null sender", EHLO, "MAIL FROM:<> → 250", RCPT),
    case("no local part", HELO, "MAIL FROM:<@example.org> → 553"),
    case("no domain", HELO, "MAIL FROM:<ani@> → 553"),
    case("no local part, and SIZE", EHLO, "MAIL FROM:<@example.org> SIZE=28113 → 553"),
    case("no domain, and SIZE", EHLO, "MAIL FROM:<ani@> SIZE=28113 → 553"),
    case("SIZE after HELO", HELO, f"{FROM} SIZE=10000 → 250 / 501", why=LENIENT),
    case("SIZE", EHLO, f"{FROM} SIZE=10000 → 250"),
    case("SIZE, two blanks before it", EHLO, f"{FROM}  SIZE=10000 → 250"),
    case("SIZE, a blank behind it", EHLO, f"{FROM} SIZE=10000  → 250"),
    case("SIZE over the limit", EHLO, f"{FROM} SIZE=28114 → 552", MAIL),
    case("SIZE with a blank for =", EHLO, f"{FROM} SIZE 10000 → 501"),
    case("SIZE without a value", EHLO, f"{FROM} SIZE → 501"),
    case("SIZE with blanks about =", EHLO, f"{FROM} SIZE = 10000 → 501"),
    case("signs for a parameter", EHLO, f"{FROM} #$%=!@# → 501"),
    case("an unknown parameter", EHLO, f"{FROM} FOO=BAR → 555"),
    case("BODY", EHLO, f"{FROM} BODY=8BITMIME → 250", "RSET → 250", f"{FROM} BODY=7BIT → 250"),
    case("BODY of another value", EHLO, f"{FROM} BODY=FOOBAR → 501"),
    case(
        "BODY with a blank for =",
        EHLO,
        f"{FROM} BODY 9BIT → 555 / 501",
        why="9BIT stands there as a parameter, and is unknown; aiosmtpd reads BODY first",
    ),
    case("SMTPUTF8", EHLO, "MAIL FROM:<anië@example.org> SMTPUTF8 → 250", RCPT),
    case("SMTPUTF8 with a value", EHLO, f"{FROM} SMTPUTF8=YES → 501", MAIL),
)

ALL_OR_NONE: Final = "JavaMail gives up all recipients for one refused: it is born bounced instead"
RECIPIENTS: Final = (
    case("RCPT before MAIL", HELO, f"{TO} → 503"),
    *(
        case(f"{hello[:4]}, then {said}", hello, MAIL, f"{said} → 501", RCPT)
        for hello in (HELO, EHLO)
        for said in ("RCPT", "RCPT <budi@example.org>")
    ),
    case("no address", HELO, MAIL, "RCPT TO: → 250 / 501", why=ALL_OR_NONE),
    case("a name", EHLO, MAIL, "RCPT TO: budi <b@example.org> → 250 / 501", why=ALL_OR_NONE),
    case("no local part", EHLO, MAIL, "RCPT TO:<@example.org> → 250 / 553", why=ALL_OR_NONE),
    case("no domain", EHLO, MAIL, "RCPT TO:<budi@> → 250 / 553", why=ALL_OR_NONE),
    case("postmaster", EHLO, MAIL, "RCPT TO:<Postmaster> → 250"),
    case(
        "SIZE of a recipient",
        HELO,
        MAIL,
        f"{TO} SIZE=1000 → 555 / 501",
        RCPT,
        why="RFC 5321 4.1.1.11: 555 is the code of a parameter that is not known",
    ),
    case("signs for a parameter", EHLO, MAIL, f"{TO} #$%=!@# → 501", RCPT),
    case("an unknown parameter", EHLO, MAIL, f"{TO} FOOBAR → 555", RCPT),
    case("DATA without MAIL and RCPT", HELO, "DATA → 503", MAIL, "DATA → 503"),
    case("DATA with an argument", HELO, MAIL, RCPT, "DATA now → 501", "DATA → 354"),
)

ALL: Final = (
    *(pytest.param(one, id=f"greetings: {one.name}") for one in GREETINGS),
    *(pytest.param(one, id=f"others: {one.name}") for one in OTHERS),
    *(pytest.param(one, id=f"senders: {one.name}") for one in SENDERS),
    *(pytest.param(one, id=f"recipients: {one.name}") for one in RECIPIENTS),
)


@pytest.mark.parametrize("one", ALL)
async def test_the_door(one: Case) -> None:
    await play_ours(one, size_limit=28_113)


@pytest.mark.parametrize("one", ALL)
async def test_aiosmtpd(one: Case) -> None:
    await play_theirs(one, data_size_limit=28_113)


# --- addresses

COMMENT: Final = "RFC 5321 4.1.2 has no comments in a path; RFC 5322's are for header fields"
MIXED: Final = "RFC 5321 4.1.2: a local part is quoted as a whole or not at all"
LONG: Final = "RFC 5321 4.5.3.1.1: 64 octets"
ADDRESSES: Final = (
    # what stands behind `FROM:` and `TO:`; why a sender of that form is refused by ours
    ("ani@example.org", ""),
    (" ani@example.org", ""),
    ("  <ani@example.org>", ""),
    ("<ani.b+promo-x_y@example.org>", ""),
    ("_@example.org", ""),
    ("ani@192.0.2.1", ""),
    ("ani@[192.0.2.1]", ""),
    ("ani@[IPv6:2001:db8::1]", ""),
    ("ani@[IPv6:::1]", ""),
    ("ani@[IPv6::1]", "RFC 5321 4.1.3: `:1` behind the tag is no IPv6 address"),
    ("<@a.example:ani@example.org>", ""),
    ("<@a.example,@b.example:ani@example.org>", ""),
    ("ani@mail", ""),
    ('<""@example.org>', ""),
    ('" "@example.org', ""),
    ('"ani..b"@example.org', ""),
    ('"ani@b"@example.org', ""),
    ('"Ani B"@example.org', ""),
    ("host!ani@example.org", ""),
    ("ani%example.net@example.org", ""),
    ("bagian/seksi=pengadaan@example.org", ""),
    ("$A12345@example.org", ""),
    ("!a!b%c@example.org", ""),
    ("ani(catatan)@example.org", COMMENT),
    ("(catatan)ani@example.org", COMMENT),
    ("ani@example.org(catatan)", COMMENT),
    ("ani@host(catatan).  example", COMMENT),
    ('ani."lebih\\\\ aneh"@example.org', MIXED),
    ('ani."(),:;<>[]".ANI."ani@\\\\ "ani.b@example.org', MIXED),
    ("Ani\\\\ B@example.org", MIXED),
    ("Ani.\\\\\\\\B@example.org", MIXED),
    ("ani\\xff@example.org", "RFC 6531: what is not ASCII is UTF-8"),
    ("a" * 65 + "@example.org", LONG),
    ("a" * 488 + "@example.org", LONG),
    ("a" * 500, "a sender without a domain could be told of nothing"),
)


def _address(said: str, why: str) -> Case:
    sender = f"MAIL FROM:{said} → {'553 / 250' if why else '250'}"
    return case(said, EHLO, sender, "RSET → 250", MAIL, f"RCPT TO:{said} → 250", why=why)


@pytest.mark.parametrize(("said", "why"), ADDRESSES, ids=[said[:40] for said, _ in ADDRESSES])
async def test_an_address(said: str, why: str) -> None:
    await play_ours(_address(said, why))
    await play_theirs(_address(said, why))


# --- who may not relay, and who asks on and on

AT_RCPT: Final = "who may not relay hears it at RCPT, when it is known to whom he would write"
UNKNOWN: Final = (
    case("MAIL", EHLO, f"MAIL FROM:<{SENDER}> → 250 / 530", why=AT_RCPT),
    case("RCPT", EHLO, f"MAIL FROM:<{SENDER}> → 250 / 530", f"{TO} → 554 / 530", why=AT_RCPT),
    case("DATA", EHLO, "DATA → 503 / 530", why=AT_RCPT),
    case("VRFY", EHLO, "VRFY <budi@example.org> → 252 / 530", why=NEVER_VERIFIED),
    case("HELP", "HELP → 502 / 530", why=NO_HELP),
    case("NOOP", *["NOOP → 250"] * strangers.MAX_IDLE, "NOOP → 421 closed"),
)


@pytest.mark.parametrize("one", UNKNOWN, ids=lambda one: one.name)
async def test_a_client_that_has_to_authenticate(one: Case) -> None:
    await play_ours(one, trusted_networks=(), pipeline=pipeline(Log()))
    await play_theirs(one, auth_required=True, command_call_limit=strangers.MAX_IDLE)
