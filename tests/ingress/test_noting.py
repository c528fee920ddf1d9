"""Noting, by any sequence of reports: each kind once, one address, and no delivery moves."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.shipped import shipped_classifier
from relay.ingress.noting import Arrival, Noting
from relay.mail.delivery import Delivered
from relay.mail.ids import Ids
from relay.mail.instant import DAY
from relay.mail.late import TOLD, Kind
from relay.mail.report_reading import read
from relay.mail.return_path import ReturnPath
from relay.shaping.settings import LifeSettings
from relay.store.base import Settlement
from relay.store.memory import MemoryStore
from tests.ingress.house import HOST, Log
from tests.mail import reports
from tests.mail.reports import DOMAIN, KEY, VENDOR, wire
from tests.store.letters import START, Post, SteppingClock, attempt

OTHER = "other@example.co.id"
TEXTS = (
    reports.POSTFIX, reports.DELAYED, reports.QMAIL, reports.EXIM, reports.ARF, reports.VACATION,
    reports.GMAIL_WARNING, reports.JMRP,
    reports.POSTFIX.replace("Action: failed", "Action: relayed"),
    reports.ARF.replace("Feedback-Type: abuse", "Feedback-Type: virus"), "Subject: Tanya\n\nHalo\n",
)  # fmt: skip


async def play(order: list[tuple[int, int, bool]]) -> None:
    """Reports on two deliveries in any order, each to its own address or to fbl@."""
    store, clock, log, struck = MemoryStore(), SteppingClock(), Log(), list[str]()
    await store.put(Post().entry((VENDOR, OTHER)))
    both = await store.claim(["example.co.id"], 2, START, START + DAY)
    await store.settle([Settlement(one, Delivered(), attempt(one)) for one in both], START)
    (message_id,) = {one.message_id for one in both}
    before = await store.find(message_id)
    path = ReturnPath([KEY], DOMAIN)
    noting = Noting(
        store, path, shipped_classifier(), clock, Ids(), log.emit, log, struck.extend, HOST,
        LifeSettings(),
    )  # fmt: skip
    told: set[tuple[int, Kind]] = set()
    for which, n, is_direct in order:
        ours = path.address(message_id, n, START, START)
        to = VENDOR if n == 1 else OTHER
        letter = wire(TEXTS[which].replace(reports.OURS, ours).replace(VENDOR, to))
        report = read(letter)
        token = path.read(ours, START) if is_direct else None
        arrival = Arrival("192.0.2.9", "", ours if is_direct else f"fbl@{DOMAIN}")
        await noting.note(report, letter, token, arrival)
        if report.kind in TOLD and (is_direct or report.addresses):
            told.add((n, report.kind))
    found = await store.late_reports([(message_id, 1), (message_id, 2)])
    assert sorted((one.n, one.kind) for one in found) == sorted(told)
    assert await store.find(message_id) == before
    for n, address in ((1, VENDOR), (2, OTHER)):
        strikes = (await store.history(address)).strikes
        assert {one.ref for one in strikes} <= {(message_id, n)}
        kinds = sorted(one.source for one in strikes)
        wanted = {Kind.FAILED: "late", Kind.COMPLAINT: "complaint"}
        assert kinds == sorted(wanted[kind] for m, kind in told if m == n and kind in wanted)
        assert (address in struck) == bool(strikes)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(TEXTS) - 1), st.sampled_from((1, 2)), st.booleans()),
        max_size=8,
    )
)
def test_any_sequence_of_reports(order: list[tuple[int, int, bool]]) -> None:
    asyncio.run(play(order))
