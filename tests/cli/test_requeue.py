"""`lpse-relay queue requeue`: a preview first, then the change, and how each ends."""

from __future__ import annotations

import pytest

from relay.mail.delivery import State
from tests.cli.house import Running, Site
from tests.service.test_requeueing import BLOCK, BOUNCE, ended

BLOCKED = ("--reason", "sender_blocked")


def test_a_preview_then_the_change(site: Site, relay: Running) -> None:
    one = relay.do(ended(relay.house, BLOCK, subject="Undangan [/foo] \x1b[31m\u202e"))
    relay.do(ended(relay.house, BOUNCE))
    preview = site.run("queue", "requeue", *BLOCKED)
    assert preview.code == 1
    assert preview.out.startswith("would requeue 1 delivery\n")
    assert "gmail.com" in preview.out
    assert "[/foo]" in preview.out
    assert "\x1b" not in preview.out
    assert "\u202e" not in preview.out
    assert "nothing was changed yet: say requeue again with --yes" in preview.out
    answer = site.run("queue", "requeue", *BLOCKED, "--json")
    assert (answer.code, answer.json["count"], answer.json["done"]) == (1, 1, False)
    done = site.run("queue", "requeue", *BLOCKED, "--yes", "--why", "blokir dicabut")
    assert (done.code, done.out) == (0, "1 delivery requeued\n")
    (row,) = relay.do(relay.house.store.find(one.message_id))
    assert row.delivery.state is State.READY
    again = site.run("queue", "requeue", *BLOCKED, "--yes", "--json")
    assert (again.code, again.json) == (1, {"moved": 0, "over": 0, "done": True})


def test_many_kinds_are_summed_up(site: Site, relay: Running) -> None:
    for n in range(22):
        relay.do(ended(relay.house, BLOCK, f"a@d{n:02}.example.id"))
    preview = site.run("queue", "requeue", *BLOCKED)
    assert "… and 2 more, of 2 other kinds" in preview.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name what is meant"),
        (("--reason", "salah kirim"), "--reason: 'salah kirim' is no cause"),
        (("--reason", "rule:"), "your own words go into --why"),
        (("--subject", " "), "--subject: the value is empty"),
        (("--message", "x"), "--message: not a letter's id"),
        (("--provider", "gmial"), "did you mean"),
        (("--since", "kemarin"), "lpse-relay: since 'kemarin': write 7d"),
    ],
)
def test_what_is_no_selector_ends_with_2(
    site: Site, relay: Running, words: tuple[str, ...], said: str
) -> None:
    relay.do(ended(relay.house, BOUNCE))
    answer = site.run("queue", "requeue", *words)
    assert answer.code == 2
    assert said in answer.err


def test_without_a_relay_it_ends_with_3(site: Site) -> None:
    assert site.run("queue", "requeue", *BLOCKED).code == 3
