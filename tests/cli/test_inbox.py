"""`inbox`: what a vendor's inbox holds, a letter as text and as octets, a link."""

from __future__ import annotations

import sys
from subprocess import run as run_program

import pytest

from relay.mail import ids
from tests.cli.house import Running, Site

KEYS = ["id", "received_at", "subject", "class", "state", "category", "read_at"]


def test_ls_has_the_fixed_shape_newest_first(site: Site) -> None:
    site.put("Vendor@gmail.com", subject="Satu")
    site.put("vendor@gmail.com", "other@gmail.com", subject="Dua")
    answer = site.run("inbox", "ls", "VENDOR@gmail.com", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert [list(row) for row in answer.json] == [KEYS] * 2
    assert [row["subject"] for row in answer.json] == ["Dua", "Satu"]
    assert answer.json[0]["read_at"] is None
    people = site.run("inbox", "ls", "vendor@gmail.com", "--limit", "1").out.splitlines()
    assert people[0].split() == ["id", "received", "class", "state", "category", "read", "subject"]
    assert len(people) == 2


def test_a_malformed_recipient_has_an_inbox_too(site: Site) -> None:
    site.put("Foo", subject="Undangan")
    assert [row["subject"] for row in site.run("inbox", "ls", "Foo", "--json").json] == ["Undangan"]


def test_show_is_text_and_escaped(site: Site) -> None:
    letter = site.put(
        "vendor@gmail.com",
        subject="Undangan",
        body=b"[bold]Yth.[/bold]\x1b[2J\tPenyedia\r\n\xe2\x80\xaekanan\r\n",
    )
    answer = site.run("inbox", "show", ids.show(letter))
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "From     no-reply@lpse.example.go.id"
    assert lines[1:4] == ["To       vendor@gmail.com", "Subject  Undangan", ""]
    assert lines[4] == "[bold]Yth.[/bold]\\x1b[2J    Penyedia"
    assert lines[5] == "\\u202ekanan"
    shown = site.run("inbox", "show", ids.show(letter, 1), "--json")
    assert list(shown.json) == ["id", "from", "to", "subject", "text", "attachments", "is_cut"]
    assert shown.json["id"] == ids.show(letter, 1)
    assert shown.out.isascii()


def test_raw_is_every_octet(site: Site) -> None:
    letter = site.put(
        "vendor@gmail.com", body=b"a\xff\x00\r\n", received=b"A: b\r\n\r\nthe \xfe same"
    )
    words = ("inbox", "raw", ids.show(letter), "--config", str(site.file))
    done = run_program([sys.executable, "-m", "relay", *words], capture_output=True, check=True)
    assert done.stdout.endswith(b"the \xfe same")
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("ls", "nobody@x.id"), 1, "no letter ever came for nobody@x.id"),
        (("ls", "foo"), 2, "not an address: 'foo'"),
        (("show", "0000000000001"), 1, "no letter 0000000000001"),
        (("raw", "0000000000001.1"), 1, "no letter 0000000000001.1"),
        (("show", "x"), 2, "not a letter's id: 'x'"),
        (("raw", "x"), 2, "not a letter's id: 'x'"),
        (("link", "vendor@gmail.com"), 3, "no relay answers"),
        (("ls", "a@x.id", "--limit", "0"), 2, "Invalid value for '--limit'"),
        (("ls",), 2, "Missing argument"),
    ],
)
def test_what_cannot_be(site: Site, words: tuple[str, ...], code: int, says: str) -> None:
    site.put("vendor@gmail.com")
    answer = site.run("inbox", *words)
    assert (answer.code, answer.out) == (code, "")
    assert says in answer.err


def test_a_link(site: Site, relay: Running) -> None:
    relay.do(relay.house.put("vendor@gmail.com"))
    answer = site.run("inbox", "link", "Vendor@gmail.com")
    assert answer.code == 0
    assert answer.out.startswith("http://127.0.0.1:8025/masuk?t=")
    assert answer.out.count("\n") == 1
    assert answer.err.startswith("good once, until 20")
    assert list(site.run("inbox", "link", "vendor@gmail.com", "--json").json) == ["url", "until"]
    nobody = site.run("inbox", "link", "nobody@gmail.com")
    assert (nobody.code, nobody.out) == (1, "")
    assert "no letter ever came for nobody@gmail.com" in nobody.err
    none = site.run("inbox", "link", "nobody")
    assert (none.code, none.err) == (2, "lpse-relay: not an address: 'nobody'\n")


def test_attachments_are_named(site: Site) -> None:
    letter = site.put(
        "vendor@gmail.com",
        received=b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nIsi.\r\n--b\r\n'
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
        b"\r\n%PDF\r\n--b--\r\n",
    )
    out = site.run("inbox", "show", ids.show(letter)).out
    assert out.endswith("Isi.\n[attached: a.pdf, application/pdf, 4 octets]\n")
