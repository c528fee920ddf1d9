"""A whole configuration: which files it is read from, and what a reload can take of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import SourceError, counts_anew, load, needs_restart, shipped_classifier
from tests.config.files import GOOD, faults, loaded
from tests.ingress import tls


def test_a_good_configuration_is_whole(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        GOOD
        + "limits: {gmail.com: 20/min}\n"
        + f"certificate: {{certificate_file: '{tls.made().certificate_file}', "
        + f"key_file: '{tls.made().key_file}'}}\n",
        limits="limits: {gmail.com: 5/min}\nproviders: {kantor: {match: [mx.example.net]}}\n",
        empty="# nothing yet\n",
    )
    assert config.hostname == "relay.lpse.example.go.id"
    assert config.control == tmp_path / "state" / "run" / "control.sock"
    assert "kantor" in config.profiles.names
    assert [str(rate) for rate in config.profiles.items()["gmail"].rates] == ["5/min"]
    assert config.problem(("limits", "gmail.com"), "x").line == 3


def test_files_of_site_d_that_would_be_passed_over_are_faults(tmp_path: Path) -> None:
    (tmp_path / "site.d").mkdir()
    (tmp_path / "site.d" / "limits.yml").write_text("limits: {}\n")
    (tmp_path / "site.d" / "notes.txt").write_text("anything")
    assert faults(tmp_path, GOOD) == [
        "site.d/limits.yml: only *.yaml is read here (rename it to limits.yaml)"
    ]


def test_a_site_d_that_is_no_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "site.d").write_text("")
    (tmp_path / "relay.yaml").write_text(GOOD)
    with pytest.raises(SourceError, match=r"site\.d: Not a directory"):
        load(tmp_path / "relay.yaml")


def test_what_a_reload_cannot_take_is_said(tmp_path: Path) -> None:
    old = loaded(tmp_path)
    new = loaded(tmp_path, GOOD + "web: {listen: '127.0.0.1:1'}\nlimits: {gmail.com: 1/min}\n")
    assert needs_restart(old, new) == ["web changed: this needs a restart; the old value is kept"]
    assert needs_restart(old, old) == []


def test_a_window_that_does_not_know_all_that_was_sent_in_it_is_told_of(tmp_path: Path) -> None:
    before = "gmail.com: 20/min, a.id: 7/min, b.id: [1/min, 9/7d]"
    after = "gmail.com: [20/min, 9/day], yahoo.com: 90/2d, a.id: 9/day, b.id: [1/min, 9/9d]"
    route = GOOD + "routes: {x.id: 'smtp://h:25'}\n"
    after += ", 'smtp://h:25': 8/h, total: 9/h"
    old = loaded(tmp_path, f"{route}limits: {{{before}}}\n")
    new = loaded(tmp_path, f"{route}limits: {{{after}, c.id: 5/h, d.id: 5/min, '*': 9/h}}\n")
    assert [one.partition("the longest window of ")[2] for one in counts_anew(old, new)] == [
        "yahoo is new: it counts from what was sent 1d ago on",
        "smtp://h:25 is new: it counts from now on",
        "b.id is new: it counts from what was sent 7d ago on",
        "c.id is new: it counts from now on",
        "total is new: it counts from now on",
        "each other destination is new: it counts from now on",
    ]
    assert counts_anew(new, old) == counts_anew(old, old) == []


def test_shipped_files_are_read_once() -> None:
    assert shipped_classifier() is shipped_classifier()


def test_a_name_that_config_does_not_have() -> None:
    import relay.config

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = relay.config.nothing
