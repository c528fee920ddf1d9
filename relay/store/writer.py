"""Writer: the one thread that owns the only writing connection, and commits in groups.

What was handed in while the last commit ran goes into the next one: no timer waits for more. If
anything in a group fails, the group is rolled back and each of its operations is run again in a
transaction of its own, so that one bad operation harms no other. Nothing is reported to a caller
before its COMMIT, and with it the fsync, returned; only a group of leases, or of parts of letters
that are not there yet, is not synced: what a power cut would take of it the next start does again,
or nobody was told of, and the next commit, such as the letter's own, syncs it along.

An I/O error is final (what a failed fsync left behind is unknown): `dead` is set, everything that
waits and everything that comes later gets StoreDead. A full disk is not: its callers get
StoreError, nothing of theirs was written, and the writer goes on.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from relay.clock import Clock
from relay.mail.urgency import Urgency
from relay.store.base import Ready, ReadyListener, StoreDead, StoreError
from relay.store.connections import BUSY_MS
from relay.store.operation import Call, Joinable, Operation, Transaction

MAX_GROUP: Final = 500
MAX_GROUP_OCTETS: Final = 16 << 20
CHECKPOINT_OCTETS: Final = 16 << 20  # written, or the log grown, since the last checkpoint
MAX_WAL: Final = 64 << 20  # a log larger than this is cut as soon as no reader is in the way
IDLE_WAL: Final = 1 << 20  # and one larger than this when there is nothing to do
IDLE_S: Final = 0.5
_OPERATION_OCTETS: Final = 24 << 10  # pages that a small operation touches, roughly
_FATAL: Final = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}

T = TypeVar("T")


Job = tuple[Operation[Any], "asyncio.Future[Any]"]
Answer = tuple[Operation[Any], "asyncio.Future[Any]", Any, BaseException | None]


class Writer:
    """Takes operations from the loop's thread; see the module for what it promises."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        clock: Clock,
        committed: Callable[[], None],
        rolled_back: Callable[[], None],
    ) -> None:
        """Both are called in the writer's thread: keep, or forget, what was cached."""
        self._connection = connection
        self._wal = f"{path}-wal"
        self._clock = clock
        self._committed = committed
        self._rolled_back = rolled_back
        self._loop = asyncio.get_running_loop()
        self._submitted: list[Job] = []
        self._jobs: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()  # of the writer's thread: taken, not yet in a group
        self._listeners: list[ReadyListener] = []
        self._died: BaseException | None = None
        self._is_closing = False
        self._written = 0  # octets since the last checkpoint, estimated
        self._wal_mark = 0  # the log's size then: it grows only when written full again
        self._is_idle_done = False
        self._is_synced = True  # what the connection does at a commit now
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.dead = asyncio.Event()
        self.durations: deque[float] = deque(maxlen=100_000)  # seconds, of synced commits
        self._thread = threading.Thread(target=self._main, name="store-writer", daemon=True)
        self._thread.start()

    # In the loop's thread.

    def subscribe(self, listener: ReadyListener) -> None:
        """See Queue.subscribe."""
        self._listeners.append(listener)

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue an operation; the future is done after its commit."""
        if self._died is not None:
            raise StoreDead(f"the store's writer has died: {self._died}")
        if self._is_closing:
            raise StoreError("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        # All of one turn of the loop wake the thread once, and share a commit.
        if not self._submitted:
            self._loop.call_soon(self._hand_over)
        self._submitted.append((operation, future))
        return future

    def _hand_over(self) -> None:
        if self._submitted:
            self._jobs.put(self._submitted)
            self._submitted = []

    async def call(self, function: Callable[[Transaction], T], needs_sync: bool = True) -> T:
        """Run a function in a transaction; see Operation.needs_sync."""
        return await self.submit(Call(function, needs_sync))

    async def close(self) -> None:
        """Finish what was handed in, checkpoint, end the thread."""
        if not self._is_closing:
            self._is_closing = True
            self._hand_over()
            self._jobs.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _deliver(self, answers: Sequence[Answer], transaction: Transaction) -> None:
        if self._died is not None:
            self.dead.set()
        for operation, future, result, error in answers:
            if future.done():  # only a cancelled one is
                if error is None:
                    operation.abandoned(result)
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
        if transaction.ready:
            dated = transaction.dated
            self._tell([Ready(d, Urgency(u), d in dated) for d, u in transaction.ready.items()])

    def _tell(self, where: Collection[Ready]) -> None:
        for listener in self._listeners:
            listener(where)

    # In the writer's thread.

    def _main(self) -> None:
        try:
            while group := self._gather():
                self._serve(group)
        finally:
            self._end()

    def _gather(self) -> list[Job]:
        """The next group; empty when the end has come."""
        first = self._next()
        if first is None:
            return []
        group = [first]
        octets = first[0].octets
        while len(group) < MAX_GROUP and octets < MAX_GROUP_OCTETS:
            if not self._waiting and not self._take_more():
                break
            job = self._waiting.popleft()
            group.append(job)
            octets += job[0].octets
        return group

    def _take_more(self) -> bool:
        """True where more was handed in."""
        try:
            jobs = self._jobs.get_nowait()
        except queue.Empty:
            return False
        if jobs is None:
            self._jobs.put(None)  # seen again when this group is done
            return False
        self._waiting.extend(jobs)
        return True

    def _next(self) -> Job | None:
        while not self._waiting:
            try:
                jobs = self._jobs.get(timeout=None if self._is_idle_done else IDLE_S)
            except queue.Empty:
                self._tidy(is_idle=True)
                self._is_idle_done = True
            else:
                if jobs is None:
                    return None
                self._waiting.extend(jobs)
        return self._waiting.popleft()

    def _serve(self, group: list[Job]) -> None:
        self._is_idle_done = False
        try:
            answers, transaction = self._answers(group)
        except BaseException as error:  # whatever it is: nobody may wait for ever
            self._died = error
            answers = [self._failed(job, error) for job in group]
            transaction = Transaction(self._connection)
        self._send(answers, transaction)
        self._written += sum(job[0].octets for job in group) + _OPERATION_OCTETS * len(group)
        grown = self._wal_size() - self._wal_mark
        if self._written >= CHECKPOINT_OCTETS or grown >= CHECKPOINT_OCTETS:
            self._tidy(is_idle=False)

    def _answers(self, group: list[Job]) -> tuple[list[Answer], Transaction]:
        transaction = Transaction(self._connection)
        if self._died is not None:
            return [self._failed(job, self._died) for job in group], transaction
        try:
            return self._together(transaction, group), transaction
        except Exception as error:
            return self._one_by_one(group, error)

    def _send(self, answers: Sequence[Answer], transaction: Transaction) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits for an answer
            self._loop.call_soon_threadsafe(self._deliver, answers, transaction)

    def _together(self, transaction: Transaction, group: list[Job]) -> list[Answer]:
        self._sync(any(operation.needs_sync for operation, _ in group))
        self._connection.execute("BEGIN IMMEDIATE")
        results: list[Any] = [None] * len(group)
        joined: dict[type[Joinable[Any]], list[int]] = {}
        for at, (operation, _) in enumerate(group):
            if isinstance(operation, Joinable):
                joined.setdefault(type(operation), []).append(at)
        # What was handed in together has no order: whoever needs one awaits the first.
        for kind, places in joined.items():
            found = kind.run_all(transaction, [group[at][0] for at in places])
            for at, result in zip(places, found, strict=True):
                results[at] = result
        for at, (operation, _) in enumerate(group):
            if not isinstance(operation, Joinable):
                results[at] = operation.run(transaction)
        began = self._clock.monotonic()
        self._commit()
        if self._is_synced:  # the others say nothing of the disk
            self.durations.append(self._clock.monotonic() - began)
        self._committed()
        return [(*job, result, None) for job, result in zip(group, results, strict=True)]

    def _sync(self, is_needed: bool) -> None:
        """Whether the next commits wait for the disk (in WAL mode a later sync covers them all)."""
        if is_needed is not self._is_synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_needed else 'NORMAL'}")
            self._is_synced = is_needed

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _one_by_one(self, group: list[Job], error: Exception) -> tuple[list[Answer], Transaction]:
        """After a failure: undo the group, and give each operation its own transaction."""
        self._undo(error)
        transaction = Transaction(self._connection)
        if len(group) == 1 or self._is_dead():
            return [self._failed(job, error) for job in group], transaction
        answers: list[Answer] = []
        for job in group:
            if self._is_dead():
                answers.append(self._failed(job, error))
                continue
            alone = Transaction(self._connection)
            try:
                answers += self._together(alone, [job])
            except Exception as own:
                self._undo(own)
                answers.append(self._failed(job, own))
            else:
                for domain, urgency in alone.ready.items():
                    transaction.made_ready(domain, urgency, domain in alone.dated)
        return answers, transaction

    def _is_dead(self) -> bool:
        return self._died is not None

    def _undo(self, error: BaseException) -> None:
        """Roll back; after an error that leaves the files in doubt, die instead."""
        self._rolled_back()
        if _is_fatal(error):
            self._died = error
            return
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as worse:
            self._died = worse

    def _failed(self, job: Job, error: BaseException) -> Answer:
        operation, future = job
        if self._died is not None:
            told: BaseException = StoreDead(f"the store's writer has died: {self._died}")
        elif isinstance(error, sqlite3.Error):
            told = StoreError(f"the store refused: {error}")
        else:
            told = error
        if told is not error:
            told.__cause__ = error
        return operation, future, None, told

    def _tidy(self, is_idle: bool) -> None:
        """Checkpoint; cut the log where it is too long. Readers are never waited for."""
        if self._died is not None:
            return
        try:
            if self._written:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self._wal_size() > (IDLE_WAL if is_idle else MAX_WAL):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except (sqlite3.Error, OSError) as error:
            if _is_fatal(error):
                self._died = error
                self._send([], Transaction(self._connection))
        # Where there was no room for it, the log keeps all; the next time comes soon enough.
        self._written = 0
        self._wal_mark = self._wal_size()

    def _wal_size(self) -> int:
        try:
            return os.stat(self._wal).st_size  # noqa: PTH116 - once a commit, must be cheap
        except FileNotFoundError:
            return 0

    def _end(self) -> None:
        """The last checkpoint, and an answer for whatever was left in the queue."""
        if self._died is None and not self._is_closing:
            self._died = RuntimeError("the writer's thread ended by itself")
        self._tidy(is_idle=True)
        while not self._jobs.empty():
            self._waiting.extend(self._jobs.get() or ())
        closed = StoreError("the store is closed")
        left = [self._failed(job, closed) for job in self._waiting]
        self._connection.close()
        self._send(left, Transaction(self._connection))
        with suppress(RuntimeError):  # as in _send
            self._loop.call_soon_threadsafe(self._ended.set_result, None)


def _is_fatal(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and (code & 0xFF) in _FATAL
