"""Dialogs: SMTP transcripts in `tests/dialogs/*.smtp`, read and played against a door.

A line each:
    # words             a comment
    ! name: value       a setting of the door, before the first octet
    C: text             the client says the text and CRLF; \\r \\n \\0 \\xHH \\\\ are octets
    C+ text             … without CRLF
    C*500 text          … 500 times, {n} counting from 0
    C. / end of file    the client says no more (it still listens)
    S: text             a line of the door's replies; * stands for anything
    S. closed           the door closes
    = what: value       what must be so at the end: letters, recipients, refused, body, head …
Lines of the client that follow each other are one write: they are pipelined.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from tests.ingress.house import Client, House, house

FOLDER: Final = Path(__file__).parent.parent / "dialogs"
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_PLAIN: Final = {"r": "\r", "n": "\n", "0": "\0", "\\": "\\", "t": "\t"}


def files() -> list[Path]:
    """All transcripts."""
    return sorted(FOLDER.glob("*.smtp"))


def octets(text: str) -> bytes:
    """The text with its escapes read."""

    def read(match: re.Match[str]) -> str:
        return chr(int(match[1][1:], 16)) if match[1][0] == "x" else _PLAIN[match[1]]

    parts = [_ESCAPE.sub(read, text)]
    return parts[0].encode("latin-1") if "\\x" in text else parts[0].encode()


def settings(text: str) -> dict[str, Any]:
    """What the `!` lines ask for."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        if not line.startswith("!"):
            continue
        name, _, value = line[1:].strip().partition(": ")
        if name == "trusted":
            found["trusted_networks"] = (ip_network(value),)
        elif name == "idle_timeout":
            found[name] = timedelta(milliseconds=int(value.removesuffix("ms")))
        else:
            found[name] = int(value) if value.isdigit() else value
    return found


async def play(file: Path) -> None:
    """Play a transcript. Raises AssertionError naming its line."""
    text = file.read_text(encoding="utf-8")
    async with house(**settings(text)) as here, here.client(greeted=False) as client:
        player = _Player(here, client)
        for number, line in enumerate(text.splitlines(), 1):
            try:
                await player.line(line)
            except Exception as error:
                raise AssertionError(f"{file.name}:{number}: {line!r}: {error!r}") from error


class _Player:
    def __init__(self, here: House, client: Client) -> None:
        self._here = here
        self._client = client
        self._unsaid = b""

    async def line(self, line: str) -> None:
        kind, text = line[:2], line[3:]
        if kind == "C:":
            self._unsaid += octets(text) + b"\r\n"
        elif kind == "C+":
            self._unsaid += octets(text)
        elif kind == "C*":
            count, _, text = line[2:].partition(" ")
            for n in range(int(count)):
                self._unsaid += octets(text.replace("{n}", str(n))) + b"\r\n"
        elif line.startswith("S*"):
            count, _, text = line[2:].partition(" ")
            await self._say()
            for _ in range(int(count)):
                await self._hear(text)
        elif kind == "C.":
            await self._say()
            self._client.writer.write_eof()
        elif line == "S. closed":
            await self._say()
            assert await self._client.is_closed(), "the door is still open"
        elif kind == "S:":
            await self._say()
            await self._hear(text)
        elif kind == "= ":
            await self._say()
            self._check(line[2:])
        elif line.strip() and line[0] not in "#!":
            raise ValueError("not a line of a transcript")

    async def _say(self) -> None:
        if self._unsaid:
            await self._client.say(self._unsaid)
            self._unsaid = b""

    async def _hear(self, expected: str) -> None:
        heard = (await self._client.reader.readline()).decode("latin-1").removesuffix("\r\n")
        pattern = ".*".join(re.escape(part) for part in expected.split("*"))
        assert re.fullmatch(pattern, heard), f"heard {heard!r}"

    def _check(self, text: str) -> None:
        what, _, value = text.partition(": ")
        got = _FACTS[what](self._here)
        expected = octets(value)
        assert got == expected.decode("latin-1" if "\\x" in value else "utf-8"), f"is {got!r}"


def _last(here: House) -> Any:
    return here.store.letters[-1]


_FACTS: Final[dict[str, Callable[[House], str]]] = {
    "letters": lambda here: str(len(here.store.letters)),
    "recipients": lambda here: ", ".join(
        p.delivery.recipient for p in here.store.entries[0].placements
    ),
    "states": lambda here: ", ".join(
        p.delivery.state.word for p in here.store.entries[0].placements
    ),
    "faults": lambda here: "; ".join(
        p.delivery.why for p in here.store.entries[0].placements if p.attempt
    ),
    "sender": lambda here: str(_last(here).envelope.sender),
    "helo": lambda here: str(_last(here).source.helo),
    "body": lambda here: _last(here).content.body.decode("latin-1"),
    "received": lambda here: (_last(here).content.received or b"-").decode("latin-1"),
    "subject": lambda here: str(_last(here).particulars.subject),
    "class": lambda here: str(_last(here).particulars.urgency.word),
    "options": lambda here: (
        f"{_last(here).envelope.options.ret} {_last(here).envelope.options.envid}"
    ),
    "notify": lambda here: " ".join(sorted(_last(here).envelope.recipients[0].notify or ())),
    "orcpt": lambda here: str(_last(here).envelope.recipients[0].orcpt),
    "refused": lambda here: ", ".join(event.reason for event in here.log.refused()),
    "alerts": lambda here: ", ".join(sorted(here.log.names())),
    "reports": lambda here: str(sum(not entry.has_inbox for entry in here.store.entries)),
    "owed": lambda here: str(
        sum(one.owes_report for entry in here.store.entries for one in entry.placements)
    ),
}
