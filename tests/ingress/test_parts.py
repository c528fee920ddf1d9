"""The door's small parts: syntax, memory, ceiling, life, trace, content, trust."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.ingress import syntax, trace
from relay.ingress.answers import Refused
from relay.ingress.ceiling import WINDOW, Ceiling
from relay.ingress.content import HeadTooBig, Received, arrive, without
from relay.ingress.life import expires_at
from relay.ingress.memory import Memory
from relay.ingress.placing import unique
from relay.mail import dkim
from relay.mail.address import parse
from relay.mail.delivery import has_fixed_life
from relay.mail.envelope import Recipient, Source
from relay.mail.headers import Headers
from relay.mail.instant import DAY, HOUR
from relay.mail.urgency import Urgency
from relay.shaping.settings import LifeSettings
from tests.ingress.house import HOST, Log, policy


@given(st.text(max_size=60))
def test_a_recipient_is_taken_or_refused_with_a_reply(text: str) -> None:
    try:
        found = syntax.recipient(f"TO:<{text}>")
    except Refused as refused:
        assert refused.reply.code in (501, 555)
    else:
        assert (found.address is None) == (found.fault is not None)
        assert not set("\r\n\0") & set(found.as_given)


@given(st.binary(max_size=60))
def test_what_is_decoded_can_be_stored(octets: bytes) -> None:
    text = syntax.storable(syntax.decode(octets))
    assert text.encode("utf-8") == octets or text.encode("latin-1") == octets


def test_octets_that_are_no_utf8_make_no_address() -> None:
    found = syntax.recipient("TO:<" + syntax.decode(b"\xe9\xe8@example.co.id") + ">")
    assert found == Recipient("éè@example.co.id", None, "the address is not UTF-8")


@pytest.mark.parametrize(
    ("argument", "as_given", "has_address"),
    [
        ("TO:<a@example.co.id>", "a@example.co.id", True),
        ("to: a@example.co.id", "a@example.co.id", True),
        ("TO:a@example.co.id NOTIFY=NEVER", "a@example.co.id", True),
        ('TO:<"a b"@example.co.id>', '"a b"@example.co.id', True),
        ('TO:<"a> b"@example.co.id> NOTIFY=NEVER', '"a> b"@example.co.id', True),
        ("TO:<a@example.co.id", "<a@example.co.id", False),
        ("TO:<a>b@example.co.id>", "a>b@example.co.id", False),
        ('TO:<"a@example.co.id>', '"a@example.co.id', False),
        ("TO:<a@example.co.id,b@example.co.id>", "a@example.co.id,b@example.co.id", False),
        ("TO:a b", "a b", False),
        ("TO:", "", False),
        ("TO:<postmaster>", "postmaster", False),
        ("TO:<a@[192.0.2.1]>", "a@[192.0.2.1]", True),
    ],
)
def test_paths_of_recipients(argument: str, as_given: str, has_address: bool) -> None:
    found = syntax.recipient(argument)
    assert found.as_given == as_given
    assert (found.address is not None) == has_address


@pytest.mark.parametrize("argument", ["FROM:", "FROM", "", "FROM:a b@c", "FROM:<a> SIZE==1"])
def test_senders_that_are_none(argument: str) -> None:
    with pytest.raises(Refused) as refused:
        syntax.sender(argument)
    assert refused.value.reply.code in (501, 553)


async def test_memory_is_taken_in_turn_and_the_first_that_waits_may_go_on() -> None:
    memory = Memory(100)
    first, second, third = memory.share(), memory.share(), memory.share()
    await first.take(60)
    await second.take(40)
    done: list[str] = []

    async def take(name: str, share: object, size: int) -> None:
        await (first if share is first else third).take(size)
        done.append(name)

    # The first that finds no room is favoured: it goes on although the bound is reached.
    await take("first", first, 50)
    waiting = asyncio.ensure_future(take("third", third, 10))
    await asyncio.sleep(0)
    assert done == ["first"] and memory.used == 150
    with second:
        pass
    await asyncio.sleep(0)
    assert done == ["first"] and memory.used == 110
    with first:
        assert first.size == 110
    await waiting
    assert done == ["first", "third"] and memory.used == 10
    third.give_back()
    assert memory.used == 0 and third.size == 0


async def test_a_share_that_was_cancelled_while_it_waited_is_passed_over() -> None:
    memory = Memory(10)
    holder, favoured, gone = memory.share(), memory.share(), memory.share()
    await holder.take(10)
    await favoured.take(1)
    waiting = asyncio.ensure_future(gone.take(5))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    with holder, favoured:
        pass
    assert memory.used == 0
    await gone.take(5)
    assert memory.used == 5


def test_the_ceiling_slides() -> None:
    ceiling = Ceiling()
    assert ceiling.add(10, 0.2) == 10
    assert ceiling.add(5, 0.9) == 15
    assert ceiling.add(1, 100.0) == 16
    assert ceiling.add(1, WINDOW - 1) == 17
    assert ceiling.add(1, WINDOW + 0.5) == 3
    assert ceiling.add(0, 3 * WINDOW) == 0


def test_the_ceiling_remembers_what_came_before_a_restart() -> None:
    at = 1_700_000_000_000
    recent = [(at - HOUR // 2, 7), (at - 1_000, 3), (at - HOUR - 1_000, 100), (at + 5_000, 1)]
    for now in (5.0, 100_000.0):  # also where the machine has just started
        ceiling = Ceiling(recent, at, now)
        assert ceiling.add(1, now) == 12
        assert ceiling.add(0, now + WINDOW / 2 + 1) == 5
        assert ceiling.add(0, now + WINDOW + 1) == 0


@pytest.mark.parametrize(
    ("urgency", "deadline", "expected"),
    [
        (Urgency.KRITIS, None, DAY),
        (Urgency.KRITIS, 10 * DAY, DAY),
        (Urgency.MENDESAK, None, 3 * DAY),
        (Urgency.MENDESAK, 10 * DAY, 10 * DAY),
        (Urgency.MENDESAK, 2 * HOUR, DAY),
        (Urgency.TRANSAKSI, None, 5 * DAY),
        (Urgency.TRANSAKSI, 10 * DAY, 5 * DAY),
        (Urgency.MASSAL, None, 5 * DAY),
        (Urgency.MASSAL, 2 * DAY, 2 * DAY),
        (Urgency.MASSAL, -DAY, DAY),
    ],
)
def test_lives(urgency: Urgency, deadline: int | None, expected: int) -> None:
    now = 1_700_000_000_000
    deadline_at = None if deadline is None else now + deadline
    assert expires_at(urgency, deadline_at, now, LifeSettings()) == now + expected


def test_lives_follow_the_settings() -> None:
    life = LifeSettings(massal=timedelta(hours=1), at_least=timedelta(minutes=1))
    assert expires_at(Urgency.MASSAL, None, 0, life) == HOUR
    assert expires_at(Urgency.MASSAL, 5, 0, life) == 60_000


def source(ip: str = "192.0.2.7", helo: str = "x", tls: str | None = None) -> Source:
    return Source(ip, helo, tls, None, "l", True)


def test_the_trace_field() -> None:
    one = [Recipient("v@example.co.id", parse("v@example.co.id"))]
    field = trace.received(source(), True, False, HOST, 1 << 40, one, 0)
    assert field.raw == (
        b"Received: from x ([192.0.2.7])\r\n"
        b" by relay.lpse.example.go.id with ESMTP id 00000ZZZZZZZZ\r\n"
        b" for <v@example.co.id>;\r\n"
        b" Thu, 01 Jan 1970 00:00:00 +0000\r\n"
    ).replace(b"00000ZZZZZZZZ", field.raw.split(b" id ")[1].split(b"\r\n")[0])
    forged = source("2001:db8::1", "evil (x)\r\nBcc: a", "TLSv1.3")
    field = trace.received(forged, True, False, HOST, 1, one * 2, 0)
    assert field.raw.startswith(b"Received: from evil??x???Bcc:?a ([IPv6:2001:db8::1])\r\n by ")
    assert b"with ESMTPS id" in field.raw and b"for" not in field.raw
    assert Headers.parse(field.raw).fields == (field,)
    malformed = [Recipient("foo", None, "no @")]
    assert b" for" not in trace.received(source(), False, False, HOST, 1, malformed, 0).raw


@pytest.mark.parametrize(
    ("is_esmtp", "tls", "user", "is_smtputf8", "word"),
    [
        (False, None, None, False, "SMTP"),
        (True, None, None, False, "ESMTP"),
        (True, "TLSv1.3", None, False, "ESMTPS"),
        (True, "TLSv1.3", "u", False, "ESMTPSA"),
        (True, None, "u", True, "UTF8SMTPA"),
    ],
)
def test_the_word_behind_with(
    is_esmtp: bool, tls: str | None, user: str | None, is_smtputf8: bool, word: str
) -> None:
    here = Source("192.0.2.1", "x", tls, user, "l", True)
    assert trace.protocol(here, is_esmtp, is_smtputf8) == word


def test_a_clean_letter_keeps_its_octets() -> None:
    octets = b"Subject: a\r\n\r\nisi\r\n"
    arrived = arrive(octets)
    assert arrived.headers.to_bytes() + b"\r\n" + arrived.body == octets
    assert arrived.sha256 == hashlib.sha256(octets).digest()
    assert arrived.body_hash == dkim.hash_body(b"isi\r\n")
    content = arrived.content(arrived.headers, ())
    assert content.received is None and not content.is_8bit and content.size == len(octets)


def test_a_changed_body_keeps_the_octets_but_not_the_rivals() -> None:
    octets = b"Bcc: rival@example.com\r\nSubject: a\r\n\r\n\xc3\xa9\nb\r\n"
    arrived = arrive(octets)
    content = arrived.content(arrived.headers, ("Bcc",))
    assert content.received == b"Subject: a\r\n\r\n\xc3\xa9\nb\r\n"
    assert content.sha256 == hashlib.sha256(octets).digest()
    assert content.body == b"=C3=A9\r\nb\r\n" and not content.is_8bit
    assert content.body_hash == dkim.hash_body(content.body)
    assert arrived.content(arrived.headers, ("To",)).received == octets


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a: b", b".", b"\xe9"])).map(b"".join))
def test_whatever_comes_leaves_as_lines(octets: bytes) -> None:
    arrived = arrive(octets)
    whole = arrived.headers.to_bytes() + b"\r\n" + arrived.body
    assert whole.count(b"\r") == whole.count(b"\n") == whole.count(b"\r\n")
    assert whole.isascii()
    if arrived.raw is not None:
        assert without(arrived.raw, ("x",)) == octets


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Subject: a\r\n\r\nisi\r\n",
        b"Subject: a\r\n\r\nno newline at its end",
        b"Subject: a\r\n",
        b"\r\nno header\r\n",
        b"no header, no blank line\r\n",
        b"Subject: \xc3\xa9\r\n\r\nisi\r\n",
        b"Subject: a\r\n\r\n\xc3\xa9\r\n",
        b"Subject: a\n\nbare\n",
    ],
)
def test_what_was_received_stays_octet_for_octet_as_its_parts(octets: bytes) -> None:
    received = Received(octets)
    assert received.octets == octets
    received.became(arrive(octets))
    assert received.octets == octets


def test_newlines_at_the_seams_of_pieces() -> None:
    piece = 256 * 1024
    for filler in (b"\r\n", b"\n", b"\r", b"\r\r\n"):
        octets = b"\r\n" + b"x" * (piece - 3) + filler + b"y" * 10 + filler
        body = arrive(octets).body
        assert body.count(b"\r\n") == body.count(b"\r") == body.count(b"\n")


def test_a_header_over_a_megabyte_is_refused() -> None:
    with pytest.raises(HeadTooBig):
        arrive(b"X: a\r\n" * 200_000 + b"\r\n")


def test_each_mailbox_once_the_first_naming_of_it() -> None:
    texts = ["A@example.co.id", "b@example.co.id", "a@EXAMPLE.co.id"]
    found = unique(Recipient(text, parse(text)) for text in texts)
    assert [r.as_given for r in found] == texts[:2]


@pytest.mark.parametrize(
    ("ip", "is_trusted"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.9", True),
        ("2001:db8::5", True),
        ("fe80::1%eth0", False),
        ("192.0.2.1", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_trust(ip: str, is_trusted: bool) -> None:
    networks = (ip_network("127.0.0.0/8"), ip_network("2001:db8::/64"))
    assert policy(Log(), trusted_networks=networks).trusts(ip) == is_trusted


@pytest.mark.parametrize(
    ("urgency", "deadline_at", "expected"),
    [
        (Urgency.KRITIS, None, True),
        (Urgency.MENDESAK, None, False),
        (Urgency.MENDESAK, 1, True),
        (Urgency.TRANSAKSI, 1, False),
        (Urgency.MASSAL, None, False),
        (Urgency.MASSAL, 1, True),
    ],
)
def test_which_lives_are_fixed(urgency: Urgency, deadline_at: int | None, expected: bool) -> None:
    assert has_fixed_life(urgency, deadline_at) is expected
