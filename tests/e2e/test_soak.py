"""The short form of `make soak`: twelve seconds with each trouble, and all is as it was."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from pathlib import Path

import pytest

from relay.lab.internet import self_signed as lab_certificate
from tests.bench.soak import TROUBLES, soak
from tests.bench.soak_sides import DYING, QUICK, SLOW, Books, Peer
from tests.e2e.site import SENDER


@pytest.mark.timeout(300)
async def test_after_troubles_all_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    found = await soak(tmp_path, seconds=12, rate=20, warm=2)
    assert found["faults"] == {}
    assert found["grown"] == {}, (found["before"], found["after"])
    assert found["accepted"] > 100
    assert found["refused"] == 0
    assert set(found["troubles"]) == set(TROUBLES), found["troubles"]
    assert found["stall_ms"] > 0
    assert found["largest_queue"] > 20  # while all was paused


def test_the_books_see_what_is_missing_and_what_came_too_often() -> None:
    books = Books({(1, "a"), (2, "a"), (3, "a"), (4, "a")})
    books.taken.update([(2, "a"), (3, "a"), (3, "a"), (4, "a"), (4, "a")])
    books.unsaid.update([(3, "a")])
    assert books.faults() == {"missing": [(1, "a")], "twice": [(4, "a")], "clear": []}


@pytest.mark.parametrize(("domain", "is_fault"), [(QUICK[0], True), (SLOW, True), (DYING, False)])
async def test_a_letter_in_the_clear_is_a_fault_but_where_starttls_was_cut(
    domain: str, is_fault: bool
) -> None:
    books = Books()
    peer = Peer("quick", books, lab_certificate("mx.example.co.id"))
    port = await peer.start("127.0.0.1", 0)

    def send(is_encrypted: bool, number: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            if is_encrypted:
                client.starttls(context=ssl._create_unverified_context())
            client.sendmail(SENDER, [f"a@{domain}"], f"X-Number: {number}\r\n\r\n.\r\n")

    await asyncio.to_thread(send, True, 1)
    assert books.faults()["clear"] == []
    await asyncio.to_thread(send, False, 2)
    peer.stop()
    assert set(books.taken) == {(1, f"a@{domain}"), (2, f"a@{domain}")}
    assert books.clear == {(2, f"a@{domain}"): 1}
    assert books.faults()["clear"] == ([(2, f"a@{domain}")] if is_fault else [])
