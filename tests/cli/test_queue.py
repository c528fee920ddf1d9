"""`lpse-relay queue`: lists and letters, and the operator's changes with their exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from relay.control import ControlClient, Denied
from relay.mail import ids
from relay.mail.delivery import State
from relay.mail.instant import DAY
from relay.mail.urgency import Urgency
from relay.store.base import Selector
from tests.cli.house import Running, Site
from tests.store.letters import START, blocked, delivered

LISTED = [
    "id",
    "recipient",
    "sender",
    "subject",
    "class",
    "provider",
    "state",
    "tries",
    "due_at",
    "expires_at",
    "why",
    "category",
    "rule",
]
TRIED = [
    "mx",
    "ip",
    "tls",
    "stage",
    "code",
    "enhanced",
    "text",
    "category",
    "rule",
    "started_at",
    "took_ms",
]
YES = ("--yes", "--reason", "salah kirim")


# --- without a relay


def test_ls_reads_the_store_and_says_so(site: Site) -> None:
    first = site.put("a@gmail.com", "b@x.id", subject="Pengumuman")
    site.put("c@gmail.com", subject="Undangan", urgency=Urgency.MENDESAK)
    answer = site.run("queue", "ls", "--json")
    assert answer.code == 0
    assert "no relay answers at" in answer.err
    assert str(site.state) in answer.err
    assert list(answer.json) == ["total", "by_state", "by_provider", "deliveries"]
    assert answer.json["total"] == 3
    assert answer.json["by_state"] == {"ready": 3}
    assert answer.json["by_provider"] == {"gmail": 2, "other": 1}
    assert [list(row) for row in answer.json["deliveries"]] == [LISTED] * 3
    assert answer.json["deliveries"][0]["id"] == ids.show(first, 1)


@pytest.mark.parametrize(
    ("words", "recipients"),
    [
        (("--subject", "pengumuman"), "ab"),
        (("--subject", "*dang*"), "c"),
        (("--class", "mendesak"), "c"),
        (("--domain", "GMAIL.com"), "ac"),
        (("--provider", "gmail"), "ac"),
        (("--provider", "other"), "b"),
        (("--recipient", "B@x.id"), "b"),
        (("--in-state", "ready", "--class", "massal"), "ab"),
        (("--in-state", "held"), ""),
        (("--limit", "1"), "a"),
    ],
)
def test_ls_selects(site: Site, words: tuple[str, ...], recipients: str) -> None:
    site.put("a@gmail.com", "b@x.id", subject="Pengumuman")
    site.put("c@gmail.com", subject="Undangan", urgency=Urgency.MENDESAK)
    answer = site.run("queue", "ls", "--json", *words)
    assert answer.code == 0
    assert "".join(row["recipient"][0] for row in answer.json["deliveries"]) == recipients


def test_ls_for_people_is_never_cut_in_a_pipe(site: Site) -> None:
    long = "Pengumuman " * 30
    site.put("a@gmail.com", subject=long)
    site.put("b@gmail.com")
    answer = site.run("queue", "ls", "--limit", "1")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "in the queue: ready 2"
    assert lines[1] == "by provider: gmail 2"
    assert lines[2].split() == [
        "id", "recipient", "subject", "class", "provider", "state", "tries", "due", "why",
    ]  # fmt: skip
    assert long.strip() in lines[3]
    assert lines[4] == "… and 1 more (--limit)"


def test_an_empty_queue(site: Site) -> None:
    site.put("a@gmail.com", state=State.BOUNCED)
    answer = site.run("queue", "ls")
    assert (answer.code, answer.out) == (0, "in the queue: nothing\nby provider: nothing\n")


def test_show_has_one_shape_for_a_letter_and_a_recipient(site: Site) -> None:
    letter = site.put("a@gmail.com", "b@x.id", subject="Pengumuman")
    whole = site.run("queue", "show", ids.show(letter).lower(), "--json")
    assert whole.code == 0
    assert list(whole.json) == ["total", "by_state", "by_provider", "deliveries"]
    assert [list(row) for row in whole.json["deliveries"]] == [[*LISTED, "attempts"]] * 2
    one = site.run("queue", "show", ids.show(letter, 2), "--json")
    assert list(one.json) == list(whole.json)
    assert one.json["deliveries"] == whole.json["deliveries"][1:]


def test_show_of_what_is_not_there(site: Site) -> None:
    letter = site.put("a@gmail.com")
    for missing in (ids.show(1), ids.show(letter, 7)):
        answer = site.run("queue", "show", missing)
        assert answer.code == 1
        assert answer.err.endswith(f"lpse-relay: no letter {missing}\n")
        assert answer.out == ""


def test_a_foreign_subject_is_no_markup_and_no_escape_sequence(site: Site) -> None:
    subject = "[link=https://x.example]a[/link] \x1b[2J \u202egnirts \u200b\x9b1m"
    letter = site.put("a@gmail.com", subject=subject)
    for words in (("queue", "ls"), ("queue", "show", ids.show(letter))):
        answer = site.run(*words)
        assert answer.code == 0
        assert "[link=https://x.example]a[/link]" in answer.out
        assert "\\x1b[2J \\u202egnirts \\u200b\\x9b1m" in answer.out
        assert not {"\x1b", "\u202e", "\u200b", "\x9b"} & set(answer.out)
    assert site.run("queue", "ls", "--json").out.isascii()


@pytest.mark.parametrize(
    "words",
    [
        ("queue", "ls"),
        ("queue", "show", "0000000000001"),
        ("queue", "hold", "--domain", "x.id"),
        ("inbox", "ls", "a@x.id"),
        ("inbox", "show", "0000000000001"),
        ("inbox", "raw", "0000000000001"),
        ("inbox", "link", "a@x.id"),
        ("providers",),
        ("pause", "gmail", "--reason", "x"),
        ("users", "ls"),
    ],
)
def test_neither_relay_nor_store_is_code_3_and_state_is_spoken_of(
    site: Site, words: tuple[str, ...]
) -> None:
    answer = site.run(*words)
    assert (answer.code, answer.out) == (3, "")
    hint = f"; {site.state} does not exist: name the state directory with --state DIR\n"
    assert answer.err.endswith(hint)
    named = site.run(*words, "--state", str(site.folder / "nowhere"))
    assert (named.code, "--state" in named.err) == (3, False)


def test_no_store_is_named(site: Site) -> None:
    answer = site.run("queue", "ls", "--json")
    assert f"there is no store in {site.state}" in answer.err
    assert f"there is no store in {site.state}" in answer.json["error"]
    site.state.mkdir()
    assert "--state" not in site.run("queue", "ls").err


def test_a_broken_configuration_is_named_where_the_store_is_read(site: Site) -> None:
    site.put("a@gmail.com")
    site.write("lab: true\nstate_dir: state\nlimits:\n  gmail.com: fast\n  x.id: slow\n")
    answer = site.run("queue", "ls")
    assert answer.code == 2
    assert "relay.yaml:4: limits.gmail.com: not a rate" in answer.err
    assert "\nlpse-relay: " in answer.err  # each fault on a line of its own


def test_a_misspelt_provider_is_refused_at_rest_too(site: Site) -> None:
    site.put("a@gmail.com")
    answer = site.run("queue", "ls", "--provider", "gmial", "--json")
    assert answer.code == 2
    assert answer.json == {"error": "unknown provider 'gmial': did you mean gmail?"}


# --- with one


def test_ls_and_show_ask_the_relay(site: Site, relay: Running) -> None:
    entry = relay.do(relay.house.put("a@kampus.example.ac.id", subject="Undangan"))
    relay.do(relay.house.defer(entry))
    answer = site.run("queue", "ls", "--json", "--provider", "gmail")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json["by_provider"] == {"gmail": 1}
    assert [list(row) for row in answer.json["deliveries"]] == [LISTED]
    shown = site.run("queue", "show", ids.show(entry.message.id), "--json")
    assert (shown.code, shown.err) == (0, "")
    assert [list(one) for one in shown.json["deliveries"][0]["attempts"]] == [TRIED]
    people = site.run("queue", "show", ids.show(entry.message.id)).out
    assert "a@kampus.example.ac.id  waiting" in people
    assert "gmail-smtp-in.l.google.com[198.51.100.9]  TLSv1.3  connect" in people
    assert "no banner in 5 min  (81 ms)" in people


def test_show_says_which_attempt_came_after_a_block(site: Site, relay: Running) -> None:
    entry = relay.do(relay.house.put("a@gmail.com"))
    for settle in (blocked, delivered):
        (leased,) = relay.do(relay.house.store.claim(["gmail.com"], 1, START, START + 60_000))
        relay.do(relay.house.store.settle([settle(leased)], START))
        relay.do(relay.house.store.wake(START + DAY))
    shown = site.run("queue", "show", ids.show(entry.message.id)).out
    assert shown.count("    sent again after the block of ") == 1
    assert shown.index("(S3140)") < shown.index("sent again") < shown.index("250 ")


def test_a_relay_is_reached_while_relay_yaml_is_half_changed(site: Site, relay: Running) -> None:
    site.write("lab: true\nstate_dir: state\nlimitz: {gmail.com: fast}\n")
    assert site.run("queue", "ls").code == 0


def test_a_wrong_announcement_is_stopped_by_one_command(site: Site, relay: Running) -> None:
    relay.do(relay.house.put("a@gmail.com", "b@gmail.com", subject="Pengumuman salah"))
    relay.do(relay.house.put("c@gmail.com", subject="Undangan"))
    preview = site.run("queue", "hold", "--subject", "*salah*")
    assert preview.code == 1
    assert preview.out.startswith("would hold 2 deliveries\n")
    assert "a@gmail.com" in preview.out
    assert "c@gmail.com" not in preview.out
    assert preview.out.endswith("say hold again with --yes --reason '…'\n")
    assert _states(relay) == {State.READY: 3}
    done = site.run("queue", "hold", "--subject", "*salah*", *YES)
    assert (done.code, done.out) == (0, "2 deliveries held\n")
    assert _states(relay) == {State.READY: 1, State.HELD: 2}
    again = site.run("queue", "hold", "--subject", "*salah*", *YES)
    assert (again.code, again.out) == (1, "0 deliveries held (what is meant: 2 held already)\n")
    back = site.run("queue", "release", "--subject", "*salah*", *YES, "--json")
    assert (back.code, back.json) == (0, {"moved": 2, "in_flight": 0, "done": True})
    assert site.run("queue", "rm", "--subject", "*salah*", *YES).code == 0
    assert _states(relay) == {State.READY: 1}
    assert [row[2:5:2] for row in relay.house.store.audits] == [
        ("hold", "salah kirim"),
        ("release", "salah kirim"),
        ("remove", "salah kirim"),
    ]


def _states(relay: Running) -> dict[State, int]:
    return relay.do(relay.house.store.count(Selector()))


def test_a_preview_in_json(site: Site, relay: Running) -> None:
    for n in range(12):
        relay.do(relay.house.put(f"v{n}@gmail.com", subject="Salah"))
    answer = site.run("queue", "rm", "--subject", "salah", "--json")
    assert answer.code == 1
    assert list(answer.json) == ["count", "sample", "done"]
    assert (answer.json["count"], answer.json["done"]) == (12, False)
    assert [list(row) for row in answer.json["sample"]] == [LISTED] * 10
    assert "… and 2 more" in site.run("queue", "rm", "--subject", "salah").out


@pytest.mark.parametrize(
    ("what", "would", "did"),
    [
        ("hold", "hold", "held"),
        ("release", "release", "released"),
        ("retry", "retry", "set to be tried now"),
        ("rm", "cancel", "cancelled"),
    ],
)
def test_nothing_done_is_code_1(
    site: Site, relay: Running, what: str, would: str, did: str
) -> None:
    why = "(nothing in the queue is meant)"
    answer = site.run("queue", what, "--domain", "nowhere.example", *YES)
    assert (answer.code, answer.out) == (1, f"0 deliveries {did} {why}\n")
    preview = site.run("queue", what, "--domain", "nowhere.example")
    assert (preview.code, preview.out) == (1, f"would {would} 0 deliveries {why}\n")


@pytest.mark.parametrize(("what", "did"), [("hold", "held"), ("rm", "cancelled")])
def test_what_is_in_flight_makes_it_done_in_part(
    site: Site, relay: Running, what: str, did: str
) -> None:
    relay.do(relay.house.put("a@gmail.com", "b@gmail.com"))
    relay.do(relay.house.lease("gmail.com"))
    answer = site.run("queue", what, "--domain", "gmail.com", *YES)
    assert answer.code == 1
    assert answer.out == (
        f"1 delivery {did}\n1 delivery being sent at this moment: {did} when its try is over,"
        " unless it is delivered\n"
    )


def test_what_is_in_flight_is_no_fault_of_a_retry(site: Site, relay: Running) -> None:
    entry = relay.do(relay.house.put("a@gmail.com"))
    relay.do(relay.house.defer(entry))
    relay.do(relay.house.put("b@gmail.com"))
    relay.do(relay.house.lease("gmail.com"))
    answer = site.run("queue", "retry", "--domain", "gmail.com", *YES, "--json")
    assert (answer.code, answer.json) == (0, {"moved": 1, "in_flight": 1, "done": True})


def test_a_change_needs_a_relay(site: Site) -> None:
    site.put("a@gmail.com")
    answer = site.run("queue", "hold", "--domain", "gmail.com", *YES)
    assert (answer.code, answer.out) == (3, "")
    assert f"no relay answers at {site.state}/run/control.sock" in answer.err


def test_a_misspelt_provider_is_refused(site: Site, relay: Running) -> None:
    relay.do(relay.house.put("a@gmail.com"))
    for words in (("ls",), ("hold", *YES), ("hold",)):
        answer = site.run("queue", *words, "--provider", "gmial")
        assert answer.code == 2
        assert "unknown provider 'gmial'" in answer.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("hold",), "hold: name what is meant: --message, --subject"),
        (("hold", "--yes", "--reason", "x"), "hold: name what is meant"),
        (("rm", "--domain", "x.id", "--yes"), "rm: --reason is needed"),
        (("rm", "--domain", "x.id", "--yes", "--reason", " "), "rm: --reason is needed"),
        (("rm", "--subject", "", *YES), "--subject: the value is empty"),
        (("ls", "--domain", " "), "--domain: the value is empty"),
        (("ls", "--in-state", "bounced"), "--in-state: unknown state 'bounced': one of ready"),
        (("ls", "--class", "urgent"), "--class: unknown class 'urgent': one of kritis"),
        (("ls", "--message", "42"), "--message: not a letter's id: '42'"),
        (("ls", "--domain", "a b"), "--domain: there is a space in the domain"),
        (("show", "42"), "not a letter's id: '42'"),
        (("show", "0000000000000.x"), "not a recipient's number after the dot"),
        (("ls", "--limit", "0"), "Invalid value for '--limit'"),
        (("ls", "--limit", "many"), "Invalid value for '--limit'"),
        (("lst",), "No such command 'lst'"),
        (("ls", "--jsn"), "No such option: --jsn"),
        (("show",), "Missing argument 'id'"),
    ],
)
def test_bad_usage_is_code_2_and_plain(site: Site, words: tuple[str, ...], says: str) -> None:
    answer = site.run("queue", *words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err
    assert not {"\x1b", "╭", "│"} & set(answer.err)


def test_who_may_not_reach_the_socket_is_not_told_that_no_relay_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: ControlClient, request: bytes) -> bytes:
        raise Denied("run/control.sock: only root and the relay's own user may control it")

    monkeypatch.setattr(ControlClient, "_ask", denied)
    for words in (("queue", "ls"), ("queue", "show", "0000000000001"), ("providers",)):
        answer = site.run(*words)
        assert (answer.code, answer.out) == (3, "")
        assert answer.err.endswith("only root and the relay's own user may control it\n")


def test_a_broken_file_does_not_keep_an_operator_from_the_relay(site: Site, relay: Running) -> None:
    site.write("a: [\n")
    assert site.run("queue", "ls").code == 2
    assert site.run("queue", "ls", "--state", str(site.state)).code == 0
    paused = site.run("pause", "--all", "--reason", "x", "--state", str(site.state))
    assert paused.code == 0


AT_REST = """
import sys
from relay.cli import queue
from relay.config import limits, written
from relay.service import offline
wrong = {"re2", "relay.replies", "relay.shaping.shaper", "relay.shaping.base", "relay.mail.events"}
wrong |= {"relay.service.suppressing", "relay.scheduler", "cryptography", "rich", "aiosmtpd"}
print(*sorted(wrong & set(sys.modules)))
"""


def test_a_listing_at_rest_loads_no_more_than_it_needs() -> None:
    """A third of a second of a command is its imports."""
    done = subprocess.run(
        [sys.executable, "-c", AT_REST], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
