"""The profile by room: whose time a function's is, and a few letters under the profiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.keeping import keep, machine
from tests.bench.profile import PACKAGE, Function, Stats, main, measured, profile, room_of

STORE: Function = (str(PACKAGE / "store/writer.py"), 1, "submit")
SETTLE: Function = (str(PACKAGE / "settle.py"), 1, "settle")
JOIN: Function = ("/usr/lib/python3.11/posixpath.py", 1, "join")
LEN: Function = ("~", 0, "<built-in method builtins.len>")
LOST: Function = ("/usr/lib/python3.11/heapq.py", 1, "lost")


@pytest.mark.parametrize(
    ("function", "room"),
    [
        (STORE, "store"),
        (SETTLE, "settle"),
        (JOIN, None),
        (LEN, None),
        (("/home/relay/other/thing.py", 1, "f"), None),
        (("/x/aiosmtpd/smtp.py", 1, "f"), "ingress"),
        (("/usr/lib/python3.11/ssl.py", 1, "read"), "cryptography"),
        (("~", 0, "<method 'update' of '_hashlib.HASH' objects>"), "cryptography"),
        (("/usr/lib/python3.11/asyncio/timeouts.py", 1, "f"), "asyncio"),
    ],
)
def test_a_function_belongs_to_its_file(function: Function, room: str | None) -> None:
    assert room_of(function) == room


def test_what_belongs_to_no_room_is_its_callers() -> None:
    """`len` is called by the store and by `join`, and that by both; each has its part of it."""
    stats: Stats = {
        STORE: (1, 1, 2.0, 6.0, {}),
        SETTLE: (1, 1, 1.0, 3.0, {}),
        JOIN: (4, 4, 2.0, 3.0, {STORE: (3, 3, 1.5, 2.25), SETTLE: (1, 1, 0.5, 0.75)}),
        LEN: (9, 9, 2.0, 2.0, {STORE: (5, 5, 1.0, 1.0), JOIN: (4, 4, 1.0, 1.0)}),
        LOST: (1, 1, 1.0, 1.0, {LOST: (1, 1, 1.0, 1.0)}),
    }
    found = profile(stats, cpu=10.0, letters=1000, top=1)
    assert found.shares == {"store": 52.5, "settle": 17.5, "other": 10.0, "uvloop": 20.0}
    assert found.cpu_ms == 10.0
    assert found.dearest[0][0] == 20.0


@pytest.mark.timeout(120)
async def test_a_few_letters_under_the_profiler(tmp_path: Path) -> None:
    found = await measured(tmp_path, letters=100, sessions=5)
    assert sum(found.shares.values()) == pytest.approx(100, abs=2)
    assert {"ingress", "store", "scheduler", "transports", "uvloop"} <= set(found.shares)
    assert found.cpu_ms > 0
    assert len(found.dearest) == 10


def test_kept_shares_are_shown_without_playing_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {
        "letters": 3000,
        "sessions": 10,
        "cpu_ms": 4.2,
        "shares": {"store": 60.0, "uvloop": 40.0},
        "dearest": [(12.5, "store/writer.py:1 submit")],
    }
    kept, setting = tmp_path / "profile.json", {"commit": "0a1b2c3", "machine": machine()}
    keep(kept, {"profile": figures}, setting)
    monkeypatch.setattr("sys.argv", ["profile", "--show", str(kept), "--markdown"])
    assert main() == 0
    said = capsys.readouterr().out
    assert "| 60.0 % | store |" in said
    assert "| 12.5 % | store/writer.py:1 submit |" in said
    assert "0a1b2c3" in said


def test_what_is_no_result_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    monkeypatch.setattr("sys.argv", ["profile", "--show", str(other)])
    assert main() == 2
    assert str(other) in capsys.readouterr().err
