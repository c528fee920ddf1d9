"""`replies`: what is unknown, what other rules would do, who decided; at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.mail import ids
from tests.cli.house import Site
from tests.service.test_rereading import KNOWN, RULES, SAME, STRANGE, put

SINCE = ("--since", "2020-01-01")
HOSTILE = "554 [/foo] [link=x] hm\x1b[2J\u202ehm"


def test_unknown_is_a_table_and_rules_to_paste(site: Site) -> None:
    put(site.state, KNOWN, STRANGE, SAME, HOSTILE)
    answer = site.run("replies", "unknown", *SINCE)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].split() == ["count", "first", "last", "reply"]
    assert lines[1].startswith("2 ")
    assert "gerbang kantor # tidur, <<address>> lewat" in lines[1]
    assert "3 of 4 refusals unknown" in answer.err
    start = lines.index("rules:")
    rules = site.folder / "site.d" / "new.yaml"
    rules.parent.mkdir()
    rules.write_text("\n".join(lines[start:]) + "\n")
    again = site.run("replies", "unknown", *SINCE)
    assert again.out == "of 4 refusals none is unknown\n"


def test_foreign_text_is_escaped(site: Site) -> None:
    (letter,) = put(site.state, HOSTILE)
    told = site.run("queue", "show", ids.show(letter))
    assert "[/foo] [link=x] hm\\x1b[2J\\u202ehm" in told.out
    assert not {"\x1b", "\u202e"} & set(told.out)
    shown = site.run("replies", "unknown", *SINCE)
    assert "[/foo] [link=x] hm" in shown.out
    assert not {"\x1b", "\u202e"} & set(shown.out)
    assert site.run("replies", "unknown", *SINCE, "--json").out.isascii()


def test_unknown_in_json_and_cut(site: Site) -> None:
    put(site.state, STRANGE, "554 hm")
    answer = site.run("replies", "unknown", *SINCE, "--json", "--limit", "1").json
    assert (answer["kinds"], len(answer["rows"])) == (2, 1)
    assert list(answer["rows"][0]) == ["count", "first_at", "last_at", "reply", "draft"]
    cut = site.run("replies", "unknown", *SINCE, "--limit", "1")
    assert "1 more kinds: --limit" in cut.err


def test_replay_says_what_would_change(site: Site) -> None:
    put(site.state, KNOWN, STRANGE, SAME)
    tried = site.folder / "tried.yaml"
    tried.write_text(RULES)
    answer = site.run("replies", "replay", *SINCE, "--rules", str(tried))
    assert answer.code == 0
    assert "2 of 3 refusals read otherwise" in answer.out
    assert "rate_limited/slow_down_provider (kantor.gerbang)" in answer.out
    assert "rule kantor.never decided none of them" in answer.err
    assert site.run("replies", "replay", *SINCE, "--rules", str(tried), "--json").json["same"] == 1
    put(site.state, "554 gerbang kantor lain")
    cut = site.run("replies", "replay", *SINCE, "--rules", str(tried), "--limit", "1")
    assert "1 more kinds: --limit" in cut.err


def test_hits_of_each_rule(site: Site) -> None:
    put(site.state, KNOWN, rule="text.unknown-user")
    rows = site.run("replies", "hits", *SINCE)
    assert rows.out.splitlines()[1].split()[:2] == ["text.unknown-user", "1"]
    assert site.run("replies", "hits", *SINCE, "--json").json[0]["count"] == 1
    assert site.run("replies", "hits", "--since", "2100-01-01").out == "no rule decided anything\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("unknown", "--since", "gestern"), 2, "since 'gestern': write 7d"),
        (("hits",), 3, "there is no store"),
        (("replay", "--rules", "nowhere.yaml"), 2, "nowhere.yaml: No such file"),
        (("replay",), 2, "Missing option '--rules'"),
    ],
)
def test_what_cannot_be(site: Site, words: tuple[str, ...], code: int, says: str) -> None:
    answer = site.run("replies", *words)
    assert answer.code == code
    assert says in answer.err


def test_rules_with_a_fault_are_named_with_their_line(site: Site, tmp_path: Path) -> None:
    put(site.state, KNOWN)
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("rate_limited", "rate_limitted"))
    answer = site.run("replies", "replay", "--rules", str(bad))
    assert answer.code == 2
    assert "bad.yaml:4" in answer.err
    assert "rate_limited" in answer.err


def test_a_store_that_cannot_be_read(site: Site) -> None:
    site.state.mkdir()
    (site.state / "relay.sqlite").write_bytes(b"no database at all" * 100)
    answer = site.run("replies", "hits")
    assert answer.code in (1, 3)
    assert answer.out == ""
