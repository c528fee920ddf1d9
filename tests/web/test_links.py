from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.web.links import Link, Linker, LinkError, Scope, fresh, make, read
from tests.web.shelf import LINK_ID, NOW

OLD, NEW = b"o" * 32, b"n" * 32
JTI = b"j" * 16


def _token(**changed: object) -> str:
    values: dict[str, object] = {
        "keys": [NEW],
        "link_id": LINK_ID,
        "scope": Scope.LINK,
        "expires_at": NOW + 1000,
        "jti": JTI,
    }
    return make(**(values | changed))  # type: ignore[arg-type]


@given(st.binary(min_size=16, max_size=16), st.integers(NOW + 1, 2**62), st.sampled_from(Scope))
def test_what_was_made_is_read(link_id: bytes, expires_at: int, scope: Scope) -> None:
    token = make([NEW], link_id, scope, expires_at, JTI)
    assert read([NEW], token, scope, NOW) == Link(link_id, scope, expires_at, JTI)


def test_an_old_key_still_verifies() -> None:
    assert read([NEW, OLD], _token(keys=[OLD]), Scope.LINK, NOW).link_id == LINK_ID


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (_token(expires_at=NOW), "over"),
        (_token(scope=Scope.SESSION), "purpose"),
        (_token(keys=[b"x" * 32]), "signed"),
        ("", "length"),
        ("é", "length"),
        ("=" * 300, "length"),
        ("a" * 105, "base64"),
        ("!" * 104, "base64"),
        (_token()[:-4], "length"),
    ],
)
def test_what_is_not_good_is_refused(token: str, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        read([NEW], token, Scope.LINK, NOW)


@given(st.integers(0, 77), st.integers(1, 255))
def test_a_changed_octet_is_refused(at: int, flip: int) -> None:
    octets = bytearray(base64.urlsafe_b64decode(_token() + "=="))
    octets[at] ^= flip
    token = base64.urlsafe_b64encode(bytes(octets)).rstrip(b"=").decode()
    with pytest.raises(LinkError):
        read([NEW], token, Scope.LINK, NOW)


@given(st.text(max_size=200))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(LinkError):
        read([NEW], text, Scope.LINK, NOW)


def test_a_session_is_no_link() -> None:
    with pytest.raises(LinkError):
        read([NEW], _token(), Scope.SESSION, NOW)


@pytest.mark.parametrize("keys", [[], [b"short"]])
def test_a_weak_key_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        _token(keys=keys)


@pytest.mark.parametrize("changed", [{"link_id": b"x"}, {"jti": b"x" * 15}])
def test_ids_have_their_size(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="16 octets"):
        _token(**changed)


def test_a_linker_makes_urls_that_are_never_the_same() -> None:
    linker = Linker([NEW], "https://lpse.example.go.id/kotak/", 900_000)
    (url, until), (again, _) = linker.link(LINK_ID, NOW), linker.link(LINK_ID, NOW)
    assert url.startswith("https://lpse.example.go.id/kotak/masuk?t=")
    assert until == NOW + 900_000
    assert url != again
    assert read([NEW], url.partition("t=")[2], Scope.LINK, until - 1).link_id == LINK_ID


def test_names_are_random() -> None:
    assert len({fresh() for _ in range(100)}) == 100
