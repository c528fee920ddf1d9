"""Every text of every model is read by the shipped classifier as what it means."""

from __future__ import annotations

from types import ModuleType

import pytest

from relay.config.shipped import shipped_classifier
from relay.lab.quotas import gmail, government, m365, outlook, small, yahoo
from relay.mail.classification import Action, Category, Scope
from relay.mail.reply import Stage, parse

C, A, S = Category, Action, Scope
NAMES = {
    "ip": "192.0.2.1",
    "signed_by": "lpse.example.go.id",
    "recipient": "rekanan00001@example.co.id",
    "domain": "example.co.id",
    "host": "mail.dinas01.example.go.id",
    "quota": "100",
}
GOOGLE = "gmail-smtp-in.l.google.com"
YAHOO = "mta5.am0.yahoodns.net"
OLC = "outlook-com.olc.protection.outlook.com"
M365 = "usaha01-example-co-id.mail.protection.outlook.com"
OWN = "mail.dinas01.example.go.id"
SITE = "server1.hosting.example.net"
DEAD = (C.UNKNOWN_USER, A.BOUNCE_ADDRESS, S.RECIPIENT)
FULL = (C.MAILBOX_FULL, A.RETRY_LATER, S.RECIPIENT)
SLOW = (C.RATE_LIMITED, A.SLOW_DOWN_PROVIDER, S.SENDER)
BLOCK = (C.SENDER_BLOCKED, A.SLOW_DOWN_PROVIDER, S.SENDER)
ONE = (C.RATE_LIMITED, A.RETRY_LATER, S.RECIPIENT)

TABLE: list[tuple[ModuleType, str, Stage, str, tuple[Category, Action, Scope]]] = [
    (gmail, "NO_SUCH_USER", Stage.RCPT, GOOGLE, DEAD),
    (gmail, "OUT_OF_STORAGE", Stage.RCPT, GOOGLE, FULL),
    (gmail, "TOO_QUICKLY", Stage.RCPT, GOOGLE, ONE),
    (gmail, "LIMITED", Stage.EOD, GOOGLE, SLOW),
    (gmail, "IP_LIMITED", Stage.EOD, GOOGLE, SLOW),
    (gmail, "SIGNER_LIMITED", Stage.EOD, GOOGLE, SLOW),
    (gmail, "BLOCKED", Stage.EOD, GOOGLE, BLOCK),
    (gmail, "SAME_MESSAGE_ID", Stage.EOD, GOOGLE, (C.RATE_LIMITED, A.RETRY_LATER, S.MESSAGE)),
    (gmail, "PLAIN_TEXT", Stage.MAIL, GOOGLE, (C.AUTH_FAILED, A.FIX_CONFIG, S.OURSELVES)),
    (gmail, "TRY_AGAIN", Stage.MAIL, GOOGLE, (C.SERVER_ERROR, A.RETRY_LATER, S.DESTINATION)),
    (yahoo, "DEFERRED", Stage.MAIL, YAHOO, SLOW),
    (yahoo, "DEFERRED_FOR_GOOD", Stage.MAIL, YAHOO, BLOCK),
    (yahoo, "NO_ACCOUNT", Stage.EOD, YAHOO, DEAD),
    (yahoo, "OVER_QUOTA", Stage.EOD, YAHOO, FULL),
    (outlook, "LIMITED", Stage.MAIL, OLC, SLOW),
    (outlook, "LIMITED_AGAIN", Stage.MAIL, OLC, SLOW),
    (outlook, "LISTED", Stage.MAIL, OLC, BLOCK),
    (outlook, "CONNECTIONS", Stage.CONNECT, OLC, SLOW),
    (outlook, "RECIPIENT_LIMIT", Stage.RCPT, OLC, ONE),
    (outlook, "NO_MAILBOX", Stage.RCPT, OLC, DEAD),
    (outlook, "FULL", Stage.RCPT, OLC, FULL),
    (m365, "BUSY", Stage.MAIL, M365, SLOW),
    (m365, "CONTENT", Stage.EOD, M365, (C.POLICY, A.BOUNCE_MESSAGE, S.MESSAGE)),
    (m365, "UNKNOWN", Stage.RCPT, M365, DEAD),
    (m365, "FULL", Stage.RCPT, M365, FULL),
    (government, "GREYLISTED", Stage.RCPT, OWN, (C.GREYLISTED, A.RETRY_LATER, S.DESTINATION)),
    (government, "CONNECTIONS", Stage.CONNECT, OWN, SLOW),
    (government, "UNKNOWN", Stage.RCPT, OWN, DEAD),
    (government, "FULL", Stage.RCPT, OWN, FULL),
    (small, "LIMITED", Stage.RCPT, SITE, SLOW),
    (small, "LISTED", Stage.CONNECT, SITE, BLOCK),
    (small, "BLOCKED", Stage.RCPT, SITE, BLOCK),
    (small, "UNKNOWN", Stage.RCPT, SITE, DEAD),
    (small, "FULL", Stage.RCPT, SITE, FULL),
]


@pytest.mark.parametrize(
    ("module", "name", "stage", "mx", "meant"),
    TABLE,
    ids=[f"{module.__name__.rpartition('.')[2]}.{name}" for module, name, *_ in TABLE],
)
def test_a_text_is_read_as_what_it_means(
    module: ModuleType, name: str, stage: Stage, mx: str, meant: tuple[Category, Action, Scope]
) -> None:
    text = getattr(module, name).format(**NAMES)
    read = shipped_classifier().classify(parse(text, stage), mx)
    assert (read.category, read.action, read.scope) == meant, read.rule


def test_the_table_has_every_text() -> None:
    said = {
        (module.__name__, name)
        for module in (gmail, yahoo, outlook, m365, government, small)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value[:3].isdigit()
    }
    assert said == {(module.__name__, name) for module, name, *_ in TABLE}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, name, *_ in TABLE])
def test_a_text_is_a_reply_of_rfc_5321(module: ModuleType, name: str) -> None:
    lines = getattr(module, name).format(**NAMES).split("\r\n")
    assert all(line[3] == "-" for line in lines[:-1])
    assert lines[-1][3] == " "
    assert len({line[:3] for line in lines}) == 1
    assert all(len(line) <= 510 and line.isascii() and line.isprintable() for line in lines)
