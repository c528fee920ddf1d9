"""Misspelt domains: slips are found, real names are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.misspelt import KNOWN, domains, is_a_slip, meant


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("gmial.com", ("gmail.com",)),
        ("gamil.com", ("gmail.com",)),
        ("GMAIL.CON", ("gmail.com",)),
        ("gmail.co", ("gmail.com",)),
        ("gmaill.com", ("gmail.com",)),
        ("gmail.co.id", ("gmail.com",)),
        ("yaho.com", ("yahoo.com",)),
        ("yahooo.co.id", ("yahoo.co.id",)),
        ("yahoo.com", ("yahoo.co.id",)),
        ("yahoo.co.id", ("yahoo.com",)),
        ("hotmial.com", ("hotmail.com",)),
        ("gmail.com", ()),
        ("dinas.example.go.id", ()),
        ("mail.go.id", ()),
        ("example.com", ()),
        ("gmx.com", ()),
        ("", ()),
        ("g" * 1000 + "mail.com", ()),
    ],
)
def test_what_may_have_been_meant(written: str, expected: tuple[str, ...]) -> None:
    assert domains(written) == expected


def test_an_address_keeps_its_local_part() -> None:
    assert meant("Budi.S@gmial.com") == ("Budi.S@gmail.com",)
    assert meant("bukan alamat") == ()
    assert meant("v@dinas.example.go.id") == ()


@pytest.mark.parametrize(
    ("written", "is_one"),
    [
        ("abcd", False),
        ("abc", True),
        ("abcde", True),
        ("xabcd", True),
        ("abxd", True),
        ("acbd", True),
        ("bacd", True),
        ("abdc", True),
        ("badc", False),
        ("ab", False),
        ("abcdef", False),
        ("axcy", False),
        ("axcde", False),
        ("", False),
    ],
)
def test_one_slip_and_no_more(written: str, is_one: bool) -> None:
    assert is_a_slip(written, "abcd") is is_one


@given(st.text(max_size=60))
def test_any_text_gets_an_answer_of_known_names(text: str) -> None:
    assert set(domains(text)) <= set(KNOWN)
