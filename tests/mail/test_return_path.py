"""The return path's token: read back, the same on every retry, and refused in three ways."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import return_path
from relay.mail.address import parse
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.return_path import Refusal, ReturnPath, ReturnPathError, Token

KEY, OTHER = b"k" * 32, b"o" * 32
DOMAIN = "bounce.lpse.example.go.id"
AT = 1_317_712_260_123
PATH = ReturnPath([KEY], DOMAIN)
MESSAGES = st.integers(0, return_path.MAX_MESSAGE)
NUMBERS = st.integers(0, return_path.MAX_NUMBER)
MOMENTS = st.integers(0, 40_000 * DAY)


def refusal(path: ReturnPath, address: str, now: int = AT) -> Refusal:
    with pytest.raises(ReturnPathError) as raised:
        path.read(address, now)
    return raised.value.refusal


@given(MESSAGES, NUMBERS, MOMENTS, st.integers(0, 400 * DAY))
def test_it_is_read_back_at_any_age_of_the_letter(
    message_id: int, n: int, received_at: int, age: int
) -> None:
    now = received_at + age
    address = PATH.address(message_id, n, received_at, now)
    read = PATH.read(address, now)
    assert (read.message_id, read.n) == (message_id, n)
    assert 10 * DAY <= read.expires_at - now <= 30 * DAY + HOUR
    local = address.rpartition("@")[0]
    assert len(local) <= 64 and re.fullmatch(r"b\+[a-z2-7]+", local)
    assert str(parse(address)) == address
    assert return_path.is_of_our_form(local)


@given(MESSAGES, NUMBERS, MOMENTS, st.integers(0, 20 * DAY - 1))
def test_every_retry_has_the_same(message_id: int, n: int, received_at: int, later: int) -> None:
    first = PATH.address(message_id, n, received_at, received_at)
    assert PATH.address(message_id, n, received_at, received_at + later) == first
    # A clock that was set back changes nothing.
    assert PATH.address(message_id, n, received_at, received_at - later) == first


@given(st.data())
def test_no_two_deliveries_have_the_same(data: st.DataObject) -> None:
    one = data.draw(st.tuples(MESSAGES, NUMBERS))
    other = data.draw(st.tuples(MESSAGES, NUMBERS).filter(lambda pair: pair != one))
    assert PATH.address(*one, AT, AT) != PATH.address(*other, AT, AT)


@given(st.data())
def test_case_is_no_matter(data: st.DataObject) -> None:
    address = PATH.address(7, 1, AT, AT)
    folded = "".join(data.draw(st.sampled_from((c.lower(), c.upper()))) for c in address)
    assert PATH.read(folded, AT) == PATH.read(address, AT)
    assert PATH.read(folded + ".", AT).n == 1


def test_it_is_valid_for_thirty_days() -> None:
    address = PATH.address(7, 1, AT, AT)
    assert PATH.read(address, AT + 30 * DAY - 1) == Token(7, 1, AT + 30 * DAY - AT % HOUR + HOUR)
    assert refusal(PATH, address, AT + 30 * DAY + HOUR) is Refusal.EXPIRED


@given(st.integers(0, return_path.LETTERS - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_changed_letter_is_refused(at: int, letter: str) -> None:
    address = PATH.address(7, 1, AT, AT)
    place = len(return_path.PREFIX) + at
    changed = address[:place] + letter + address[place + 1 :]
    if changed != address:
        # The first octet says whose key it is: where that is changed, it is another relay's.
        wanted = {Refusal.FORGED} if at > 1 else {Refusal.FORGED, Refusal.FOREIGN}
        assert refusal(PATH, changed) in wanted


def test_a_second_spelling_is_forged() -> None:
    """44 letters have 4 bits more than 27 octets: they must be zero."""
    address = PATH.address(7, 1, AT, AT)
    local, _, domain = address.rpartition("@")
    last = return_path.LETTERS + len(return_path.PREFIX) - 1
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    other = letters[letters.index(local[last]) + 1]
    decoded = [base64.b32decode(text[2:].upper() + "====") for text in (local, local[:-1] + other)]
    assert decoded[0] == decoded[1]
    assert refusal(PATH, f"{local[:-1]}{other}@{domain}") is Refusal.FORGED


@pytest.mark.parametrize(
    "address",
    [
        "",
        "b+@" + DOMAIN,
        "fbl@" + DOMAIN,
        "b+" + "a" * 43 + "@" + DOMAIN,
        "b+" + "a" * 45 + "@" + DOMAIN,
        "b+" + "1" * 44 + "@" + DOMAIN,
        "aa" + "a" * 44 + "@" + DOMAIN,
        "b+b+" + "a" * 42 + "@" + DOMAIN,
        "b+" + "é" * 44 + "@" + DOMAIN,
        PATH.address(7, 1, AT, AT).replace(DOMAIN, "lpse.example.go.id"),
        PATH.address(7, 1, AT, AT).rpartition("@")[0],
        ReturnPath([OTHER], DOMAIN).address(7, 1, AT, AT),
    ],
)
def test_what_is_not_ours_is_foreign(address: str) -> None:
    assert refusal(PATH, address) is Refusal.FOREIGN


@given(st.text(max_size=80))
def test_any_text_is_refused_in_one_of_three_ways(text: str) -> None:
    assert refusal(PATH, f"{text}@{DOMAIN}") in set(Refusal)


def test_the_domain_is_signed_too() -> None:
    """The same key on another domain's relay makes no address of ours."""
    other = ReturnPath([KEY], "bounce.other.example.id").address(7, 1, AT, AT)
    assert refusal(PATH, f"{other.rpartition('@')[0]}@{DOMAIN}") is Refusal.FORGED


