from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.mail.events import Alert
from relay.observe.log import EventLog, ProgramLog
from relay.observe.settings import LogSettings
from relay.observe.writer import LineWriter
from tests.observe.examples import EVENTS, NOW, HandClock


def _owns_up(n: int) -> bytes:
    return f"dropped {n}\n".encode()


def _line(n: int) -> Callable[[], bytes]:
    return f"line {n}\n".encode


def _read_all(fd: int) -> bytes:
    octets = b""
    while piece := os.read(fd, 65_536):
        octets += piece
    return octets


def test_lines_leave_in_order(tmp_path: Path) -> None:
    writer = LineWriter(tmp_path / "log", _owns_up)
    for n in range(1000):
        writer.write(_line(n))
    assert writer.close()
    assert (tmp_path / "log").read_text().splitlines() == [f"line {n}" for n in range(1000)]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640
    assert writer.dropped == 0


def test_a_full_pipe_stops_nobody_and_drops_are_owned_up_to() -> None:
    reader, pipe = os.pipe()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(pipe, _owns_up, size=100)
    os.close(pipe)
    for _ in range(5000):  # nobody reads: each call must come back at once all the same
        writer.write(lambda: b"x" * 99 + b"\n")
    dropped = writer.dropped
    assert dropped > 4000
    found: list[bytes] = []
    drain = threading.Thread(target=lambda: found.append(_read_all(reader)))
    drain.start()
    while writer._queue.qsize():  # the reader is back
        os.sched_yield()
    writer.write(lambda: b"last\n")
    assert writer.close(10)
    drain.join(10)
    os.close(reader)
    lines = found[0].split(b"\n")
    said = [int(line.split()[1]) for line in lines if line.startswith(b"dropped ")]
    assert sum(said) == dropped  # in one line, or in two where one could be written in between
    assert b"last" in lines
    assert sum(1 for line in lines if line == b"x" * 99) == 5000 - dropped
    assert writer.dropped == dropped


def test_close_does_not_wait_for_a_reader_that_is_stuck(
    capfd: pytest.CaptureFixture[str],
) -> None:
    reader, pipe = os.pipe()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(pipe, _owns_up, size=100)
    os.close(pipe)
    for _ in range(200):
        writer.write(lambda: b"x" * 999 + b"\n")
    assert not writer.close(0.05)
    assert writer.dropped > 0
    os.close(reader)
    writer._thread.join(5)
    assert "Broken pipe" in capfd.readouterr().err


def test_a_nonblocking_pipe_is_waited_for() -> None:
    reader, pipe = os.pipe()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(pipe, False)
    writer = LineWriter(pipe, _owns_up)
    os.close(pipe)
    for n in range(2000):
        writer.write(_line(n))
    found: list[bytes] = []
    drain = threading.Thread(target=lambda: found.append(_read_all(reader)))
    drain.start()
    assert writer.close(10)
    drain.join(10)
    os.close(reader)
    assert found[0].count(b"\n") == 2000
    assert writer.dropped == 0


def test_a_reader_that_went_away_is_counted(capfd: pytest.CaptureFixture[str]) -> None:
    reader, pipe = os.pipe()
    os.close(reader)
    writer = LineWriter(pipe, _owns_up)
    os.close(pipe)
    writer.write(_line(1))
    assert not writer.close()
    assert writer.dropped == 1
    assert capfd.readouterr().err.count("the log cannot be written") == 1


def test_a_line_that_cannot_be_made_costs_itself_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> bytes:
        raise ValueError("no such thing")

    writer = LineWriter(tmp_path / "log", _owns_up)
    writer.write(broken)
    writer.write(_line(2))
    assert not writer.close()
    assert "line 2" in (tmp_path / "log").read_text()
    assert writer.dropped == 1
    assert "no such thing" in capfd.readouterr().err


def test_a_full_disk_tears_no_later_line(tmp_path: Path) -> None:
    """/dev/full refuses every write; then the log moves to a file that takes it."""
    (tmp_path / "log").symlink_to("/dev/full")
    writer = LineWriter(tmp_path / "log", _owns_up)
    writer.write(_line(1))
    while writer.dropped == 0:
        os.sched_yield()
    (tmp_path / "log").unlink()
    writer.reopen()
    writer.write(_line(2))
    assert writer.close()
    assert (tmp_path / "log").read_text() == "dropped 1\nline 2\n"


