"""Warnings: what is seldom meant is said, with its line; nothing of it is a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import load, warnings_of

QUIET = "hostname: relay.dinas.id\nallowed_senders: ['@dinas.id']\n"


def warned(folder: Path, text: str, site: str = "") -> list[str]:
    """The warnings without the folder, but for the one that no key signs."""
    (folder / "relay.yaml").write_text(text)
    if site:
        (folder / "site.d").mkdir()
        (folder / "site.d" / "a.yaml").write_text(site)
    found = [str(one).replace(f"{folder}/", "") for one in warnings_of(load(folder / "relay.yaml"))]
    return [text for text in found if ": dkim: " not in text]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            QUIET + "limits: {gmail.com: 1/min, googlemail.com: 2/min}",
            "relay.yaml:3: limits.googlemail.com: warning: gmail.com and googlemail.com both mean "
            "gmail: what this says counts (write one of them)",
        ),
        (
            QUIET + "limits: {gmail.com: {connections: 1, rate: null}}",
            "relay.yaml:3: limits.gmail.com: warning: null unsets nothing: no layer below says "
            "rate of gmail.com (what is shipped is lifted by providers: {gmail: {rate: null}})",
        ),
        (
            QUIET + "limits: {a.id: null}",
            "relay.yaml:3: limits.a.id: warning: null unsets nothing: no layer below limits a.id "
            "(remove it)",
        ),
        (
            QUIET + "limits: {gmail.com: 1/min, GMAIL.com.: 2/min}",
            "relay.yaml:3: limits.GMAIL.com.: warning: gmail.com and GMAIL.com. both mean "
            "gmail: what this says counts (write one of them)",
        ),
        (
            QUIET + "limits: {gmial.com: 1/min}",
            "relay.yaml:3: limits.gmial.com: warning: gmial.com is no domain of a provider; "
            "the limit is for it alone (did you mean gmail.com?)",
        ),
        ("hostname: a.b.id", "relay.yaml:1: allowed_senders: warning: empty: no letter is relayed"),
        (
            QUIET + "delivery: {source_address: 192.0.2.77}",
            "relay.yaml:3: delivery.source_address: warning: this host does not have the address",
        ),
        (
            "hostname: relay.lpse.example.go.id\nallowed_senders: ['@a.id']",
            "relay.yaml:1: hostname: warning: relay.lpse.example.go.id is the example's name",
        ),
        (
            "hostname: a.b.id\nallowed_senders: ['@lpse.example.go.id']",
            "relay.yaml:2: allowed_senders[0]: warning: @lpse.example.go.id is the example's dom",
        ),
    ],
)
def test_what_is_seldom_meant(tmp_path: Path, text: str, says: str) -> None:
    (found,) = warned(tmp_path, text + "\n")
    assert found.startswith(says)


@pytest.mark.parametrize(
    "line",
    [
        "limits: {gmail.com: 1/min, yahoo.co.id: 1/min, dinas.id: 1/min, '*': 1/min}",
        "routes: {a.id: 'smtp://mx.a.id'}",
        "delivery: {source_address: 127.0.0.1}",
        "delivery: {source_address: '::1'}",
    ],
)
def test_what_is_meant(tmp_path: Path, line: str) -> None:
    assert warned(tmp_path, f"{QUIET}{line}\n") == []


def test_a_limit_in_site_d_has_its_own_line(tmp_path: Path) -> None:
    (found,) = warned(tmp_path, QUIET, "limits:\n  yaho.com: 1/min\n")
    assert found.startswith("site.d/a.yaml:2: limits.yaho.com: warning: ")


def test_letters_that_are_not_signed(tmp_path: Path) -> None:
    (tmp_path / "relay.yaml").write_text(QUIET)
    (found,) = warnings_of(load(tmp_path / "relay.yaml"))
    assert (found.key, found.message[:15]) == ("dkim", "warning: empty:")
    assert "lpse-relay keys new" in found.suggestion


def test_a_laboratory_is_told_that_it_is_one(tmp_path: Path) -> None:
    text = "lab: true\nhostname: relay.lpse.example.go.id\ntesting_smtp_port: 2525\n"
    found = warned(tmp_path, f"{text}allowed_senders: []\n")
    assert [one.partition(" (")[0] for one in found] == [
        "relay.yaml:1: lab: warning: true: for trying only: much is let through that harms real "
        "mail",
        "relay.yaml:3: testing_smtp_port: warning: letters go to port 2525 of every server, and "
        "real ones listen on 25",
        "relay.yaml:4: allowed_senders: warning: empty: no letter is relayed",
    ]
    keys = [one.key for one in warnings_of(load(tmp_path / "relay.yaml"))]
    assert "dkim" in keys
