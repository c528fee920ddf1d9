"""Files of addresses: every row is read or named, and none keeps another from being read."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.reports import cells
from relay.reports.listed import (
    COLUMNS,
    LONGEST,
    LONGEST_NAME,
    Broken,
    Given,
    NoList,
    Unread,
    from_csv,
    from_json,
)


def rows(text: str) -> list[Given | Broken | Unread]:
    return list(from_csv(text.splitlines(keepends=True)))


def test_rows_by_their_line() -> None:
    text = "address,reason,count,note\na@x.id,unknown_user,3,surat\n\nb@x.id,,,\n"
    assert rows(text) == [
        Given(2, {"address": "a@x.id", "reason": "unknown_user", "note": "surat"}),
        Given(4, {"address": "b@x.id", "reason": "", "note": ""}),
    ]


def test_as_excel_writes_it_here() -> None:
    assert rows("\ufeffAddress;Reason\r\na@x.id;complaint\r\n") == [
        Given(2, {"address": "a@x.id", "reason": "complaint"})
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("a@x.id", "1 cells, where line 1 names 2 columns"),
        ("a@x.id,b,c", "3 cells, where line 1 names 2 columns"),
        ('"a@x.id,b', "no CSV: unexpected end of data"),
        ('"a"x,b', "no CSV: ',' expected after '\"'"),
        ("a@x.id," + "x" * (LONGEST + 1), f"note: longer than {LONGEST} characters"),
        ("a@x.id," + "x" * 200_000, "no CSV: field larger than field limit (131072)"),
        ("a\udcff@x.id,b", "address: not UTF-8"),
    ],
)
def test_a_broken_row_is_named_and_the_rest_is_read(line: str, error: str) -> None:
    found = rows(f"address,note\nfirst@x.id,\n{line}\nlast@x.id,\n")
    assert [one.number for one in found if not isinstance(one, Unread)] == [2, 3, 4]
    assert found[1] == Broken(3, error)
    assert found[2] == Given(4, {"address": "last@x.id", "note": ""})


@pytest.mark.parametrize(
    ("column", "meant"),
    [("until", "until_at"), ("Reasons", "reason"), ("notes", "note"), ("last", "last_at")],
)
def test_a_column_that_is_nearly_one_is_no_other(column: str, meant: str) -> None:
    told = f"column '{column.lower()}' is unknown: did you mean {meant}"
    with pytest.raises(NoList, match=told):
        rows(f"address,{column}\na@x.id,x\n")
    with pytest.raises(NoList, match=f"(?i){told}"):
        list(from_json(json.dumps([{"address": "a@x.id"}, {column: "x"}])))


def test_what_is_not_read_is_named_first() -> None:
    row = Given(2, {"address": "a@x.id"})
    assert rows("address,telepon,count,kota\na@x.id,1,2,3\n") == [Unread(("telepon", "kota")), row]
    assert rows("address,count\na@x.id,2\n") == [row]
    long = "x" * 100_000
    found = list(from_json(json.dumps([{"address": "a@x.id", long: 1}, {long: 2}])))
    assert found[0] == Unread(("x" * LONGEST_NAME,))


@pytest.mark.parametrize("text", ["", "a@x.id\n", "reason,note\nx,y\n", "address,address\n"])
def test_a_file_without_its_names_is_none(text: str) -> None:
    with pytest.raises(NoList, match="line 1 names"):
        rows(text)


def test_json_rows_by_their_place() -> None:
    given = [{"address": "a@x.id", "count": 3, "until_at": None}, 7, {"address": 7}]
    assert list(from_json(json.dumps(given))) == [
        Given(1, {"address": "a@x.id"}),
        Broken(2, "no JSON object"),
        Broken(3, "address: a text is needed"),
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [("{", "no JSON: "), ("{}", "no JSON list"), ("[" * 100_000, "no JSON: ")],
)
def test_json_that_is_none(text: str, error: str) -> None:
    with pytest.raises(NoList, match=error):
        list(from_json(text))


# What talks to a terminal is escaped, and so comes back as its escape.
_QUIET = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"))


@given(st.lists(st.text(_QUIET, min_size=1, max_size=20), max_size=5))
def test_what_was_made_safe_for_a_spreadsheet_is_read_as_it_was(addresses: list[str]) -> None:
    out = io.StringIO()
    kept = [" ".join(one.replace("\0", "").split()) for one in addresses]
    kept = [one for one in kept if one.strip("'") and "'" not in one[:1]]
    cells.write(out, COLUMNS, [{"address": one, "note": "n"} for one in kept])
    found = rows(out.getvalue())
    assert [one.cells["address"] for one in found if isinstance(one, Given)] == kept


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (rows, lambda given: list(from_json(given))):
        with contextlib.suppress(NoList):
            assert all(isinstance(one, Given | Broken | Unread) for one in read(text))
