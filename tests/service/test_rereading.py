"""The replies in a store, read once more: what is unknown, and what other rules would do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from relay.config import SourceError
from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Bounced
from relay.mail.reply import Stage
from relay.service import rereading
from relay.service.offline import NoStore
from relay.store import refusals
from relay.store.base import Settlement
from tests.store.letters import START, Post, attempt
from tests.store.opening import opened

KNOWN = "550 5.1.1 User unknown"
STRANGE = "554 Gerbang kantor 10 tidur, <budi@example.co.id> lewat, id 4bF9Qk21z"
SAME = "554 Gerbang kantor 77 tidur, <siti@example.co.id> lewat, id 9zz81QwE"
RULES = """rules:
  - id: kantor.gerbang
    pattern: "gerbang kantor"
    category: rate_limited
    samples: ["554 Gerbang kantor 10 tidur"]
  - id: kantor.never
    pattern: "tidak pernah"
    category: policy
    samples: ["554 tidak pernah"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "relay.yaml").write_text("lab: true\nstate_dir: state\n")
    return tmp_path / "relay.yaml"


POST = Post()  # one for all: its ids grow


def put(
    state: Path,
    *said: str,
    to: str = "budi@example.co.id",
    rule: str = "code.x",
    route: str = "gmail",
) -> list[int]:
    """Each reply as an attempt of its own letter, a second apart; returns the letters' ids."""
    letters: list[int] = []

    async def main() -> None:
        async with opened(state) as store:
            for n, text in enumerate(said):
                entry = POST.entry((to,))
                letters.append(entry.message.id)
                await store.put(entry)
                delivery = entry.placements[0].delivery
                (leased,) = await store.claim((delivery.domain,), 1, START, START + 1000)
                read = Classification(Category.OTHER, Scope.MESSAGE, Action.RETRY_LATER, rule)
                reply = replies.parse(text, Stage.RCPT)
                made = attempt(
                    leased,
                    reply=reply,
                    stage=Stage.RCPT,
                    classification=None if reply.is_positive else read,
                    started_at=START + 1000 * n,
                    route_key=route,
                )
                await store.settle([Settlement(leased, Bounced("no", Category.OTHER), made)], START)

    asyncio.run(main())
    return letters


def ask(question: Any) -> Any:
    return asyncio.run(question)


def test_what_no_rule_knew_comes_by_kind_with_a_rule_to_paste(file: Path) -> None:
    state = file.parent / "state"
    put(state, KNOWN, STRANGE, "250 2.0.0 OK", SAME, "554 budi itu siapa ya")
    found = ask(rereading.unknown_kinds(file, state, START, 10))
    assert (found["replies"], found["unknown"], found["kinds"]) == (4, 3, 2)
    first, second = found["rows"]
    assert first["count"] == 2
    assert first["reply"] == "554 gerbang kantor # tidur, <<address>> lewat, id <id>"
    assert first["first_at"] < first["last_at"]
    assert second["reply"] == "554 <name> itu siapa ya"
    assert "budi" not in str(found)
    site = file.parent / "site.d"
    site.mkdir()
    (site / "replies.yaml").write_text("rules:\n" + first["draft"] + second["draft"])
    assert ask(rereading.unknown_kinds(file, state, START, 10))["unknown"] == 0


def test_only_what_was_said_since_then_counts_and_a_few_rows_are_shown(file: Path) -> None:
    state = file.parent / "state"
    put(state, STRANGE, SAME, "554 hm", "554 hmm")
    found = ask(rereading.unknown_kinds(file, state, START + 1000, 1))
    assert (found["replies"], found["kinds"], len(found["rows"])) == (3, 3, 1)


def test_more_than_one_piece_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "PIECE", 2)
    put(file.parent / "state", *[f"554 hm {word}" for word in ("a", "b", "c", "d", "e")])
    found = ask(rereading.unknown_kinds(file, file.parent / "state", START, 10))
    assert found["replies"] == 5


def test_other_rules_are_laid_over_the_sites_own(file: Path) -> None:
    state = file.parent / "state"
    put(state, KNOWN, STRANGE, SAME)
    tried = file.parent / "replies.yaml"
    tried.write_text(RULES)
    found = ask(rereading.replay(file, state, START, [tried]))
    assert (found["replies"], found["same"], found["changed"]) == (3, 1, 2)
    assert found["unused"] == ["kantor.never"]
    (row,) = found["rows"]
    assert row["count"] == 2
    assert row["then"] == {
        "category": "rate_limited",
        "action": "slow_down_provider",
        "rule": "kantor.gerbang",
    }
    assert row["now"]["action"] == "retry_later"
    # Once it lies in site.d, a file of its name takes its place, and nothing changes any more.
    site = file.parent / "site.d"
    site.mkdir()
    (site / "replies.yaml").write_text(RULES)
    assert ask(rereading.replay(file, state, START, [tried]))["changed"] == 0


def test_what_our_own_hop_said_is_read_as_it_was_decided(file: Path) -> None:
    """A next hop that refuses by policy does not know us: no rule makes that the address' fault."""
    state = file.parent / "state"
    put(state, "550 5.7.1 gerbang kantor tutup", route="smtp://hop.example:25")
    tried = file.parent / "replies.yaml"
    text = RULES.replace("rate_limited", "policy").replace("10 tidur", "10 tidur, 5.7.1")
    tried.write_text(text)
    found = ask(rereading.replay(file, state, START, [tried]))
    assert (found["changed"], found["unused"]) == (0, ["kantor.never"])
    put(state, "550 5.7.1 gerbang kantor tutup", route="gmail")
    tried.write_text(RULES)
    found = ask(rereading.replay(file, state, START, [tried]))
    assert sorted(row["now"]["rule"].partition(".")[0] for row in found["rows"]) == ["code", "hop"]


def test_changes_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "MOST_CHANGES", 1)
    tried = file.parent / "all.yaml"
    tried.write_text(RULES.replace("gerbang kantor", "gerbang"))
    put(file.parent / "state", *[f"554 gerbang {word}" for word in ("satu", "dua", "tiga")])
    found = ask(rereading.replay(file, file.parent / "state", START, [tried]))
    assert sorted((row["reply"], row["count"]) for row in found["rows"]) == [
        ("(others)", 2),
        ("554 gerbang satu", 1),
    ]


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    put(file.parent / "state", KNOWN)
    with pytest.raises(SourceError, match=r"none\.yaml.*No such file"):
        ask(rereading.replay(file, file.parent / "state", START, [file.parent / "none.yaml"]))
    binary = file.parent / "bad.yaml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match=r"bad\.yaml.*is not UTF-8"):
        ask(rereading.replay(file, file.parent / "state", START, [binary]))


def test_hits_by_rule_and_the_sites_silent_ones_last(file: Path) -> None:
    state = file.parent / "state"
    put(state, KNOWN, KNOWN, rule="text.unknown-user")
    put(state, STRANGE, rule="kantor.gerbang")
    (file.parent / "site.d").mkdir()
    (file.parent / "site.d" / "replies.yaml").write_text(RULES)
    rows = ask(rereading.hits(file, state, START))
    assert [(row["rule"], row["count"]) for row in rows] == [
        ("text.unknown-user", 2),
        ("kantor.gerbang", 1),
        ("kantor.never", 0),
    ]
    assert rows[2]["last_at"] is None
    assert ask(rereading.hits(file, state, START + 10**9))[0]["count"] == 0


def test_without_a_store(file: Path) -> None:
    with pytest.raises(NoStore):
        ask(rereading.hits(file, file.parent / "nowhere", START))
