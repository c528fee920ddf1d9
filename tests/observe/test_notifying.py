"""Alerts on their way: tries, digests, reloads and the end, with the loop never held up."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.mail.events import Alert, Paused, Resumed
from relay.observe import desk, notifying
from relay.observe.command import Command
from relay.observe.mailing import Host, Mailing
from relay.observe.metrics import Metrics
from relay.observe.notice import Message
from relay.observe.notifying import Notifying, Told
from relay.observe.ways import Carrier, Undelivered, Way
from relay.observe.webhook import Webhook
from tests.observe.examples import EVENTS, NOW
from tests.observe.peers import HOST, mail, message, web


@dataclass(eq=False)
class Noted:
    """A way that notes what it is given, after so many faults; it may be made to hang."""

    faults: list[Undelivered] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tries: int = 0
    hold: threading.Event | None = None
    to: str = "a note"

    def carry(self, message: Message) -> str:
        self.tries += 1
        if self.hold is not None:
            self.hold.wait(30)
        if self.faults:
            raise self.faults.pop(0)
        self.messages.append(message)
        return "noted"


@dataclass
class Counts:
    """What is counted, by way and outcome."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, way: str, outcome: str, count: int) -> None:
        self.seen[way, outcome] += count


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr(desk, "GATHER", 0)
    monkeypatch.setattr(notifying, "PARTING", 0.3)


def told(way: Way, label: str = "note", only: tuple[str, ...] = (), every: int = 3_600_000) -> Told:
    return Told(label, way, only, every)


@asynccontextmanager
async def going(*ways: Told, counts: Counts | None = None) -> AsyncIterator[Notifying]:
    running = Notifying(SystemClock(), counts or Counts(), delays=(0, 0))
    running.use(ways, HOST)
    running.start()
    try:
        yield running
    finally:
        await running.stop()


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.005)


async def test_the_three_events_reach_somebody() -> None:
    way = Noted()
    async with going(told(way)) as running:
        for event in EVENTS:
            running.on_event(event)
        await until(lambda: sum(one.count for one in way.messages) == 3)
    names = {row.name for one in way.messages for row in one.rows}
    kinds = [one for one in EVENTS if isinstance(one, Alert | Paused | Resumed)]
    assert len(names) == len(kinds) == 3
    assert {one.hostname for one in way.messages} == {HOST}


async def test_each_way_has_what_it_wants() -> None:
    pauses, rest = Noted(), Noted()
    ways = (told(pauses, "a", ("pause",)), told(rest, "b", ("!pause",)))
    async with going(*ways) as running:
        running.on_event(Paused(NOW, "gmail", "gmail", NOW, "421 x"))
        running.on_event(Alert(NOW, "low_disk", "5 octets"))
        await until(lambda: pauses.messages and rest.messages)
    assert [one.name for one in pauses.messages] == ["pause:gmail"]
    assert [one.name for one in rest.messages] == ["low_disk"]


async def test_three_tries_then_it_comes_again_as_a_digest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(desk, "AGAIN", (1,))
    way, counts = Noted([Undelivered(f"fault {n}") for n in range(4)]), Counts()
    async with going(told(way), counts=counts) as running:
        running.on_event(Alert(NOW, "low_disk", "x"))
        await until(lambda: way.tries >= 3)
        running.on_event(Alert(NOW, "blocked:gmail", "y"))
        await until(lambda: way.messages and running.shapes()[0]["waiting"] == 0)
    assert {row.name for one in way.messages for row in one.rows} == {"low_disk", "blocked:gmail"}
    assert counts.seen["note", "failed"] == 1
    assert counts.seen["note", "delivered"] == len(way.messages)
    said = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert ("ERROR", "alert low_disk by note (a note): fault 2") in said
    assert [level for level, _ in said].count("ERROR") == 1


