"""A site on disk, and a relay of it whose commands answer at the real control socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from typer.testing import CliRunner

from relay.cli import app
from relay.control.server import ControlServer
from tests.service.house import House
from tests.store.letters import Post
from tests.store.opening import opened

T = TypeVar("T")
BASIC = "lab: true\nstate_dir: state\n"


@dataclass
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


@dataclass
class Site:
    """A folder with relay.yaml."""

    folder: Path
    post: Post = field(default_factory=Post)

    def __post_init__(self) -> None:
        self.write(BASIC)

    @property
    def file(self) -> Path:
        return self.folder / "relay.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def run(self, *words: str, stdin: str | bytes | None = None) -> Answer:
        """`lpse-relay WORDS --config …`."""
        return run(*words, "--config", str(self.file), stdin=stdin)

    def put(self, *to: str, **message: Any) -> int:
        """A letter into the store at rest; returns its id."""
        entry = self.post.entry(to, **message)

        async def put() -> None:
            async with opened(self.state) as store:
                await store.put(entry)

        asyncio.run(put())
        return entry.message.id


def run(*words: str, stdin: str | bytes | None = None) -> Answer:
    """`lpse-relay WORDS`; a traceback fails the test."""
    result = CliRunner().invoke(app, list(words), input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


class Running:
    """A House in a loop of its own, behind the control socket of a site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.house = House()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")
        path = site.state / "run" / "control.sock"
        self._server = ControlServer(path, self.house.table())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """In the relay's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def call(self, work: Callable[[], T]) -> T:
        """The same for what does not wait."""

        async def run() -> T:
            return work()

        return self.do(run())

    def start(self) -> None:
        self._thread.start()
        self.do(self._server.start())

    def stop(self) -> None:
        self.do(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@contextmanager
def running(site: Site) -> Iterator[Running]:
    """A relay that answers for the site."""
    relay = Running(site)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()
