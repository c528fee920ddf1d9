"""`explain` for people: every sentence and table head in English and in Bahasa Indonesia."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from string import Formatter

import pytest

from relay.cli.explain_words import ENGLISH, INDONESIAN, Words
from relay.shaping.base import Identity
from tests.cli.house import Running, Site
from tests.service.house import GMAIL
from tests.service.test_explaining import THROTTLE

ENGLISH_WORDS = re.compile(
    r"\b(goes|its|it|is|the|of|to|by|all|belong|connections?|limit|used|free|where|letters?|before|"
    r"waits?|hour|most|from|next|there|see|and|more|nothing|nobody|not|until|learned|minute)\b"
)


def _templates(words: Words) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(words):
        said = getattr(words, field.name)
        if isinstance(said, str):
            yield field.name, said
        elif isinstance(said, tuple):
            yield from ((f"{field.name}.{n}", one) for n, one in enumerate(said))


def _filled(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_both_languages_fill_in_the_same() -> None:
    english, indonesian = dict(_templates(ENGLISH)), dict(_templates(INDONESIAN))
    assert english.keys() == indonesian.keys()
    for name, said in english.items():
        assert _filled(said) == _filled(indonesian[name]), name


@pytest.mark.parametrize(("name", "said"), list(_templates(INDONESIAN)))
def test_no_template_is_english(name: str, said: str) -> None:
    assert not ENGLISH_WORDS.search(re.sub(r"`[^`]*`|\{[^}]*\}", "", said)), name


@pytest.fixture
def explained(site: Site, relay: Running) -> Running:
    """A relay with letters that are ready, and the address of two of them on the list."""
    relay.do(relay.house.put(*(f"v{n}@gmail.com" for n in range(3))))
    relay.do(relay.house.put("v1@gmail.com"))
    words = ("suppression", "add", "v1@gmail.com", "--reason", "unknown_user", "--why", "siti")
    assert site.run(*words).code == 0
    return relay


def _unquoted(out: str) -> str:
    """Without names of commands, addresses, hosts and rules: what is left are words."""
    return re.sub(r"`[^`]*`|\S*[@.]\S*|\([^)]*\)", "", out)


@pytest.mark.parametrize("is_paused", [False, True])
def test_all_of_it_is_said_in_indonesian(site: Site, explained: Running, is_paused: bool) -> None:
    if is_paused:
        clock = explained.house.clock
        explained.call(lambda: explained.house.shaper.pause("gmail", None, "siti", clock.at))
    answer = site.run("explain", "v1@gmail.com", "--lang", "id")
    assert answer.code == 0, answer.err
    assert not ENGLISH_WORDS.findall(_unquoted(answer.out)), answer.out
    lines = answer.out.splitlines()
    assert lines[0] == (
        "v1@gmail.com (massal) dikirim ke gmail: semua server MX-nya milik gmail: mx.gmail.com"
    )
    assert lines[2].startswith("tidak dicoba: alamat tidak terdaftar sejak 20")
    assert lines[2].endswith(": lihat `lpse-relay suppression show`")
    assert ("sekarang: tidak ada yang menahannya" in lines) is not is_paused
    assert ("sampai `resume`" in answer.out) is is_paused
    assert next(line for line in lines if line.startswith("batas ")).split() == [
        *("batas", "milik", "terpakai", "tersedia", "sumber")
    ]


@pytest.mark.parametrize(
    ("lang", "line"),
    [
        ("en", "but a letter of dkim=lpse.example.go.id waits until "),
        ("id", "tetapi surat dari dkim=lpse.example.go.id menunggu sampai "),
    ],
)
def test_a_name_of_ours_that_is_refused_there_has_its_line(
    site: Site, explained: Running, lang: str, line: str
) -> None:
    house, us = explained.house, Identity(dkim="lpse.example.go.id")
    said = "421 4.7.28 unusual rate from your DKIM domain lpse.example.go.id"
    explained.call(lambda: house.shaper.feedback(GMAIL, THROTTLE, said, house.steady(), us))
    lines = site.run("explain", "v1@gmail.com", "--lang", lang).out.splitlines()
    (told,) = [one for one in lines if one.startswith(line)]
    assert told.endswith(f": {said}")


def test_english_is_as_it_was_and_json_says_neither(site: Site, explained: Running) -> None:
    out = site.run("explain", "v1@gmail.com").out
    assert "goes to gmail: all its MX hosts belong to gmail: mx.gmail.com" in out
    assert "not tried: unknown_user since 20" in out
    assert ": see `lpse-relay suppression show`" in out
    assert "now: nothing holds it" in out
    assert " an hour at most from now on" in out
    assert "4 of its class or more urgent are ready there, 2 of them to this address" in out
    english = site.run("explain", "v1@gmail.com", "--json").json
    assert site.run("explain", "v1@gmail.com", "--lang", "id", "--json").json == english
    assert english["not_tried"].startswith("not tried: unknown_user since 20")
