"""Whatever a server answers, a session says the truth about each recipient and stays in step.

The server here is a table of answers drawn at random, in memory; its own books are the oracle.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import Reply, Stage
from relay.transports.commands import Addressee, Parcel
from relay.transports.session import Session
from relay.transports.transaction import Carried
from relay.transports.wire import Wire
from tests.transports.house import BODY, HEAD, brief

CUT = "cut"
GOOD = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", "DOT": "250 queued", "RSET": "250 ok"}
ANSWERS = st.sampled_from(
    [
        *["250 ok", "250 ok", "354 go on", "550 5.1.1 no", "450 4.2.1 later", "421 bye"],
        *["220 what", "251 will forward", "250-a\n250 b", "junk", "", CUT, "250 ok\n250 more"],
    ]
)
LETTER = HEAD + b"\r\n" + BODY


@dataclass
class Letter:
    """What the server got after a 354, for whom, and what it answered."""

    content: bytes
    accepted: list[str]
    reply: str


@dataclass
class Server(asyncio.Transport):
    """The other end of a wire: hears what is written, answers in the loop's next turn."""

    wire: Wire
    answers: list[str]  # used up first; then all is good
    letters: list[Letter] = field(default_factory=list)
    _heard: bytes = b""
    _is_data: bool = False
    _is_closed: bool = False
    _accepted: list[str] = field(default_factory=list)

    def write(self, data: Any) -> None:
        self._heard += data
        while not self._is_closed and self._one():
            pass

    def _one(self) -> bool:
        end = b"\r\n.\r\n" if self._is_data and not self._heard.startswith(b".\r\n") else b"\r\n"
        if end not in self._heard:
            return False
        said, self._heard = self._heard.split(end, 1)
        if self._is_data:
            self._is_data = False
            content = b"" if said == b"." else said.replace(b"\r\n.", b"\r\n") + b"\r\n"
            answer = self._answer("DOT")
            self.letters.append(Letter(content, self._accepted, answer))
            self._accepted = []
            return True
        verb = said[:4].decode()
        answer = self._answer(verb)
        is_yes = answer.startswith("2")
        if verb == "RCPT" and is_yes:
            self._accepted.append(said.decode().split("<")[1].split(">")[0])
        elif verb in ("MAIL", "RSET"):
            self._accepted = []
        elif verb == "DATA":
            self._is_data = answer.startswith("354")
        return True

    def _answer(self, verb: str) -> str:
        answer = self.answers.pop(0) if self.answers else GOOD.get(verb, "250 ok")
        loop = asyncio.get_running_loop()
        if answer == CUT:
            self.abort()
        else:
            said = "".join(f"{line}\r\n" for line in answer.split("\n")).encode()
            loop.call_soon(self._say, said)
        return answer

    def _say(self, said: bytes) -> None:
        if not self._is_closed:
            self.wire.data_received(said)

    def abort(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().call_soon(self.wire.connection_lost, None)

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self._is_closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


def parcel(*recipients: str) -> Parcel:
    return Parcel("lpse@lpse.example.go.id", tuple(map(Addressee, recipients)), HEAD, BODY)


async def converse(answers: list[str], count: int, is_pipelined: bool) -> None:
    names = [f"r{n}@example.co.id" for n in range(count)]
    wire = Wire()
    server = Server(wire, answers)
    wire.connection_made(server)
    session = Session(wire, "mx.example.net", {"PIPELINING": ""}, brief(mail=1, rcpt=1, dot=1))
    carried = await session.carry(parcel(*names), is_pipelined)
    truthful(names, carried, server)
    asked_for_nothing_more = session.is_usable
    if asked_for_nothing_more:
        in_step = await session.make_ready()
        server.answers, server.letters = [], []
        if in_step:
            again = await session.carry(parcel("next@example.co.id"), is_pipelined)
            assert [str(result) for result in again.results] == ["250 queued"]
            assert [(x.content, x.accepted) for x in server.letters] == [
                (LETTER, ["next@example.co.id"])
            ]
    session.abort()
    await session.gone()


def truthful(names: list[str], carried: Carried, server: Server) -> None:
    """The server's books and ours agree."""
    assert len(carried.results) == len(names)
    whole = [letter for letter in server.letters if letter.content == LETTER]
    assert len(whole) <= 1
    for letter in server.letters:
        assert letter.content in (LETTER, b"")
    if whole:
        assert whole[0].accepted, "the letter was sent to nobody"
    assert (carried.sha256 is not None) == bool(whole)
    for name, result in zip(names, carried.results, strict=True):
        is_asked = bool(whole) and name in whole[0].accepted
        last = whole[0].reply if whole else ""
        is_accepted = isinstance(result, Reply) and result.stage is Stage.EOD and result.code < 300
        if is_accepted:
            assert is_asked and last[:1] == "2"
        is_open = isinstance(result, Failure) and result.kind is FailureKind.AMBIGUOUS
        if is_asked and last[:1] == "2":
            assert is_accepted or is_open, "delivered, and we say that it was not"
        if is_asked and last in (CUT, "junk", "", "354 go on"):
            assert is_open
        if not whole:
            assert not is_open


@settings(max_examples=600, deadline=None)
@given(st.lists(ANSWERS, max_size=9), st.integers(1, 4), st.booleans())
def test_the_truth_is_told_whatever_is_answered(
    answers: list[str], count: int, is_pipelined: bool
) -> None:
    asyncio.run(converse(list(answers), count, is_pipelined))


def test_the_server_here_takes_a_letter() -> None:
    asyncio.run(converse([], 3, True))
    asyncio.run(converse([], 3, False))
