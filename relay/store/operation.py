"""Operation: a piece of work for the store's writer, and the transaction that it is handed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Transaction:
    """What an operation is handed: the connection, and where to say what became ready."""

    __slots__ = ("connection", "dated", "ready")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.ready: dict[str, int] = {}
        self.dated: set[str] = set()

    def made_ready(self, domain: str, urgency: int, is_dated: bool = False) -> None:
        """A delivery of that domain and class can be leased once this is committed; `is_dated`:
        it is new, and names a deadline."""
        if is_dated:
            self.dated.add(domain)
        known = self.ready.get(domain)
        if known is None or urgency < known:
            self.ready[domain] = urgency


class Operation(Generic[T]):
    """A piece of work within a transaction. May be run twice, if its first group failed."""

    octets: int = 0
    needs_sync: bool = True
    """False where nobody is told of it before a later commit, or the next start makes up for it."""

    def run(self, transaction: Transaction) -> T:
        """Do it. What it raises reaches its caller; StoreError and sqlite3.Error are expected."""
        raise NotImplementedError

    def abandoned(self, result: T) -> None:
        """Called in the loop where it was committed, but its caller no longer waits."""


class Call(Operation[T]):
    """A function as an operation."""

    def __init__(self, function: Callable[[Transaction], T], needs_sync: bool = True) -> None:
        self._function = function
        self.needs_sync = needs_sync

    def run(self, transaction: Transaction) -> T:
        """See Operation.run."""
        return self._function(transaction)


class Joinable(Operation[T]):
    """An operation whose kind does many at once faster than one by one."""

    @classmethod
    def run_all(cls, transaction: Transaction, operations: Sequence[Any]) -> Sequence[T]:
        """Do all of them; returns what each of them returns."""
        raise NotImplementedError

    def run(self, transaction: Transaction) -> T:
        """See Operation.run."""
        return self.run_all(transaction, (self,))[0]