async def test_what_is_lasting_is_not_tried_thrice() -> None:
    way = Noted([Undelivered("HTTP 404", is_lasting=True)])
    async with going(told(way)) as running:
        running.on_event(Alert(NOW, "low_disk", "x"))
        await until(lambda: running.shapes()[0]["failed"] == 1)
        shape = running.shapes()[0]
        assert (way.tries, shape["waiting"], shape["fault"]) == (1, 1, "HTTP 404")
        assert shape["fault_at"] is not None
    assert [one.name for one in way.messages] == ["low_disk"]  # the last word of the end


async def test_what_is_suppressed_is_counted_and_summed_up_at_the_end() -> None:
    way, counts = Noted(), Counts()
    async with going(told(way), counts=counts) as running:
        for n in range(10):
            running.on_event(Alert(NOW + n, "low_disk", f"{n} octets"))
            await until(lambda: way.messages)
        assert running.shapes()[0]["suppressed"] == 9
        assert running.shapes()[0]["waiting"] == 9
    assert counts.seen["note", "suppressed"] == 9
    assert [one.count for one in way.messages] == [1, 9]
    assert way.messages[-1].detail == "9 octets"


async def test_a_way_that_hangs_holds_up_nothing_and_no_other_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hanging, well = Noted(hold=threading.Event()), Noted()
    assert hanging.hold is not None
    loop = asyncio.get_running_loop()
    async with going(told(hanging, "hangs"), told(well, "well", every=0)) as running:
        began = time.process_time()  # a busy machine's other work is not ours
        for n in range(1_000):
            running.on_event(Alert(NOW, f"filter_failed:{n}", "x" * 2_000))
        assert time.process_time() - began < 5
        await until(lambda: well.messages and hanging.tries)
        assert sum(one.count for one in well.messages) == 1_000
        (shape,) = [one for one in running.shapes() if one["way"] == "hangs"]
        assert (shape["delivered"], shape["waiting"]) == (0, 1_000)  # what is being tried too
        ended = loop.time()
    assert loop.time() - ended < 30  # it does not wait for the one that hangs
    hanging.hold.set()
    assert "not told by hangs (a note): " in caplog.text


async def test_a_fault_of_our_own_costs_a_line_and_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    way = Noted()
    async with going(told(way)) as running:
        with monkeypatch.context() as patch:
            patch.setattr(notifying, "notice_of", broken)
            running.on_event(Alert(NOW, "low_disk", "x"))
        running.on_event(Alert(NOW, "low_disk", "y"))
        await until(lambda: way.messages)
    assert "an alert was not taken: Alert(" in caplog.text
    assert way.messages[0].detail == "y"


async def test_a_reload_keeps_what_waits(caplog: pytest.LogCaptureFixture) -> None:
    first, second, gone = Noted(hold=threading.Event()), Noted(), Noted(hold=threading.Event())
    assert first.hold is not None and gone.hold is not None
    async with going(told(first), told(gone, "gone")) as running:
        running.on_event(Alert(NOW, "low_disk", "x"))
        await until(lambda: first.tries and gone.tries)
        running.on_event(Alert(NOW, "blocked:gmail", "y"))
        running.use([told(second)], HOST)
        await until(lambda: sum(one.count for one in second.messages) == 2)
    first.hold.set()
    gone.hold.set()
    assert {row.name for one in second.messages for row in one.rows} == {
        "low_disk",
        "blocked:gmail",
    }
    assert "not told by gone, which is no more: blocked:gmail" in caplog.text


async def test_a_way_that_stays_goes_on() -> None:
    way, other = Noted(), Noted()
    async with going(told(way)) as running:
        running.on_event(Alert(NOW, "low_disk", "x"))
        await until(lambda: way.messages)
        running.use([told(way), told(other, "other")], "new.example.go.id")
        running.on_event(Alert(NOW, "low_disk", "x"))
        await until(lambda: other.messages)
        assert running.shapes()[0]["delivered"] == 1
        assert running.shapes()[0]["waiting"] == 1
    assert other.messages[0].hostname == "new.example.go.id"


