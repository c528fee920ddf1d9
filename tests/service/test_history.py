"""A new address without a warm-up is warned of; one that has sent before is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.config import load
from relay.mail.delivery import Delivered
from relay.service.history import warnings_of_history
from relay.store.base import Settlement
from relay.store.connections import NAME
from relay.store.reader import open_readonly
from tests.store.letters import START, Post, attempt
from tests.store.opening import opened

TEXT = "hostname: relay.dinas.id\nallowed_senders: ['@dinas.id']\nstate_dir: state\n"
FROM = "delivery: {source_address: 192.0.2.1}\n"
LIMITS = "limits:\n  gmail.com: 20/min\n"


def warned(folder: Path, text: str) -> list[str]:
    (folder / "relay.yaml").write_text(text)
    found = asyncio.run(warnings_of_history(load(folder / "relay.yaml")))
    return [str(one).replace(f"{folder}/", "") for one in found]


def test_it_has_file_line_key_and_what_to_write(tmp_path: Path) -> None:
    (found,) = warned(tmp_path, TEXT + LIMITS)
    assert found.startswith(
        "relay.yaml:4: limits: warning: nothing was sent from here yet, and barracuda, gmail, gmx"
        " and 7 others have no warm-up"
    )
    assert "warmup: {start: 500/day, growth: 1.4, end: 20000/day}" in found
    (found,) = warned(tmp_path, TEXT + FROM + LIMITS)
    assert ":5: limits: warning: nothing was sent from 192.0.2.1 yet" in found
    (found,) = warned(tmp_path, TEXT)
    assert found.startswith("relay.yaml:")


@pytest.mark.parametrize(
    "more",
    [
        "limits: {'*': {warmup: {start: 500/day, end: 900/day}}}\n",
        "routes: {'*': 'smtp://smart.dinas.id'}\n",
        "lab: true\n",
    ],
)
def test_where_none_is_needed_none_is_asked_for(tmp_path: Path, more: str) -> None:
    assert warned(tmp_path, TEXT + more) == []


def test_only_the_providers_that_have_none_are_named(tmp_path: Path) -> None:
    (found,) = warned(
        tmp_path, TEXT + "limits: {gmail.com: {warmup: {start: 500/day, end: 900/day}}}\n"
    )
    assert "barracuda, gmx, icloud and 6 others" in found


def test_what_was_sent_counts_by_the_address_that_it_left_from(tmp_path: Path) -> None:
    asyncio.run(_sent_from(tmp_path / "state", "192.0.2.1"))
    assert warned(tmp_path, TEXT) == []
    assert warned(tmp_path, TEXT + FROM) == []
    (found,) = warned(tmp_path, TEXT + FROM.replace("2.1}", "2.2}"))
    assert "nothing was sent from 192.0.2.2 yet" in found


def test_an_attempt_that_reached_nobody_is_no_history(tmp_path: Path) -> None:
    asyncio.run(_sent_from(tmp_path / "state", ""))
    assert len(warned(tmp_path, TEXT)) == 1


def test_a_store_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / NAME).write_bytes(b"no database")
    assert warned(tmp_path, TEXT) == []


async def _sent_from(state: Path, source: str) -> None:
    post = Post()
    async with opened(state) as store:
        entry = post.entry()
        await store.put(entry)
        delivery = entry.placements[0].delivery
        (leased,) = await store.claim((delivery.domain,), 1, START, START + 1000)
        made = attempt(leased, source_ip=source)
        await store.settle([Settlement(leased, Delivered(), made)], START)
    reading = await open_readonly(state)
    assert await reading.has_sent_from(None) is bool(source)
    await reading.close()