def test_reopen_after_the_file_was_moved(tmp_path: Path) -> None:
    writer = LineWriter(tmp_path / "log", _owns_up)
    writer.write(_line(1))
    while not (tmp_path / "log").read_bytes():
        os.sched_yield()
    (tmp_path / "log").rename(tmp_path / "log.1")
    writer.reopen()
    writer.write(_line(2))
    assert writer.close()
    assert (tmp_path / "log.1").read_text() == "line 1\n"
    assert (tmp_path / "log").read_text() == "line 2\n"


def test_reopen_that_fails_keeps_the_old_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    writer = LineWriter(tmp_path / "logs" / "log", _owns_up)
    (tmp_path / "logs").rename(tmp_path / "old")
    writer.reopen()
    writer.write(_line(1))
    assert writer.close()
    assert (tmp_path / "old" / "log").read_text() == "line 1\n"
    assert str(tmp_path / "logs" / "log") in capfd.readouterr().err


def test_a_log_that_cannot_be_opened_names_itself(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        LineWriter(tmp_path / "nowhere" / "log", _owns_up)


def test_after_close_a_line_is_counted_as_lost(tmp_path: Path) -> None:
    writer = LineWriter(tmp_path / "log", _owns_up)
    assert writer.close()
    writer.write(_line(1))
    assert writer.dropped == 1


def test_event_log_writes_each_event_as_a_line(tmp_path: Path) -> None:
    log = EventLog(LogSettings(to=tmp_path / "events"), HandClock())
    for event in EVENTS:
        log.on_event(event)
    assert log.close()
    lines = (tmp_path / "events").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        type(event).__name__.lower() for event in EVENTS
    ]


def test_event_log_owns_up_as_an_alert() -> None:
    reader, pipe = os.pipe()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    log = EventLog(LogSettings(queue=100), HandClock(), pipe)
    os.close(pipe)
    for _ in range(3000):
        log.on_event(Alert(NOW, "a", "b"))
    dropped = log.dropped
    assert dropped > 0
    found: list[bytes] = []
    drain = threading.Thread(target=lambda: found.append(_read_all(reader)))
    drain.start()
    assert log.close(10)
    drain.join(10)
    os.close(reader)
    shapes = [json.loads(line) for line in found[0].splitlines()]
    said = [shape for shape in shapes if shape.get("name") == "log_dropped"]
    assert sum(shape["dropped"] for shape in said) == dropped
    assert said[0] == {
        "at": "2011-10-04T07:11:00.000Z",
        "event": "alert",
        "name": "log_dropped",
        "dropped": said[0]["dropped"],
    }


def test_program_log_is_plain_escaped_and_masked() -> None:
    reader, pipe = os.pipe()
    handler = ProgramLog(HandClock(), stderr=pipe)
    os.close(pipe)
    logger = logging.Logger("relay.somewhere")
    logger.addHandler(handler)
    logger.warning("said %s to vendor@example.co.id", "\x1b[31mred\u202e")
    try:
        raise ValueError("inner")
    except ValueError:
        logger.exception("failed")
    assert handler.stop()
    octets = _read_all(reader)
    os.close(reader)
    first, rest = octets.decode("ascii").split("\n", 1)
    assert first == (
        r"2011-10-04T07:11:00.000Z WARNING relay.somewhere: "
        r"said \x1b[31mred\u202e to v\u2026@example.co.id"
    )
    assert rest.startswith("2011-10-04T07:11:00.000Z ERROR relay.somewhere: failed\nTraceback")
    assert "ValueError: inner" in rest


def test_program_log_takes_over_and_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    reader, pipe = os.pipe()
    handler = ProgramLog(HandClock(), stderr=pipe)
    os.close(pipe)
    handler.install(logging.WARNING)
    try:
        logging.getLogger("relay.x").warning("one")
        logging.getLogger("relay.x").info("two")
        assert root.handlers == [handler]
        assert handler.stop()
        assert root.handlers == []
        assert _read_all(reader) == b"2011-10-04T07:11:00.000Z WARNING relay.x: one\n"
    finally:
        root.setLevel(level)
        logging.captureWarnings(False)
        os.close(reader)
