"""Address lists: every mailbox counted, comments and groups opened, linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.mail.mailboxes import MAX_LIST, addresses


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        (" , ,", []),
        ("a@b.id", ["a@b.id"]),
        ("LPSE <a@b.id>", ["a@b.id"]),
        ('"LPSE, <x@y.id>" <a@b.id>', ["a@b.id"]),
        ('a@b.id, "X" <c@d.id> (note (e@f.id) \\) g@h.id), i@j.id', ["a@b.id", "c@d.id", "i@j.id"]),
        ("undisclosed-recipients:;", []),
        ("Panitia: a@b.id, c@d.id; , e@f.id", ["a@b.id", "c@d.id", "e@f.id"]),
        ("<a@b.id> <c@d.id>", ["a@b.id", "c@d.id"]),
        ("a@b.id <c@d.id>", ["c@d.id"]),
        ('"a b"@x.id', ['"a b"@x.id']),
        ("<@r.id,@s.id:a@b.id>", ["a@b.id"]),
        ('<"a>b"@x.id>', ['"a>b"@x.id']),
        ("<a@b.id(c)>", ["a@b.id"]),
        ("a(c)@b.id", ["a@b.id"]),
        ("a@[IPv6:::1], b@[192.0.2.1]", ["a@[IPv6:::1]", "b@[192.0.2.1]"]),
        ("a@b.id (c", ["a@b.id"]),
        ("<a@b.id", ["a@b.id"]),
        ("<>", [""]),
    ],
)
def test_what_is_found(value: str, found: list[str]) -> None:
    assert [str(one) for one in addresses(value)] == found


@pytest.mark.parametrize(
    ("value", "count"), [("LPSE", 1), ('"open a@b.id', 1), ("x, a@b@c.id", 2), ("a\\", 1), ("[", 1)]
)
def test_what_is_no_address_counts_and_stays_text(value: str, count: int) -> None:
    found = addresses(value)
    assert len(found) == count and all(isinstance(one, str) for one in found)


LOCAL = st.from_regex(r"\A[a-z]{1,8}\Z")


@given(st.lists(st.tuples(LOCAL, st.sampled_from(["{}", "N <{}>", '"a, b" <{}>', "({}) {}"]))))
def test_the_count_is_right(mailboxes: list[tuple[str, str]]) -> None:
    texts = [f"{local}@example.id" for local, _ in mailboxes]
    value = ", ".join(
        form.format(text, text) for text, (_, form) in zip(texts, mailboxes, strict=True)
    )
    assert [str(one) for one in addresses(value)] == texts


@given(st.text(alphabet='a@.,;:<>()[]\\" ', max_size=40))
def test_total(value: str) -> None:
    assert all(isinstance(one, (Address, str)) for one in addresses(value))


def test_four_thousand_names() -> None:
    value = ",\r\n ".join(f'"PT Vendor {n}" <v{n}@example{n % 50}.co.id>' for n in range(4000))
    begun = time.process_time()
    assert len(addresses(value)) == 4000
    assert time.process_time() - begun < 0.5  # 11 ms on a quiet machine


@pytest.mark.parametrize(
    "unit", ["(", "(a", '"', '"\\', "<", "<(a", "a,", "\\", "a@b,", "()", "[", ":", "é", '("', "<["]
)
def test_linear_on_hostile_lists(unit: str) -> None:
    value = unit * (1_000_000 // len(unit))
    begun = time.process_time()
    found = addresses(value)
    assert time.process_time() - begun < 2
    assert found[-1] == value[-len(found[-1]) :] if isinstance(found[-1], str) else True
    assert len(value) > MAX_LIST and len(found) >= 1