def test_a_key_is_changed_while_letters_are_under_way() -> None:
    both = ReturnPath([OTHER, KEY], DOMAIN)
    old, new = PATH.address(7, 1, AT, AT), both.address(7, 1, AT, AT)
    assert old != new
    assert both.read(old, AT) == both.read(new, AT)
    assert refusal(PATH, new) is Refusal.FOREIGN


def test_two_keys_of_one_name_are_both_tried() -> None:
    """The name of a key has 8 bits: two of three hundred keys share theirs."""
    named: dict[str, bytes] = {}
    for n in range(300):
        key = n.to_bytes(32, "big")
        path = ReturnPath([key], DOMAIN)
        name = path.address(7, 1, AT, AT)[2]
        first = base64.b32decode(path.address(7, 1, AT, AT)[2:46].upper() + "====")[:1]
        if (twin := named.setdefault(f"{name}{first!r}", key)) != key:
            break
    else:
        pytest.fail("no two names alike")
    both = ReturnPath([twin, key], DOMAIN)
    for one in (twin, key):
        assert both.read(ReturnPath([one], DOMAIN).address(9, 2, AT, AT), AT).message_id == 9


def test_bad_keys_and_numbers_are_named() -> None:
    for keys, words in (([], "a key is needed"), ([b"short"], "32 octets")):
        with pytest.raises(ValueError, match=words):
            ReturnPath(keys, DOMAIN)
    for message_id, n in ((-1, 0), (1 << 63, 0), (0, -1), (0, 1 << 24)):
        with pytest.raises(ValueError, match="no delivery has the numbers"):
            PATH.address(message_id, n, AT, AT)


def test_a_moment_far_off_still_has_an_address() -> None:
    assert PATH.read(PATH.address(1, 1, 1 << 50, 1 << 50), AT).message_id == 1
    assert refusal(PATH, PATH.address(1, 1, -100 * DAY, -100 * DAY)) is Refusal.EXPIRED


def test_a_held_letter_leaves_with_a_token_that_lives() -> None:
    """Renewed after twenty days, or it would leave with one that nothing can come back to."""
    address = PATH.address(7, 1, AT, AT + 29 * DAY)
    assert address != PATH.address(7, 1, AT, AT + MINUTE)
    assert PATH.read(address, AT + 45 * DAY).n == 1
