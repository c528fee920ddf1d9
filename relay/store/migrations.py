"""Migrations: the numbered steps of the schema, run at start, each in one transaction.

A step is a file ``NNN_name.sql``. It is never changed after a release; a later one mends it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from relay.store.base import StoreError, StoreTooNew

PAGE_SIZE: Final = 4096


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: the version that the schema has after it, and its SQL."""

    version: int
    sql: str


def shipped() -> tuple[Migration, ...]:
    """The steps that this program knows, in order."""
    folder = resources.files("relay.store").joinpath("sql")
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(Migration(int(f.name[:3]), f.read_text("utf-8")) for f in found)


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty database. Raises StoreError for a foreign one."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    if not tables:
        return 0
    row = (
        connection.execute("SELECT schema_version FROM meta").fetchone()
        if ("meta" in tables)
        else None
    )
    if row is None:
        raise StoreError("the database is none of this program's")
    return int(row[0])


def refuse_newer(connection: sqlite3.Connection, known: int) -> int:
    """The schema's version, if this program may open it. Raises StoreTooNew naming both."""
    version = version_of(connection)
    if version > known:
        raise StoreTooNew(
            f"the store has schema version {version}; this program knows versions up to {known}: "
            "install the newer program again, or restore the backup made before it"
        )
    return version


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Bring the database to the last step's version; the connection is in autocommit mode."""
    if not steps or [step.version for step in steps] != list(range(1, len(steps) + 1)):
        raise StoreError("the schema's steps are not numbered 1, 2, 3 …")
    known = steps[-1].version
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the first table
    version = refuse_newer(connection, known)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"the file system does not bear a write-ahead log (journal mode {mode})")
    for step in steps[version:]:
        _run(connection, step)


def _run(connection: sqlite3.Connection, step: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(step.sql):
            connection.execute(statement)
        connection.execute("DELETE FROM meta")
        connection.execute("INSERT INTO meta VALUES (?, ?)", (step.version, step.version))
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise StoreError(f"schema step {step.version} failed: {error}") from error


def statements(sql: str) -> Iterator[str]:
    """The script's statements one by one (a trigger's body holds semicolons of its own)."""
    begun: list[str] = []
    for line in sql.splitlines():
        begun.append(line)
        statement = "\n".join(begun)
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            begun = []
    if any(line.strip() and not line.strip().startswith("--") for line in begun):
        raise StoreError("a schema step ends within a statement")
