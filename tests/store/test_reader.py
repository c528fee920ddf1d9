"""Reading without a relay, and beside one: no lock, no write, no lie."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from relay.mail.delivery import State
from relay.store.base import Selector, StoreError
from relay.store.connections import NAME
from relay.store.reader import open_readonly
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, delivered
from tests.store.opening import opened

NOBODY = 65534


async def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"no store in .*{NAME}"):
        await open_readonly(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / NAME).write_bytes(b"")
    with pytest.raises(StoreError):
        await open_readonly(tmp_path)


async def test_beside_a_running_relay(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        entry = Post().entry(("a@example.co.id", "b@example.co.id"))
        await store.put(entry)
        reader = await open_readonly(tmp_path)
        assert await reader.count(Selector()) == {State.READY: 2}
        taken = await lease(store)
        await store.settle([delivered(taken[0])], NOW)
        assert await reader.count(Selector()) == {State.LEASED: 1}
        assert await reader.rows(Selector()) == await store.rows(Selector())
        assert await reader.find(entry.message.id) == await store.find(entry.message.id)
        assert await reader.attempts(entry.message.id, 1) == await store.attempts(
            entry.message.id, 1
        )
        assert await reader.depths() == await store.depths()
        assert await reader.original(entry.message.id) == await store.original(entry.message.id)
        mailbox = await reader.mailbox("a@example.co.id")
        assert mailbox is not None
        assert await reader.page(mailbox.id) == await store.page(mailbox.id)
        await reader.close()


async def test_without_a_relay_after_a_clean_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        entry = Post().entry()
        await store.put(entry)
    reader = await open_readonly(tmp_path)
    assert [r.delivery.message_id for r in await reader.rows(Selector())] == [entry.message.id]
    await reader.close()
    async with opened(tmp_path) as store:  # and what it left behind harms nobody
        assert await store.count(Selector()) == {State.READY: 1}


async def test_it_cannot_write(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    reader = await open_readonly(tmp_path)
    with pytest.raises(StoreError, match="readonly database"):
        await reader._ask(lambda connection: connection.execute("DELETE FROM message"))
    await reader.close()


SCRIPT = """
import asyncio, os, sys
from pathlib import Path
from relay.store.reader import open_readonly
from relay.store.base import Selector
from relay.store import migrations
steps = migrations.shipped()  # this user may not even read the program
migrations.shipped = lambda: steps
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
async def main():
    store = await open_readonly(Path(sys.argv[1]))
    print(len(await store.rows(Selector())))
    await store.close()
asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
async def test_a_directory_that_may_only_be_read() -> None:
    """A clean store, read by a user who can make no file beside it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        async with opened(folder) as store:
            await store.put(Post().entry())
        for file in folder.iterdir():
            file.chmod(0o644)
        folder.chmod(stat.S_IRWXU | 0o055)
        found = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", SCRIPT.format(uid=NOBODY), str(folder)],
            capture_output=True,
            text=True,
        )
        assert (found.stdout, found.stderr) == ("1\n", "")
        assert sorted(f.name for f in folder.iterdir()) == ["lock", NAME]
