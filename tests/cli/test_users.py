"""`users`: added with a password from a file or from standard input, listed, removed."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from relay.cli import users
from tests.cli.house import Running, Site


def _secret(relay: Running, name: str) -> str:
    account = relay.do(relay.house.store.account(name))
    assert account is not None
    return account.secret


def test_a_user_comes_and_goes(site: Site, relay: Running) -> None:
    added = site.run("users", "add", "spse", stdin="rahasia sekali\n")
    told = "user spse is saved; AUTH is not enabled yet: auth.enabled\n"
    assert (added.code, added.out) == (0, told)
    site.write("lab: true\nstate_dir: state\nauth: {enabled: true}\n")
    again = site.run("users", "add", "spse", stdin="rahasia sekali\n")
    assert (again.code, again.out) == (0, "password of spse changed\n")
    again = site.run("users", "add", "spse", "--json", stdin="rahasia sekali\n")
    assert again.json == {"name": "spse", "added": False, "changed": True}
    assert PasswordHasher().verify(_secret(relay, "spse"), "rahasia sekali")
    (row,) = site.run("users", "ls", "--json").json
    assert list(row) == ["name", "role", "changed_at"]
    assert site.run("users", "ls").out.splitlines()[1].startswith("spse  smtp  20")
    other = site.run("users", "add", "a.b_c@x-1", stdin="rahasia sekali\n")
    assert (other.code, other.out) == (0, "user a.b_c@x-1 is saved and may authenticate now\n")
    assert site.run("users", "rm", "a.b_c@x-1").code == 0
    gone = site.run("users", "rm", "spse", "--json")
    assert (gone.code, gone.json) == (0, {"name": "spse", "removed": True})
    again = site.run("users", "rm", "spse")
    assert (again.code, again.err) == (1, "lpse-relay: no user 'spse'\n")
    assert site.run("users", "ls", "--json").json == []


def test_a_password_from_a_file(site: Site, relay: Running) -> None:
    file = site.folder / "password"
    file.write_bytes(b"dari berkas ini\r\nbaris kedua\n")
    words = ("users", "add", "spse", "--password-file", str(file), "--json")
    assert site.run(*words).json == {"name": "spse", "added": True}
    assert PasswordHasher().verify(_secret(relay, "spse"), "dari berkas ini")


def test_a_short_password_only_for_who_knows(site: Site, relay: Running) -> None:
    assert site.run("users", "add", "spse", stdin="x\n").code == 2
    assert site.run("users", "add", "spse", "--i-know", stdin="x\n").code == 0
    assert PasswordHasher().verify(_secret(relay, "spse"), "x")


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("spse",), "", "a password may not be empty"),
        (("spse",), "\n", "a password may not be empty"),
        (("spse",), "x\n", "a password of 1 character is guessed: 12 or more, or --i-know"),
        (("spse",), "elevenchars\n", "a password of 11 characters is guessed"),
        (("",), "x\n", "'' is no name"),
        (("a b",), "twelve chars\n", "'a b' is no name: 1–64 of A-Z a-z 0-9 . _ @ -"),
        (("spse\n",), "twelve chars\n", "is no name"),
        (("a\x1b[1m",), "x\n", "is no name"),
        (("a" * 65,), "x\n", "is no name"),
        (("spse", "--password-file", "nowhere"), "x\n", "nowhere: No such file"),
        (("spse", "--password-file", "latin"), "x\n", "latin: not UTF-8"),
    ],
)
def test_what_cannot_be(
    site: Site, relay: Running, words: tuple[str, ...], stdin: str, says: str
) -> None:
    (site.folder / "latin").write_bytes(b"\xff\n")
    answer = site.run("users", "add", *words, stdin=stdin)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err
    assert "\x1b" not in answer.err
    assert relay.do(relay.house.store.accounts()) == []


@pytest.mark.parametrize("words", [("add", "a"), ("ls",), ("rm", "a")])
def test_no_relay_is_code_3(site: Site, words: tuple[str, ...]) -> None:
    assert site.run("users", *words, stdin="rahasia sekali\n").code == 3


@pytest.mark.parametrize(("second", "code"), [("rahasia sekali", 0), ("rahasai sekali", 2)])
def test_a_password_is_asked_for_twice(
    site: Site, relay: Running, monkeypatch: pytest.MonkeyPatch, second: str, code: int
) -> None:
    answers = iter(["rahasia sekali", second])
    monkeypatch.setattr(users, "_is_asked", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    answer = site.run("users", "add", "spse")
    assert answer.code == code
    assert ("not the same" in answer.err) is (code == 2)
    assert len(relay.do(relay.house.store.accounts())) == (code == 0)
