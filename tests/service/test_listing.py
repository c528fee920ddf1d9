"""Listings count in pieces what the depths do not tell; a file at rest tells the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.mail import ids
from relay.mail.instant import DAY, iso
from relay.service import listing, offline
from relay.service.offline import NoLetter
from relay.store.base import Selector, StoreError
from relay.store.memory import MemoryStore
from relay.strict_yaml import SourceError
from tests.store.letters import START, Post, blocked, deferred, delivered
from tests.store.opening import opened


async def test_by_provider_is_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PIECE", 3)
    store, post = MemoryStore(), Post()
    for n in range(10):
        await store.put(post.entry((f"a{n}@gmail.com", f"b{n}@x.id"), subject=f"Tender {n % 2}"))
    wanted = Selector(subject="tender 1")
    answer = await listing.waiting(store, wanted, 1, {"gmail.com": "gmail"}.get)
    assert answer["total"] == 10
    assert answer["by_provider"] == {"gmail": 5, "other": 5}
    assert len(answer["deliveries"]) == 1


@pytest.mark.parametrize("wanted", [Selector(), Selector(subject="tender")])
async def test_what_is_counted_is_what_is_listed(wanted: Selector) -> None:
    """A letter may be sent between the reading of the rows and the counting."""
    store, post = MemoryStore(), Post()
    for n in range(3):
        await store.put(post.entry((f"v{n}@gmail.com",), subject="Tender"))

    async def meanwhile(domains: Iterable[str]) -> None:
        assert set(domains) == {"gmail.com"}
        await store.change("remove", wanted, "admin", "wrong date", START)

    answer = await listing.waiting(store, wanted, 4, {"x.id": "x"}.get, look_up=meanwhile)
    assert len(answer["deliveries"]) == answer["total"] == 3
    assert answer["by_state"] == {"ready": 3}
    assert answer["by_provider"] == {"other": 3}


@pytest.mark.parametrize(
    ("said", "is_elsewhere", "is_marked"),
    [
        ("part of their network is on our block list (S3140)", False, True),
        ("an unusual rate of mail", False, False),  # that block ends by itself
        ("part of their network is on our block list (S3140)", True, False),
    ],
)
async def test_a_letter_that_goes_again_after_a_block_is_marked(
    said: str, is_elsewhere: bool, is_marked: bool
) -> None:
    store, entry = MemoryStore(), Post().entry(("a@outlook.com",))
    await store.put(entry)
    for n in range(3):  # refused, lost, accepted
        (leased,) = await store.claim(["outlook.com"], 1, START, START + 60_000)
        made = (blocked(leased, said), deferred(leased, START), delivered(leased))[n]
        assert made.attempt is not None
        tried = replace(made.attempt, route_key="smtp://smart" if is_elsewhere and n else "outlook")
        await store.settle([replace(made, attempt=tried)], START)
        await store.wake(START + DAY)
    shown = await listing.letter(store, entry.message.id, None, {"outlook.com": "outlook"}.get)
    marks = [tried.get("again_after") for tried in shown["deliveries"][0]["attempts"]]
    assert marks == [None, iso(START + 1000) if is_marked else None, None]


@pytest.fixture
async def site(tmp_path: Path) -> Path:
    """A store at rest with two letters, and a configuration beside it."""
    (tmp_path / "relay.yaml").write_text("lab: true\nstate_dir: state\n")
    post = Post()
    async with opened(tmp_path / "state") as store:
        await store.put(post.entry(("Vendor@gmail.com", "b@x.id"), subject="Satu"))
        await store.put(post.entry(("vendor@gmail.com",), subject="Dua"))
    return tmp_path


async def test_a_queue_at_rest(site: Path) -> None:
    file, state = site / "relay.yaml", site / "state"
    answer = await offline.queue_ls(file, state, {}, 10)
    assert (answer["total"], answer["by_provider"]) == (3, {"gmail": 2, "other": 1})
    assert [row["provider"] for row in answer["deliveries"]] == ["gmail", None, "gmail"]
    gmail = await offline.queue_ls(file, state, {"provider": "gmail"}, 10)
    assert gmail["total"] == 2
    other = await offline.queue_ls(file, state, {"provider": "other"}, 10)
    assert [row["recipient"] for row in other["deliveries"]] == ["b@x.id"]
    with pytest.raises(ValueError, match=r"unknown provider 'gmial': did you mean gmail\?"):
        await offline.queue_ls(file, state, {"provider": "gmial"}, 10)
    shown = await offline.queue_show(file, state, answer["deliveries"][0]["id"])
    assert [row["subject"] for row in shown["deliveries"]] == ["Satu"]
    assert shown["deliveries"][0]["attempts"] == []


async def test_an_inbox_at_rest(site: Path) -> None:
    state = site / "state"
    rows = await offline.inbox_ls(state, "VENDOR@gmail.com", 10)
    assert [row["subject"] for row in rows] == ["Dua", "Satu"]
    assert len(await offline.inbox_ls(state, "vendor@gmail.com", 1)) == 1
    letter = await offline.inbox_raw(state, rows[1]["id"])
    assert letter.startswith(b"Subject: Satu\r\n")
    assert letter.endswith(b"Yth. Penyedia\r\n")
    message_id, _ = ids.read(rows[1]["id"])
    for missing in (ids.show(message_id, 9), ids.show(5)):
        with pytest.raises(NoLetter, match=f"no letter {missing}"):
            await offline.inbox_raw(state, missing)
    with pytest.raises(NoLetter, match=r"no letter ever came for c@x\.id"):
        await offline.inbox_ls(state, "c@x.id", 10)


async def test_an_inbox_of_octets_that_are_no_utf_8(site: Path) -> None:
    """The door took such an address; a shell hands its octets over as the door read them."""
    given = b"Caf\xe9@x.id".decode("utf-8", "surrogateescape")
    async with opened(site / "state") as store:
        await store.put(Post(at=START + 9).entry((given,), subject="Tiga"))
    rows = await offline.inbox_ls(site / "state", given, 10)
    assert [row["subject"] for row in rows] == ["Tiga"]


async def test_no_store_and_a_broken_configuration(site: Path) -> None:
    with pytest.raises(StoreError, match="there is no store in"):
        await offline.inbox_ls(site / "elsewhere", "a@x.id", 10)
    (site / "relay.yaml").write_text("limits: {gmail.com: fast}\n")
    with pytest.raises(SourceError, match="not a rate"):
        await offline.queue_ls(site / "relay.yaml", site / "state", {}, 10)
