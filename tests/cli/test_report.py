"""`report`: addresses to correct, deliveries by day, follow-ups; tables, CSV, JSON."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Delivered, Expired, Outcome
from relay.mail.follow_up import FollowUp, Progress
from relay.mail.instant import HOUR, iso
from relay.mail.urgency import Urgency
from relay.reports import plot
from relay.store.base import Settlement
from tests.cli.house import Running, Site, run
from tests.store.letters import NO_USER, START, UNKNOWN, attempt
from tests.store.opening import opened

GONE = Bounced("550 no", Category.UNKNOWN_USER)
FULL = Expired("full", Category.MAILBOX_FULL)
DAY = iso(START + 7 * HOUR)[:10]  # in WIB


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def letter(site: Site, at: int, outcomes: dict[str, Outcome | None], **message: Any) -> None:
    """A letter to these, and what came of it; None: it waits."""
    entry = site.post.entry(tuple(outcomes), **message)
    domains = {to.rpartition("@")[2] for to in outcomes}

    async def run() -> None:
        async with opened(site.state) as store:
            await store.put(entry)
            made = []
            for one in await store.claim(sorted(domains), 100, at, at + 1000):
                outcome = outcomes[one.as_given]
                if outcome is None:
                    await store.give_back([one])
                    continue
                is_taken = isinstance(outcome, Delivered)
                refused: dict[str, Any] = {"reply": NO_USER, "classification": UNKNOWN}
                tried = attempt(one, stage=NO_USER.stage, **refused)
                made.append(Settlement(one, outcome, attempt(one) if is_taken else tried))
            await store.settle(made, at)

    asyncio.run(run())


@pytest.fixture
def told(site: Site) -> Site:
    """Three addresses that fail, one that took mail before, one that does again."""
    letter(site, START + 5_000, {"old@gmail.com": Delivered(), "fine@x.id": Delivered()})
    letter(
        site,
        START + 9_000,
        {"dead@gmail.com": GONE, "old@gmail.com": GONE, "healed@x.id": GONE, "=full@x.id": FULL},
        urgency=Urgency.TRANSAKSI,
    )
    letter(site, START + 20_000, {"dead@gmail.com": GONE, "healed@x.id": Delivered()})
    letter(site, START + 30_000, {"waits@x.id": None})
    return site


def test_addresses_to_correct(told: Site) -> None:
    answer = told.run("report", "addresses", "--json")
    assert answer.code == 0
    assert [(row["address"], row["wording"], row["missed"]) for row in answer.json] == [
        ("dead@gmail.com", "tidak terdaftar", 2),
        ("=full@x.id", "", 1),
        ("old@gmail.com", "tidak aktif", 1),
    ]
    first = answer.json[0]
    assert (first["category"], first["provider"]) == ("unknown_user", "gmail")
    assert first["first_failure_at"] == iso(START + 9_000)
    assert first["last_failure_at"] == iso(START + 20_000)
    assert (first["last_success_at"], first["state"]) == (None, "baru")
    assert first["said"] == "550 5.1.1 No such user here"
    assert answer.json[2]["last_success_at"] == iso(START + 5_000)
    whole = told.run("report", "addresses", "--all", "--json").json
    assert {row["address"] for row in whole} == {
        "dead@gmail.com",
        "=full@x.id",
        "old@gmail.com",
        "healed@x.id",
    }


def test_addresses_for_people_and_spreadsheets(told: Site) -> None:
    table = told.run("report", "addresses").out
    assert "tidak terdaftar" in table and "WIB" in table
    made = rows(told.run("report", "addresses", "--csv").out)
    assert [row["address"] for row in made] == ["dead@gmail.com", "'=full@x.id", "old@gmail.com"]
    assert made[0]["missed"] == "2"
    later = told.run("report", "addresses", "--since", "2030-01-01")
    assert (later.code, later.out) == (0, "no address needs to be corrected\n")


def test_deliveries(told: Site) -> None:
    words = ("report", "delivery", "--from", DAY, "--to", DAY)
    answer = told.run(*words, "--json")
    assert answer.code == 0
    total = answer.json["total"]
    assert (total["sent"], total["delivered"], total["failed"], total["waiting"]) == (9, 3, 5, 1)
    assert answer.json["zone"] == "WIB"
    by_all = {
        (row["provider"], row["class"], row["category"]): (row["sent"], row["failed"])
        for row in answer.json["rows"]
    }
    assert by_all == {
        ("gmail", "massal", None): (3, 0),
        ("gmail", "massal", "unknown_user"): (1, 1),
        ("gmail", "transaksi", "mailbox_full"): (1, 1),
        ("gmail", "transaksi", "unknown_user"): (3, 3),
        ("other", "massal", None): (1, 0),
    }
    assert {row["day"] for row in answer.json["rows"]} == {DAY}
    by_day = told.run(*words, "--by", "day", "--json").json["rows"]
    (line,) = by_day
    assert line["p50_s"] == pytest.approx(5, rel=0.05)
    assert line["p95_s"] == pytest.approx(20, rel=0.05)
    (row,) = rows(told.run(*words, "--by", "day", "--csv").out)
    assert (row["day"], row["sent"], row["delivered"], row["failed"]) == (DAY, "9", "3", "5")
    table = told.run(*words, "--by", "provider").out.splitlines()
    assert table[0].split()[:3] == ["provider", "sent", "delivered"]
    assert table[-1].split()[:3] == ["all", "9", "3"]


def test_no_deliveries(told: Site) -> None:
    answer = told.run("report", "delivery", "--from", "2001-01-01", "--to", "2001-01-31")
    assert answer.out == "no letter was accepted from 2001-01-01 to 2001-01-31\n"
    assert told.run("report", "delivery").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["delivery", "--from", "yesterday"], "--from: 'yesterday' is no day"),
        (["delivery", "--to", "2026-02-30"], "--to"),
        (["delivery", "--from", "2026-02-02", "--to", "2026-02-01"], "before 2026-02-02"),
        (["delivery", "--from", "1990-01-01", "--to", "2026-02-01"], "more than"),
        (["delivery", "--by", "hour"], "--by: 'hour'"),
        (["delivery", "--by", "day,day"], "each once"),
        (["delivery", "--csv", "--json"], "not both"),
        (["addresses", "--csv", "--json"], "not both"),
        (["addresses", "--since", "x"], "--since"),
        (["addresses", "--follow-up", "done"], "--follow-up: unknown state 'done'"),
        (["follow-up", "a@x.id", "--state", "done"], "--state: unknown state 'done'"),
    ],
)
def test_bad_usage(told: Site, words: list[str], said: str) -> None:
    answer = told.run("report", *words)
    assert answer.code == 2
    assert said in answer.err


def test_without_a_store_and_without_a_relay(site: Site) -> None:
    assert site.run("report", "addresses").code == 1
    assert "there is no store" in site.run("report", "delivery").err
    answer = site.run("report", "follow-up", "a@x.id", "--state", "baru")
    assert answer.code == 3


def test_follow_ups(relay: Running) -> None:
    site, store = relay.site, relay.house.store
    relay.do(store.put(relay.house.post.entry(("dead@gmail.com",))))
    words = ("report", "follow-up", "Dead@gmail.com", "--state", "sudah", "--note", "0812  Bu Ani")
    answer = site.run(*words, "--json")
    assert answer.code == 0
    assert (answer.json["before"], answer.json["state"]) == (None, "sudah dihubungi")
    assert answer.json["note"] == "0812 Bu Ani"
    (noted,) = relay.do(store.follow_ups()).values()
    assert (noted.address, noted.progress) == ("dead@gmail.com", Progress.CONTACTED)
    assert noted.who
    again = site.run("report", "follow-up", "dead@gmail.com", "--state", "selesai")
    assert again.out == "dead@gmail.com: sudah dihubungi → selesai\n"
    assert [audit[2:4] for audit in store.audits] == [("report.follow-up", "dead@gmail.com")] * 2
    assert store.audits[-1][5] == "sudah dihubungi → selesai"
    unknown = site.run("report", "follow-up", "nobody@x.id", "--state", "baru")
    assert (unknown.code, "no letter ever came" in unknown.err) == (1, True)
    long = site.run(
        "report", "follow-up", "dead@gmail.com", "--state", "baru", "--note", "x" * 1001
    )
    assert (long.code, "longer than 1000" in long.err) == (1, True)


def test_how_far_people_are_stands_in_the_report(told: Site) -> None:
    def note(progress: Progress, at: int) -> None:
        async def run() -> None:
            async with opened(told.state) as store:
                made = FollowUp("dead@gmail.com", progress, "=surat", "budi", at)
                await store.save_follow_up(made)

        asyncio.run(run())

    note(Progress.AWAITED, START)
    (row,) = told.run("report", "addresses", "--follow-up", "menunggu", "--json").json
    assert (row["address"], row["state"], row["note"]) == (
        "dead@gmail.com",
        "menunggu surat",
        "=surat",
    )
    assert (row["noted_by"], row["noted_at"]) == ("budi", iso(START))
    (line,) = rows(told.run("report", "addresses", "--follow-up", "menunggu", "--csv").out)
    assert line["note"] == "'=surat"
    note(Progress.DONE, START + 60_000)
    left = told.run("report", "addresses", "--json").json
    assert "dead@gmail.com" not in [row["address"] for row in left]
    note(Progress.DONE, START + 10_000)  # a letter failed after it
    first = told.run("report", "addresses", "--json").json[0]
    assert (first["address"], first["state"]) == ("dead@gmail.com", "baru")


def test_a_picture_needs_matplotlib(told: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    answer = told.run("report", "delivery", "--plot", str(told.folder / "a.png"))
    assert answer.code == 2
    assert "pip install 'lpse-relay[plot]'" in answer.err
    assert not (told.folder / "a.png").exists()


def test_a_picture(told: Site) -> None:
    pytest.importorskip("matplotlib")
    file = told.folder / "a.png"
    words = ("report", "delivery", "--from", DAY, "--to", DAY)
    assert told.run(*words, "--plot", str(file)).code == 0
    assert file.read_bytes().startswith(b"\x89PNG\r\n")
    answer = told.run(*words, "--plot", str(told.folder / "none" / "a.png"))
    assert (answer.code, "No such file or directory" in answer.err) == (1, True)


def test_help_names_the_reports() -> None:
    out = run("report", "--help").out
    assert "addresses" in out and "delivery" in out and "follow-up" in out


def test_more_than_are_told(told: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.service.reporting.MOST_FAILING", 2)
    assert "there are more" in told.run("report", "addresses").err