async def test_what_comes_before_the_start_is_told_after_it() -> None:
    way = Noted()
    running = Notifying(SystemClock(), Counts())
    running.use([told(way)], HOST)
    running.on_event(Alert(NOW, "unsigned:a.id", "x"))
    running.start()
    await until(lambda: way.messages)
    await running.stop()


async def test_a_trial_goes_at_once_by_every_way_and_says_how_each_did() -> None:
    fault, counts = Undelivered("HTTP 500"), Counts()
    well, ill = Noted(), Noted([fault])
    async with going(told(well, "well", ("blocked",)), told(ill, "ill"), counts=counts) as running:
        one, two = await running.test("siti")
    assert (one["way"], one["to"], one["ok"], one["said"]) == ("well", "a note", True, "noted")
    assert (two["way"], two["ok"], two["said"]) == ("ill", False, "HTTP 500")
    assert ill.tries == 1
    assert well.messages[0].name == "test"
    assert counts.seen == {("well", "delivered"): 1, ("ill", "failed"): 1}


async def test_a_try_that_outlives_its_time_is_let_go_and_none_begun_beside_it() -> None:
    way = Noted(hold=threading.Event())
    assert way.hold is not None
    carrier = Carrier(way, limit=0.05)
    with pytest.raises(Undelivered, match=r"longer than 0\.05 s"):
        await carrier.carry(message())
    with pytest.raises(Undelivered, match="the try before has not ended"):
        await carrier.carry(message())
    assert way.tries == 1
    way.hold.set()
    await until(lambda: way.messages)

    async def again() -> str:
        while True:
            try:
                return await carrier.carry(message())
            except Undelivered:
                await asyncio.sleep(0.005)

    assert await asyncio.wait_for(again(), 20) == "noted"


async def test_whatever_a_library_raises_is_a_failed_try() -> None:
    class Odd:
        to = "odd"

        def carry(self, message: Message) -> str:
            raise ZeroDivisionError("nought")

    with pytest.raises(Undelivered, match="ZeroDivisionError: nought"):
        await Carrier(Odd()).carry(message())


async def test_all_three_real_ways_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A web server that fails twice, a program, a mail server: and the metric of each."""
    caplog.set_level(logging.INFO)
    program = tmp_path / "notify"
    program.write_text(f'#!/bin/sh\ncat >> {tmp_path}/told\necho "told $LPSE_ALERT_NAME"\n')
    program.chmod(0o755)
    metrics = Metrics((), lambda: 0)
    with web(answers=[500, 503, 200]) as server, mail() as box:
        ways = [
            told(Webhook(server.url, "a secret of ours"), "webhook"),
            told(Command((str(program),), SystemClock(), {"PATH": "/usr/bin:/bin"}), "command"),
            told(Mailing("ops@a.id", "relay@a.id", Host("127.0.0.1", box.port)), "mail"),
        ]
        running = Notifying(SystemClock(), metrics.alert_told, delays=(0, 0))
        running.use(ways, HOST)
        running.start()
        running.on_event(Paused(NOW, "gmail", "gmail", NOW, "550 5.7.1 vendor@gmail.com"))
        await until(lambda: all(one["delivered"] == 1 for one in running.shapes()))
        await running.stop()
        assert [len(server.requests), len(box.envelopes)] == [3, 1]
    assert len({body for _, _, body in server.requests}) == 1
    assert "v…@gmail.com" in box.letter().get_content()
    assert '"name":"pause:gmail"' in (tmp_path / "told").read_text()
    assert f"alert pause:gmail by command ({program}): exit 0: told pause:gmail" in caplog.text
    for way in ("webhook", "command", "mail"):
        labels = {"way": way, "outcome": "delivered"}
        assert metrics.registry.get_sample_value("lpse_alerts_total", labels) == 1
