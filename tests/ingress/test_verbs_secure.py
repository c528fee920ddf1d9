"""Verbs, AUTH and STARTTLS: by the cases of aiosmtpd's own test-suite.

See `test_verbs.py` for what was left out; `test_tls.py` has what goes beyond these cases: octets
behind STARTTLS, a handshake that fails, delays after wrong passwords, what the log may hold.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import pytest

from relay.ingress.settings import AuthSettings
from tests.ingress import tls
from tests.ingress.cases import ACCOUNT, NAME, PASSWORD, Case, case, play_ours, play_theirs
from tests.ingress.house import house

HELO: Final = "HELO client.example → 250"
EHLO: Final = "EHLO client.example → 250"
MAIL: Final = "MAIL FROM:<ani@example.org> → 250"
RCPT: Final = "RCPT TO:<budi@example.org> → 250"


def _coded(*parts: str) -> str:
    return b64encode("\0".join(parts).encode()).decode()


RIGHT: Final = _coded("", NAME, PASSWORD)
WRONG: Final = _coded("", NAME, "salah")
USER: Final = _coded(NAME)
SECRET: Final = _coded(PASSWORD)
NOTHING: Final = _coded("=")

AUTH: Final = (
    case("before a greeting", "AUTH → 503", f"AUTH PLAIN {RIGHT} → 503"),
    case(
        "after HELO",
        HELO,
        f"AUTH PLAIN {RIGHT} → 503 / 500",
        why="RFC 5321 4.2.4: the verb is known, it is out of its order",
    ),
    case("without a mechanism", EHLO, "AUTH → 501"),
    case("what EHLO offers", "EHLO client.example → 250 +AUTH +PLAIN +LOGIN"),
    *(
        case(f"{name}, unknown", EHLO, f"AUTH {name} → 504", f"AUTH PLAIN {RIGHT} → 235")
        for name in ("GSSAPI", "DIGEST-MD5", "MD5", "CRAM-MD5")
    ),
    case("PLAIN at once", EHLO, f"AUTH PLAIN {RIGHT} → 235", MAIL),
    case(
        "the mechanism in lower case",
        EHLO,
        f"AUTH plain {RIGHT} → 235 / 504",
        why="RFC 5321 2.4: words of the protocol are read in either case",
    ),
    case("PLAIN, asked for", EHLO, "AUTH PLAIN → 334", f"{RIGHT} → 235", MAIL),
    case("PLAIN at once, no base64", EHLO, "AUTH PLAIN not-b64 → 501"),
    case("PLAIN at once, too few parts", EHLO, f"AUTH PLAIN {_coded('', NAME)} → 501"),
    case("PLAIN at once, too many words", EHLO, "AUTH PLAIN NONE NONE → 501"),
    case("PLAIN at once, nothing", EHLO, f"AUTH PLAIN {NOTHING} → 501"),
    case("PLAIN at once, unknown name", EHLO, f"AUTH PLAIN {_coded('', 'x', PASSWORD)} → 535"),
    case("PLAIN at once, wrong password", EHLO, f"AUTH PLAIN {WRONG} → 535"),
    case("PLAIN, asked for, wrong", EHLO, "AUTH PLAIN → 334", f"{WRONG} → 535", "NOOP → 250"),
    case("PLAIN, asked for, nothing", EHLO, "AUTH PLAIN → 334", f"{NOTHING} → 501"),
    case("PLAIN, asked for, no base64", EHLO, "AUTH PLAIN → 334", "ab@% → 501", "NOOP → 250"),
    case(
        "PLAIN, cancelled", EHLO, "AUTH PLAIN → 334", "* → 501 +5.7.0", f"AUTH PLAIN {RIGHT} → 235"
    ),
    case("LOGIN with the name", EHLO, f"AUTH LOGIN {USER} → 334", f"{SECRET} → 235", MAIL),
    case("LOGIN", EHLO, "AUTH LOGIN → 334", f"{USER} → 334", f"{SECRET} → 235", MAIL),
    case("LOGIN with no base64", EHLO, "AUTH LOGIN ab@% → 501", "NOOP → 250"),
    case("LOGIN, no base64", EHLO, "AUTH LOGIN → 334", "not-b64 → 501", "NOOP → 250"),
    case(
        "LOGIN, unknown name", EHLO, "AUTH LOGIN → 334", f"{_coded('x')} → 334", f"{SECRET} → 535"
    ),
    case("LOGIN, wrong password", EHLO, "AUTH LOGIN → 334", f"{USER} → 334", f"{WRONG} → 535"),
    case("LOGIN, nothing", EHLO, "AUTH LOGIN → 334", f"{NOTHING} → 334", f"{NOTHING} → 535"),
    case(
        "LOGIN, cancelled", EHLO, "AUTH LOGIN → 334", "* → 501 +5.7.0", f"AUTH PLAIN {RIGHT} → 235"
    ),
    case(
        "LOGIN, cancelled late",
        EHLO,
        "AUTH LOGIN → 334",
        f"{USER} → 334",
        "* → 501 +5.7.0",
        "NOOP → 250",
    ),
    case(
        "twice", EHLO, f"AUTH PLAIN {RIGHT} → 235", "AUTH → 503", f"AUTH PLAIN {RIGHT} → 503", MAIL
    ),
    case("kept by RSET", EHLO, f"AUTH PLAIN {RIGHT} → 235", MAIL, "RSET → 250", "AUTH PLAIN → 503"),
    case("again after a failure", EHLO, f"AUTH PLAIN {WRONG} → 535", f"AUTH PLAIN {RIGHT} → 235"),
    case(
        "three failures",
        EHLO,
        *[f"AUTH PLAIN {WRONG} → 535"] * 3,
        f"AUTH PLAIN {RIGHT} → 535 / 235",
        why="guessing is made slow: three tries a session",
    ),
    case(
        "within a message",
        EHLO,
        MAIL,
        f"AUTH PLAIN {RIGHT} → 503 / 235",
        RCPT,
        why="RFC 4954 4: not during a mail transaction",
    ),
)


@pytest.mark.parametrize("one", AUTH, ids=lambda one: one.name)
async def test_auth(one: Case) -> None:
    await play_ours(one, auth=AuthSettings(enabled=True, plaintext_on_trusted=True))
    await play_theirs(one, auth_require_tls=False)


async def test_clients_authenticate_one_by_one() -> None:
    auth = AuthSettings(enabled=True, plaintext_on_trusted=True)
    async with house(auth=auth) as here, here.client() as first, here.client() as second:
        here.store.users[NAME] = ACCOUNT
        for client in (first, second):
            await client.ask("EHLO client.example")
            assert (await client.ask(f"AUTH PLAIN {RIGHT}")).startswith("235")
            assert (await client.ask("AUTH PLAIN")).startswith("503")


NO_TLS: Final = (
    case(
        "not offered",
        "EHLO client.example → 250 -STARTTLS",
        "STARTTLS → 502 / 454",
        why="RFC 5321 4.2.4: not implemented here; 454 would be asked again later",
    ),
)


@pytest.mark.parametrize("one", NO_TLS, ids=lambda one: one.name)
async def test_without_a_certificate(one: Case) -> None:
    await play_ours(one)
    await play_theirs(one)


BEGUN: Final = ("STARTTLS → 220", "(TLS)")
LETTER: Final = (MAIL, RCPT, "DATA → 354", "Subject: x", "", "isi", ". → 250")
STARTTLS: Final = (
    case("offered", "EHLO client.example → 250 +STARTTLS"),
    case("with an argument", EHLO, "STARTTLS now → 501", "NOOP → 250"),
    case("a letter in it", EHLO, *BEGUN, EHLO, *LETTER, body=b"isi\r\n"),
    case("QUIT in it", EHLO, *BEGUN, "QUIT → 221 closed"),
    case("after HELO", HELO, *BEGUN, HELO, MAIL),
    case("before a greeting", *BEGUN, EHLO, MAIL),
    case("forgets EHLO", EHLO, *BEGUN, "MAIL FROM:<ani@example.org> → 503"),
    case("no more offered in it", EHLO, *BEGUN, "EHLO client.example → 250 -STARTTLS"),
    case(
        "within a message",
        EHLO,
        MAIL,
        "STARTTLS → 503 / 220",
        RCPT.replace("250", "250 / -"),
        why="a message is not begun in the clear and ended in TLS",
    ),
    case(
        "twice",
        EHLO,
        *BEGUN,
        EHLO,
        "STARTTLS → 503 / -",
        MAIL.replace("250", "250 / -"),
        why="RFC 3207 4.2: not twice; aiosmtpd begins a handshake within TLS",
    ),
    case("AUTH before it", "EHLO client.example → 250 -AUTH", f"AUTH PLAIN {RIGHT} → 538"),
    case(
        "AUTH in it",
        EHLO,
        *BEGUN,
        "EHLO client.example → 250 +AUTH",
        f"AUTH PLAIN {WRONG} → 535",
        f"AUTH PLAIN {RIGHT} → 235",
        *LETTER,
    ),
    case("AUTH in it, before EHLO", EHLO, *BEGUN, f"AUTH PLAIN {RIGHT} → 503"),
)


@pytest.mark.parametrize("one", STARTTLS, ids=lambda one: one.name)
async def test_starttls(one: Case) -> None:
    await play_ours(one, tls="starttls", context=tls.server(), auth=AuthSettings(enabled=True))
    await play_theirs(one, tls_context=tls.server())


IMPLICIT: Final = (
    case("a letter", "(TLS)", HELO, *LETTER, body=b"isi\r\n"),
    case("no STARTTLS in it", "(TLS)", "EHLO client.example → 250 -STARTTLS"),
)


@pytest.mark.parametrize("one", IMPLICIT, ids=lambda one: one.name)
async def test_implicit_tls(one: Case) -> None:
    await play_ours(one, tls="implicit", context=tls.server())
    await play_theirs(one, implicit_tls=tls.server())
