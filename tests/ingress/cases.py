"""Cases: what a client says and the codes it hears, played against our door and stock aiosmtpd.

A line of a case is `what is said → code`; where ours differs from aiosmtpd's `→ ours / theirs`,
and the case says why. Behind a code may stand `+WORD` or `-WORD` (the reply holds it, or does not)
and `closed` (the connection ends with it); `-` for theirs: it is not asked so far. A line without
an arrow is said and not answered; `↓` is the next reply to what was said before; `(TLS)` is the
handshake. Escapes are those of `dialog.octets`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from argon2 import PasswordHasher

from relay.store.base import Account
from tests.ingress import tls
from tests.ingress.dialog import octets
from tests.ingress.house import HOST, Client, Log, house, pipeline

ARROW: Final = " → "
NEXT: Final = "↓"
OURS: Final = 0
THEIRS: Final = 1
NAME: Final = "spse"
PASSWORD: Final = "rahasia"
_SECRET: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ACCOUNT: Final = Account(NAME, "smtp", _SECRET, 0)


@dataclass(frozen=True)
class Case:
    """One conversation. `why`: the reason where ours differs from aiosmtpd's. `body`: that of the
    one letter that was taken; `their_body` where theirs is another."""

    name: str
    lines: tuple[str, ...]
    why: str = ""
    body: bytes | None = None
    their_body: bytes | None = None

    def __post_init__(self) -> None:
        differs = any(" / " in line.partition(ARROW)[2] for line in self.lines)
        if (differs or self.their_body is not None) != bool(self.why):
            raise ValueError(f"{self.name}: a difference and its reason go together")


def case(
    name: str,
    *lines: str,
    why: str = "",
    body: bytes | None = None,
    their_body: bytes | None = None,
) -> Case:
    """A case, its lines one after the other."""
    return Case(name, lines, why, body, their_body)


async def play(case: Case, client: Client, side: int) -> None:
    """Say the lines and hear the replies. Raises AssertionError naming the line."""
    is_greeted = False
    for line in case.lines:
        said, arrow, columns = line.partition(ARROW)
        if said == "(TLS)":
            await client.writer.start_tls(tls.client(), server_hostname="127.0.0.1")
            continue
        if not is_greeted:
            assert (await client.hear()).startswith("220")
            is_greeted = True
        column = columns.split(" / ")
        expected = column[side if len(column) > 1 else OURS]
        if expected == "-":
            return
        if said != NEXT:
            await client.say(octets(said) + b"\r\n")
        if arrow:
            await _hear(client, line, expected)


async def _hear(client: Client, line: str, expected: str) -> None:
    code, *facts = expected.split(" ")
    heard = await client.hear()
    assert heard.startswith(code), f"{line!r}: heard {heard!r}"
    for fact in facts:
        if fact == "closed":
            assert await client.is_closed(), f"{line!r}: still open"
        else:
            assert (fact[1:] in heard) == (fact[0] == "+"), f"{line!r}: heard {heard!r}"


async def play_ours(case: Case, **changes: Any) -> None:
    """Against our door without filters: what is judged is the dialogue."""
    changes.setdefault("pipeline", pipeline(Log(), ()))
    async with house(**changes) as here, here.client(greeted=False) as client:
        here.store.users[NAME] = ACCOUNT
        here.authenticator._sleep = _at_once
        await play(case, client, OURS)
        if case.body is not None:
            assert [letter.content.body for letter in here.store.letters] == [case.body]
        assert "door_fault" not in here.log.names()


async def _at_once(seconds: float) -> None:
    """No pause after wrong passwords."""


async def play_theirs(case: Case, **settings: Any) -> None:
    """Against aiosmtpd as it is: so the column about it stays true."""
    async with stock(**settings) as (box, client):
        await play(case, client, THEIRS)
        body = case.body if case.their_body is None else case.their_body
        if body is not None:
            assert [letter.partition(b"\r\n\r\n")[2] for letter in box.letters] == [body]


@dataclass
class Box:
    """aiosmtpd's handler: keeps letters, knows one user."""

    letters: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.letters.append(envelope.content)
        return "250 taken"

    def verify(self, *asked: Any) -> AuthResult:
        """The last of what is asked is name and password."""
        is_right = asked[-1] == LoginPassword(NAME.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)


@asynccontextmanager
async def stock(
    implicit_tls: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[tuple[Box, Client]]:
    """aiosmtpd's own class on a free port, and a client of it."""
    loop, box, served = asyncio.get_running_loop(), Box(), list[SMTP]()
    given: dict[str, Any] = {"enable_SMTPUTF8": True, "hostname": HOST, **settings}

    def made() -> SMTP:
        served.append(SMTP(box, authenticator=box.verify, loop=loop, **given))
        return served[-1]

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=implicit_tls)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield box, Client(reader, writer)
    finally:
        writer.transport.abort()
        server.close()
        tasks = [one._handler_coroutine for one in served if one._handler_coroutine is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
