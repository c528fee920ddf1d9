"""The installed program, killing itself with SIGKILL at one step of the road, once.

`KILL_AT` is the step, `KILLED` a file that is made just before, so that the next start lives:
`filters` (the letter is whole, nothing is handed to the store), or one of `part`, `put`, `claim`,
`settle` with `.before` or `.after` its commit. Of parts, the second one counts.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Final

from relay.cli import main
from relay.store.leasing import Claim
from relay.store.operation import Joinable, Transaction
from relay.store.putting import Put, PutPart
from relay.store.settling import Settle
from relay.store.sqlite import SqliteStore
from relay.store.writer import Writer

STEP, _, WHEN = os.environ["KILL_AT"].partition(".")
KILLED: Final = Path(os.environ["KILLED"])
KINDS: Final[dict[Any, str]] = {PutPart: "part", Put: "put", Claim: "claim", Settle: "settle"}
COUNTS: Final = {"part": 2}  # a few are committed together: some are there, others not


def die() -> None:
    """Here and now, and never again."""
    try:
        KILLED.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Steps:
    """Which steps are part of the transaction at hand, and how often each has come."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.is_due = False

    def note(self, step: str) -> None:
        self.seen[step] = self.seen.get(step, 0) + 1
        if step == STEP and self.seen[step] >= COUNTS.get(step, 1):
            self.is_due = True

    def committing(self, when: str) -> None:
        if self.is_due and when == WHEN:
            die()


def install() -> None:
    """Put the steps around the writer's own."""
    steps = Steps()
    commit, put = Writer._commit, SqliteStore.put

    def committing(self: Writer) -> None:
        steps.committing("before")
        commit(self)
        steps.committing("after")
        steps.is_due = False

    async def putting(self: SqliteStore, *entries: Any) -> None:
        if STEP == "filters":
            die()
        await put(self, *entries)

    Writer._commit = committing  # type: ignore[method-assign]
    SqliteStore.put = putting  # type: ignore[method-assign]
    for kind, step in KINDS.items():
        if issubclass(kind, Joinable):
            note_all(steps, kind, step)
        else:
            note_each(steps, kind, step)


def note_each(steps: Steps, kind: Any, step: str) -> None:
    """Operations of that kind, one by one."""
    run = kind.run

    def noting(self: Any, transaction: Transaction) -> Any:
        result = run(self, transaction)
        steps.note(step)
        return result

    kind.run = noting


def note_all(steps: Steps, kind: Any, step: str) -> None:
    """Those that are done together."""
    run_all = kind.run_all.__func__

    def noting(cls: Any, transaction: Transaction, operations: Any) -> Any:
        results = run_all(cls, transaction, operations)
        if step != "claim" or any(results):  # an empty claim is no step
            steps.note(step)
        return results

    kind.run_all = classmethod(noting)


if __name__ == "__main__":
    install()
    main()
