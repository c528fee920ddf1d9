"""No smuggling: only CRLF.CRLF ends a letter, however it is cut into packets."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.smtpdata import stuff
from tests.ingress.house import Client, House, house

SMUGGLED = b"MAIL FROM:<lpse@lpse.example.go.id>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n"
ENDS = [
    *(a + b"." + z for a in (b"\n", b"\r", b"\r\n") for z in (b"\n", b"\r", b"\r\n")),
    b"\r\n.\r",
    b"\r\n.\n",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\r\n.\n",
    b"\r\n\r.\r\n",
    b"\r\n.\r\r\n",
    b"\n\n.\n\n",
    b"\r\n..\r\n",
    b"\r\n. \r\n",
]
NOT_ENDS = [end for end in ENDS if end != b"\r\n.\r\n"]


@pytest.mark.parametrize("end", NOT_ENDS, ids=repr)
async def test_what_looks_like_an_end_is_content(end: bytes) -> None:
    async with house() as here, here.client() as client:
        await client.begin()
        await client.say(b"\r\nfirst" + end + SMUGGLED + b"x\r\n.\r\nNOOP\r\n")
        assert (await client.hear()).startswith("250 2.0.0 queued")
        assert await client.hear() == "250 2.0.0 Ok"
        [letter] = here.store.letters
        body = letter.content.body
        assert b"RCPT TO:<victim@example.com>\r\n" in body
        # Nothing bare ever leaves.
        assert body.count(b"\n") == body.count(b"\r") == body.count(b"\r\n")
        assert [p.delivery.recipient for p in here.store.entries[0].placements] == [
            "vendor0@example.co.id"
        ]


@pytest.mark.parametrize("end", [e for e in NOT_ENDS if b"\r\n.." not in e and b". " not in e])
async def test_where_bare_newlines_are_refused_nothing_is_taken(end: bytes) -> None:
    async with house(bare_newlines="reject") as here, here.client() as client:
        await client.begin()
        await client.say(b"\r\nfirst" + end + SMUGGLED + b"x\r\n.\r\nNOOP\r\n")
        assert (await client.hear()).startswith("554 5.6.0")
        assert await client.hear() == "250 2.0.0 Ok"
        assert not here.store.letters


async def sent(here: House, client: Client, wire: bytes, cuts: list[int]) -> None:
    await client.begin()
    at = 0
    for cut in sorted({cut % (len(wire) + 1) for cut in cuts}):
        await client.say(wire[at:cut])
        at = cut
        await asyncio.sleep(0)
    await client.say(wire[at:])
    assert (await client.hear()).startswith("250 2.0.0 queued")
    assert await client.hear() == "250 2.0.0 Ok"


PIECES = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"a", b"\r\n.", b"\r\n..\r\n", b".\r\n", b"text"])
)


@settings(max_examples=40, deadline=None)
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_any_content_in_any_packets_arrives_octet_for_octet(
    pieces: list[bytes], cuts: list[int]
) -> None:
    content = b"".join(pieces) + b"\r\n"

    async def play() -> None:
        async with house() as here, here.client() as client:
            wire = stuff(b"Subject: x\r\n\r\n" + content) + b".\r\nNOOP\r\n"
            await sent(here, client, wire, cuts)
            assert here.store.letters[0].content.body == content

    asyncio.run(play())


@settings(max_examples=40, deadline=None)
@given(
    octets=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a"])).map(b"".join),
    cuts=st.lists(st.integers(0, 200), max_size=5),
)
def test_any_octets_make_one_letter_or_end_where_crlf_dot_crlf_stands(
    octets: bytes, cuts: list[int]
) -> None:
    head = b"Subject: x\r\n\r\n"
    wire = head + octets + b"\r\n.\r\n"
    end = wire.index(b"\r\n.\r\n") + 5

    async def play() -> None:
        async with house() as here, here.client() as client:
            await sent(here, client, wire[:end] + b"NOOP\r\n", cuts)
            assert len(here.store.letters) == 1
            body = here.store.letters[0].content.body
            assert body.count(b"\n") == body.count(b"\r") == body.count(b"\r\n")

    asyncio.run(play())
