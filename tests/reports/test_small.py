"""Cells, spreads, groups: what the reports are made of."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.classification import Category
from relay.reports import cells, grouped
from relay.reports.grouped import Group
from relay.reports.lines import AddressLine, address_shape
from relay.reports.providers import by_host, by_route
from relay.reports.spread import SMALLEST, Spread
from tests.reports.logs import shipped


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_is_never_a_formula(sign: str) -> None:
    told = cells.safe(f"{sign}cmd|'/C calc'!A0")
    assert told == f"'{sign}cmd|'/C calc'!A0".replace("\r", "\n")


def test_other_cells_stay_as_they_are() -> None:
    assert [cells.safe(value) for value in (None, -3, 1.5, "a=b", "")] == [
        "",
        "-3",
        "1.5",
        "a=b",
        "",
    ]


def test_a_cell_talks_to_no_terminal() -> None:
    told = cells.safe("550 \x1b]0;x\x07 [/foo] \x9b31m \u202eevil\u2066 Jos\u00e9\tNo\r\nuser")
    assert told == r"550 \x1b]0;x\x07 [/foo] \x9b31m \u202eevil\u2066 " + "Jos\u00e9\tNo\nuser"


@given(st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_a_row_comes_back(texts: list[str]) -> None:
    out = io.StringIO(newline="")
    cells.write(out, ["a", "b"], [{"a": texts[0], "b": texts[1]}])
    rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert rows == [["a", "b"], [cells.safe(text) for text in texts]]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in rows[1])


@given(st.lists(st.floats(0.06, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 1.0]))
def test_quantiles_are_known_to_two_percent(values: list[float], share: float) -> None:
    spread = Spread()
    for value in values:
        spread.add(value)
    ordered = sorted(values)
    exact = ordered[max(0, -(-int(share * 100 * len(values)) // 100) - 1)]
    got = spread.quantile(share)
    assert got is not None
    near = [v for v in ordered if abs(got / v - 1) < 0.021]
    assert exact in near or any(abs(ordered.index(v) - ordered.index(exact)) <= 1 for v in near)


def test_quantiles_of_nothing_and_of_the_very_fast() -> None:
    spread = Spread()
    assert spread.quantile(0.5) is None
    spread.add(0.0)
    assert spread.quantile(0.95) == SMALLEST


def test_groups_fold_into_what_is_asked_for() -> None:
    groups = {
        (20511, "gmail", "massal", ""): Group(delivered=3),
        (20511, "gmail", "massal", "unknown_user"): Group(failed=1),
        (20512, "other", "kritis", "network"): Group(waiting=2),
    }
    by_day = grouped.lines(groups, ("day",))
    assert [
        (line.day, line.sent, line.delivered, line.failed, line.waiting) for line in by_day
    ] == [
        ("2026-02-27", 4, 3, 1, 0),
        ("2026-02-28", 2, 0, 0, 2),
    ]
    by_all = grouped.lines(groups)
    assert [(line.provider, line.urgency, line.category) for line in by_all] == [
        ("gmail", "massal", None),
        ("gmail", "massal", "unknown_user"),
        ("other", "kritis", "network"),
    ]
    assert grouped.total(groups.values()).sent == 6


def test_providers_by_who_answered() -> None:
    of = by_host(shipped())
    assert of("dinas.go.id", "aspmx.line.google.com") == "gmail"
    assert of("gmail.com", "") == "gmail"
    assert of("gmail.com", "smarthost.isp.id") == "gmail"
    assert of("cv.co.id", "mx.cv.co.id") == "other"
    named = by_route(shipped())
    assert named("dinas.go.id", "gmail") == "gmail"
    assert named("cv.co.id", "mx.cv.co.id") == "other"
    assert named("gmail.com", "") == "gmail"


@pytest.mark.parametrize(
    ("address", "category", "hint"),
    [
        ("budi@gmial.com", Category.BAD_DOMAIN, "budi@gmail.com"),
        ("budi@gmial.com", Category.MAILBOX_FULL, ""),
        ("budi@gmail.com", Category.UNKNOWN_USER, ""),
    ],
)
def test_what_may_have_been_meant(address: str, category: Category, hint: str) -> None:
    line = AddressLine(address, category, 0, 0, 1, None)
    assert line.hint == hint
    assert address_shape(line)["hint"] == hint
