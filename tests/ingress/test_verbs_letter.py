"""Verbs, the letter: DATA and what ends it, by the cases of aiosmtpd's own test-suite.

See `test_verbs.py` for what was left out. Smuggling has `test_smuggling.py`, stalls have
`test_stalls.py`.
"""

from __future__ import annotations

import socket
from typing import Any, Final, Self

import pytest

from relay.ingress import wire
from tests.ingress.cases import Case, case, play_ours, play_theirs
from tests.ingress.house import SENDER, house

LIMIT: Final = 10_000
BEGUN: Final = (
    "HELO client.example → 250",
    "MAIL FROM:<ani@example.org> → 250",
    "RCPT TO:<budi@example.org> → 250",
    "DATA → 354",
)
AT_ONCE: Final = (
    "HELO client.example\\r\\nMAIL FROM:<ani@example.org>\\r\\nRCPT TO:<budi@example.org>\\r\\n"
    "DATA\\r\\nSubject: x\\r\\n\\r\\n"
)
MADE_SHORT: Final = "a long line is taken and made 7-bit-safe: the application cannot mend it"

CASES: Final = (
    case("a short one", *BEGUN, "Subject: x", "", "isi", ". → 250", body=b"isi\r\n"),
    case("an empty one", *BEGUN, ". → 250", body=b""),
    case("two of them", *BEGUN, ". → 250", *BEGUN[1:], ". → 250"),
    case(
        "all in one write",
        f"{AT_ONCE}isi\\r\\n. → 250",
        *["↓ → 250"] * 2,
        "↓ → 354",
        "↓ → 250",
        body=b"isi\r\n",
    ),
    case(
        "an empty one in one write",
        f"{AT_ONCE}. → 250",
        *["↓ → 250"] * 2,
        "↓ → 354",
        "↓ → 250",
        body=b"",
    ),
    case(
        "bare CR and LF are no line's end",
        *BEGUN,
        "Subject: x\\r\\n\\r\\na\\rb\\nc",
        ". → 250",
        body=b"a\r\nb\r\nc\r\n",
        their_body=b"a\rb\nc\r\n",
        why="they do not end it either; a trusted client's are mended, and its octets kept",
    ),
    case(
        "dots",
        *BEGUN,
        "Subject: x",
        "",
        "..",
        "...",
        "..x",
        "a.",
        ". → 250",
        body=b".\r\n..\r\n.x\r\na.\r\n",
    ),
    case(
        "eight bits",
        *BEGUN,
        "Subject: x\\r\\n\\r\\n\\xff",
        ". → 250",
        body=b"=FF\r\n",
        their_body=b"\xff\r\n",
        why="made 7-bit-safe before it is hashed",
    ),
    case("SIZE's limit, counted", *BEGUN, *["z" * 98] * 101, ". → 552", "NOOP → 250"),
    case(
        "… and told behind the dot",
        *BEGUN,
        "z" * 11_000,
        "NOOP",
        ". → 552 / 500",
        "NOOP → 250",
        why=MADE_SHORT,
    ),
    case("too much, then long lines", *BEGUN, *["z" * 98] * 101, "a" * 1_100, ". → 552"),
    case("long lines, then too much", *BEGUN, *["z" * 4_999] * 3, ". → 552 / 500", why=MADE_SHORT),
    case("long lines", *BEGUN, *["z" * 3_000] * 3, ". → 250 / 500", "NOOP → 250", why=MADE_SHORT),
    case("a long line is counted once", *BEGUN, "z" * 9_998, ". → 250 / 500", why=MADE_SHORT),
    case("a line's end is all that is over", *BEGUN, "z" * 9_999, ". → 552 / 500", why=MADE_SHORT),
    case(
        "the next begins anew",
        *BEGUN,
        *["z" * 98] * 101,
        ". → 552",
        "DATA → 503",
        *BEGUN[1:],
        "Subject: x",
        "",
        "isi",
        ". → 250",
        body=b"isi\r\n",
    ),
)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
async def test_a_letter(one: Case) -> None:
    await play_ours(one, size_limit=LIMIT)
    await play_theirs(one, data_size_limit=LIMIT)


class Watched(bytearray):
    """A session's input that remembers how large it was."""

    most = 0

    def __iadd__(self, piece: Any) -> Self:  # type: ignore[misc]
        super().__iadd__(piece)
        self.most = max(self.most, len(self))
        return self


async def test_a_line_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "bytearray", Watched, raising=False)
    async with house() as here, here.client() as client:
        [session] = here.door._sessions
        assert isinstance(session.input, Watched)
        await client.say(b"a" * 1_000_000 + b"\r\nNOOP\r\n")
        assert (await client.hear()).startswith("500")
        assert (await client.hear()).startswith("250")
        assert wire.PIECE // 2 < session.input.most <= wire.PIECE + wire.MAX_LINE


# --- a client that is lost: no letter, no fault, no session left

_BEGINNING: Final = (
    f"HELO client.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<budi@example.org>\r\nDATA\r\n"
).encode()
LOST: Final = {
    # what was said, and the replies that were heard before it was over
    "before a word": (b"", 0),
    "within a verb": (b"FOO", 0),
    "within a long line": (b"F" + b"O" * 5_555, 0),
    "behind HELO": (b"HELO client.example\r\n", 1),
    "within MAIL": (b"HELO client.example\r\nMAIL FROM: <ani", 1),
    "within DATA": (_BEGINNING + b"From: <ani@example.org>", 4),
    "behind the final dot": (_BEGINNING + b"\r\nisi\r\n.", 4),
}


@pytest.mark.parametrize("way", ["reset", "close", "end of file"])
@pytest.mark.parametrize("where", LOST)
async def test_a_client_that_is_lost(where: str, way: str) -> None:
    said, replies = LOST[where]
    async with house() as here, here.client() as other:
        async with here.client() as client:
            await client.say(said)
            heard = [(await client.hear())[:3] for _ in range(replies)]
            assert heard == ["250", "250", "250", "354"][:replies]
            assert here.door.sessions_open == 2
            if way == "reset":
                sock = client.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.writer.transport.abort()
            elif way == "end of file":
                client.writer.write_eof()
                assert await client.is_closed()  # without a word more
        await here.until(lambda: here.door.sessions_open == 1)
        assert not here.store.entries and not here.log.alerts
        assert here.door.memory.used == 0
        assert (await other.ask("NOOP")).startswith("250")
