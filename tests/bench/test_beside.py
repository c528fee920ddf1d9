"""The bench beside Postfix: its arithmetic, its source and sinks, a few letters through a side."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import smtplib
import ssl
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import keeping
from tests.bench.beside import __main__ as main
from tests.bench.beside import playing, plotting, results, sides, slow_disk, tables
from tests.bench.beside.cases import CASES, Case, Unknown, chosen
from tests.bench.beside.playing import Fault, Figures, Played, play
from tests.bench.beside.results import Run
from tests.bench.beside.sides import Running
from tests.bench.beside.source import Order, Report
from tests.bench.beside.tls_sink import TlsSink
from tests.bench.beside.weighing import Group, Tree, Weight, pss, used
from tests.peers.certificates import self_signed
from tests.peers.listening import Listening
from tests.peers.sink import SmtpSink

SYNCS = """
import os, sys, tempfile, time
def took(sync):
    began = time.perf_counter()
    for _ in range(20):
        sync(file.fileno())
    return time.perf_counter() - began
with tempfile.NamedTemporaryFile(dir=sys.argv[1]) as file:
    print(*(min(took(sync) for _ in range(3)) for sync in (os.fsync, os.fdatasync)))
"""
SMALL = Case("small", "a few letters", 2, 12, 12)


def runs(*pairs: tuple[str, int, float]) -> list[Run]:
    return [Run("c", side, n, Figures(delivered=value)) for side, n, value in pairs]


def test_ratios_are_taken_pair_by_pair() -> None:
    found = runs(
        *(("ours", 0, 40.0), ("postfix", 0, 10.0), ("ours", 1, 10.0), ("postfix", 1, 5.0)),
        *(("ours", 2, 90.0), ("postfix", 2, 30.0), ("ours", 3, 1000.0)),
    )
    assert results.ratio(found, "c", "postfix", "delivered") == 3.0
    assert results.median(found, "c", "postfix", "delivered") == 10.0
    assert results.ratio(found, "c", "postfix", "cpu") is None
    assert results.ratio(found, "c", "postfix-stock", "delivered") is None


def test_grouped_stands_against_postfix_and_others_against_ours() -> None:
    found = runs(("ours", 0, 10.0), ("postfix", 0, 40.0), ("ours-grouped", 0, 20.0))
    found += runs(("ours-workers", 0, 5.0))
    found.append(Run("c", "ours", 1, Figures(stall=7.0)))
    document = results.document(found, False, stamp("abc"), {})
    table = tables.markdown(document, found)
    assert "| c | postfix | 10.0 ÷ 40.0 = 0.25 × | 7.00 |" in table
    assert "| c, 50 a transaction (ours-grouped) | postfix | 20.0 ÷ 40.0 = 0.50 × |  |" in table
    assert "| c | ours-workers | 10.0 ÷ 5.00 = 2.00 × | 7.00 ÷ – |" in table


def test_a_picture_is_the_same_for_the_same_figures(tmp_path: Path) -> None:
    found = runs(("ours", 0, 40.0), ("postfix", 0, 10.0), ("ours", 1, 30.0))
    found.append(Run("broken", "ours", 0, fault="no figures"))
    for name in ("a.svg", "b.svg"):
        plotting.draw(tmp_path / name, found)
    said = (tmp_path / "a.svg").read_text()
    assert said.startswith("<?xml") and "<!-- lpse-relay" in said and "<!--  4.00 -->" in said
    assert said == (tmp_path / "b.svg").read_text()


def test_a_fault_has_no_figures_and_stands_beside_the_rest(tmp_path: Path) -> None:
    found = [*runs(("ours", 0, 40.0), ("postfix", 0, 10.0)), Run("d", "ours", 0, fault="broken")]
    found.append(Run("d", "postfix", 0, Figures(delivered=3.0)))
    machine = keeping.machine(sides.PROGRAM)
    assert machine["python"].startswith(platform.python_version())
    kept: dict[str, Any] = {"machine": machine | {"load_after": 0.0}, "is_quick": True}
    kept |= {"when": "2026-11-29T00:00:00Z", "commit": "abc", "peers": "Postfix"}
    keeping.write(tmp_path / "r.json", kept | {"runs": [asdict(run) for run in found]})
    document, read = results.read(tmp_path / "r.json")
    assert read == found
    table = tables.markdown(document, read)
    assert "| case | against | delivered/s |\n" in table
    assert "| c | postfix | 40.0 ÷ 10.0 = 4.00 × |" in table
    assert "| d | postfix | – ÷ 3.00 |" in table
    assert "×4.00" in tables.text(read)
    assert f", {machine['cores']} cores," in table
    assert "\n\n2026-11-29, abc; " in table
    (tmp_path / "other.json").write_text('{"runs": [{}]}')
    with pytest.raises(ValueError, match=r"other\.json is no file of this bench"):
        results.read(tmp_path / "other.json")


def stamp(commit: str, load: float = 0.0) -> dict[str, Any]:
    of = {
        "cpu": "x",
        "cores": 2,
        "memory_gb": 1,
        "kernel": "6",
        "python": "3",
        "filesystem": "ext4",
    }
    of |= {"fsync_ms": 0.1, "load": load}
    return {"commit": commit, "peers": "Postfix 3", "machine": of}


def test_one_case_is_played_again_and_the_others_stay_with_their_commit() -> None:
    old = [Run(case, "ours", 0, Figures(delivered=1.0)) for case in ("1-many", "50-many")]
    first = results.document(old, False, stamp("abc"), {"ours": {"is_signed": True}})
    assert results.others(first, ["50-many"], "def") == {"1-many": "abc"}
    assert results.others(first, ["50-many"], "abc") == {}
    assert results.others(first, ["1-many", "50-many"], "def") == {}
    new = [Run("50-many", "ours", n, Figures(delivered=2.0)) for n in range(2)]
    both = results.document(new, False, stamp("def"), {"postfix": {}}, (first, old))
    assert [run["case"] for run in both["runs"]] == ["1-many", "50-many", "50-many"]
    assert {case: of["commit"] for case, of in both["played"].items()} == {
        "1-many": "abc",
        "50-many": "def",
    }
    assert both["medians"]["50-many"]["ours"]["delivered"] == 2.0
    assert set(both["proofs"]) == {"ours", "postfix"}
    said = tables.caption(both).split("\n\n")
    assert said[0].startswith("1-many: ") and ", abc; " in said[0] and "of 1," in said[0]
    assert said[1].startswith("50-many: ") and ", def; " in said[1] and "of 2," in said[1]


def test_a_file_of_another_commit_is_not_overwritten_unasked(tmp_path: Path) -> None:
    cases = {case.name: case for case in CASES}
    old = [Run(case, "ours", 0, Figures(delivered=1.0)) for case in ("1-many", "50-many")]
    file = tmp_path / "beside.json"
    assert main._kept(file, [cases["50-many"]], "def", False) is None
    keeping.write(file, results.document(old, False, stamp("abc"), {}))
    with pytest.raises(ValueError, match=r"another commit than def: 1-many \(abc\): --mixed"):
        main._kept(file, [cases["50-many"]], "def", False)
    kept = main._kept(file, [cases["50-many"]], "def", True)
    assert kept is not None and kept[1] == old


def test_what_the_marks_judge_of_the_runs() -> None:
    found = [
        Run("50-many", "ours", 0, Figures(delivered=40.0, stall=9.0, still=1.0)),
        Run("50-many", "postfix", 0, Figures(delivered=10.0)),
        Run("50-many", "ours-slow-disk", 0, Figures(delivered=30.0, stall=12.0, still=2.0)),
        Run("waiting", "ours", 0, Figures(room=6195.2)),
    ]
    told = results.figures(found)
    assert told["beside", "50-many", "delivered ÷ postfix"] == 4.0
    assert told["beside", "50-many", "delivered, ours-slow-disk ÷ ours"] == 0.75
    assert (told["beside", "worst", "stall"], told["beside", "worst", "still"]) == (12.0, 2.0)
    assert told["beside", "waiting", "room ÷ postfix"] == 0.5
    found.append(Run("waiting", "postfix", 0, Figures(room=24780.8)))
    assert results.figures(found)["beside", "waiting", "room ÷ postfix"] == 0.25


def test_cases_and_sides_are_chosen_by_name() -> None:
    assert chosen([], False) == list(CASES)
    quick = chosen([], True)
    assert 4 <= len(quick) < len(CASES)
    assert all(case.letters == case.quick for case in quick)
    (domains,) = chosen(["domains"], True)
    assert domains.domains == domains.letters * 10_000 // 20_000
    with pytest.raises(Unknown, match="1O-many: no such case; there are 1-many"):
        chosen(["1O-many"], False)
    with pytest.raises(Unknown, match="exim: no such side; there are ours"):
        sides.known(["exim"])


@pytest.mark.parametrize("case", ["plain", "one", "auth"])
def test_the_source_sends_all_and_times_each(case: str, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1") if case == "auth" else None
    users = {"spse": "rahasia-sekali-betul"} if case == "auth" else None
    with Listening(certificate=certificate, users=users) as server:
        order = Order(server.port, 3, 10, 2000, case == "one", 4, 2, case == "auth")
        report = sent(order)
        assert (report.accepted, len(report.waits), report.fault) == (10, 10, "")
        assert min(report.waits) > 0 and report.ended > report.began
        assert len(server.heard) == 10
        assert {r.partition("@")[2] for heard in server.heard for r in heard.recipients} == {
            f"d{n}.example.co.id" for n in range(4)
        }
        assert all(1800 < len(heard.content) <= 2000 for heard in server.heard)
        assert all(heard.is_encrypted == (case == "auth") for heard in server.heard)


def test_the_source_says_what_was_refused() -> None:
    with Listening(refused={"0vendor@d0.example.co.id": "550 5.1.1 no such user"}) as server:
        report = sent(Order(server.port, 1, 3, 2000))
        assert report.accepted == 0
        assert "550 5.1.1 no such user" in report.fault


def sent(order: Order) -> Report:
    words = [sys.executable, "-m", "tests.bench.beside.source", json.dumps(asdict(order))]
    done = subprocess.run(words, cwd=playing.ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return Report(**json.loads(done.stdout))


def test_the_sink_counts_what_comes_encrypted_and_nothing_else() -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with TlsSink() as sink, smtplib.SMTP(sink.address, sink.port, timeout=20) as client:
        with pytest.raises(smtplib.SMTPDataError, match="encrypt"):
            client.sendmail("a@example.net", ["b@example.net"], b"in the clear\r\n")
        client.starttls(context=context)
        for _ in range(3):
            client.sendmail("a@example.net", ["b@example.net"], b"Subject: x\r\n\r\n.dot\r\n")
        sink.await_messages(3)
        client.sendmail("a@example.net", ["b@example.net", "c@example.net"], b"to two\r\n")
        sink.await_messages(5)
        assert sink.messages() == 5


def test_cpu_and_memory_of_all_descendants_are_weighed(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    script = f'"$1" -c "{burn}" & "$1" -c "{burn}"; wait; echo done; read line'
    group = Group.made("test")
    with group.entered() if group else contextlib.nullcontext():
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", sys.executable],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    tree = Tree([process.pid])
    weights: list[Weight] = [tree, group] if group else [tree]
    for weight in weights:
        assert 0.55 <= weight.cpu() < 5
        assert process.pid in weight.processes()
        assert pss(weight.processes()) > 50
    process.communicate(b"\n", timeout=20)
    assert Tree([process.pid]).processes() == []
    if group:
        group.remove()
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / "a").write_bytes(bytes(8192))
    (tmp_path / "queue" / "search.db").write_bytes(bytes(65536))
    assert 8192 <= used(tmp_path / "queue", ("search.db",)) <= 8192 + 65536 // 4


@pytest.mark.timeout(300)
@pytest.mark.peer("postfix")
@pytest.mark.parametrize(
    "side", ["ours", "postfix", "ours-workers", "ours-slow-disk", "ours-grouped"]
)
def test_a_few_letters_through_each_side(side: str) -> None:
    case = replace(SMALL, recipients=60) if side == "ours-grouped" else SMALL
    figures = play(case, side, sides.key())
    assert figures.accepted and figures.delivered and figures.cpu and figures.memory
    assert figures.p50 and figures.p99 and figures.p50 <= figures.p99
    assert figures.room is None
    assert (figures.stall is None) == (figures.still is None) == (side == "postfix")


def test_the_slow_disk_holds_each_sync(tmp_path: Path) -> None:
    """In memory, where a sync is nothing: what there is of it is the library's."""
    try:
        preload = slow_disk.built(tmp_path)
    except slow_disk.NoCompiler as missing:
        pytest.skip(str(missing))
    memory = Path("/dev/shm")
    words = [sys.executable, "-c", SYNCS, str(memory if memory.is_dir() else tmp_path)]

    def seconds(**more: str) -> list[float]:
        env = {**os.environ, **more}
        done = subprocess.run(words, env=env, capture_output=True, check=True, timeout=60)
        return [float(word) for word in done.stdout.split()]

    # The least of three: on a busy machine one of them may be held up by others.
    plain, slow = (
        list(map(min, zip(*(seconds() for _ in range(3)), strict=True))),
        seconds(LD_PRELOAD=str(preload)),
    )
    assert len(plain) == len(slow) == 2
    for quick, held in zip(plain, slow, strict=True):
        assert held - quick >= 20 * slow_disk.MS / 1e3


class Wrong(SmtpSink):
    """A sink that has one letter too many."""

    def __init__(self) -> None:
        pass

    def await_messages(self, count: int, limit: float = 20) -> None:
        pass

    def messages(self) -> int:
        return 13


def test_a_count_that_is_not_exact_is_a_fault() -> None:
    world = Running(1, Tree([]), Path(), Path())
    with pytest.raises(Fault, match="13 recipients at the sink, and 12 were due"):
        Played(SMALL, world, Wrong()).send(SMALL, all_of_it).check()
    with pytest.raises(Fault, match="11 of 12 letters accepted: 421 closing"):
        Played(SMALL, world, Wrong()).send(SMALL, one_short)


def all_of_it(case: Case, port: int) -> Report:
    return Report(case.letters, 0, 1, [])


def one_short(case: Case, port: int) -> Report:
    return Report(case.letters - 1, 0, 1, [], "421 closing")
