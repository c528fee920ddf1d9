"""The header that leaves: filters first, the signature last, nothing changed after it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.clock import SystemClock
from relay.filters.base import Departure
from relay.mail.delivery import FailureKind
from relay.mail.dkim import Key, dns_record, load_key
from relay.mail.envelope import Particulars
from relay.mail.headers import Headers
from relay.transports.base import Job
from relay.transports.departure import Departures
from tests.transports.house import BODY, HEAD, House, job, to
from tests.transports.peer import GOODBYE, Peer, hello, letter

DOMAIN = "lpse.example.go.id"


@pytest.fixture(scope="module")
def key() -> Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return load_key(pem, DOMAIN, "s1")


async def stamped(departure: Departure) -> Headers:
    return departure.headers.add("X-Copy", departure.delivery.ref)


@pytest.mark.parametrize("is_threaded", [False, True])
async def test_what_arrives_verifies_and_is_what_the_attempt_keeps(
    key: Key, is_threaded: bool
) -> None:
    async with Peer([*hello(), *letter(), *GOODBYE]) as peer:
        house = House(keys={DOMAIN: key}, depart=stamped)
        took: list[float] = []
        executor = ThreadPoolExecutor(1) if is_threaded else None
        house.departures._executor = executor
        house.departures._on_signed = took.append
        what = job(to(peer))
        attempt = await house.attempt(what)
        await house.close()
        arrived = peer.heard[0].contents[0]
    if executor is not None:
        executor.shutdown()
    assert attempt.sent_head is not None
    assert arrived == attempt.sent_head + b"\r\n" + BODY
    assert attempt.sent_head.endswith(b"X-Copy: %b\r\n" % what.deliveries[0].ref.encode() + HEAD)
    record = dns_record(key).encode()
    assert dkim.verify(arrived, dnsfunc=lambda name, timeout=5: record)
    assert len(took) == 1 and 0 < took[0] < 1


@pytest.mark.parametrize("domain", [None, "other.example.go.id", "[192.0.2.1]", "not a domain"])
async def test_without_a_key_it_goes_unsigned(domain: str | None, key: Key) -> None:
    departures = Departures(stamped, {DOMAIN: key}, SystemClock())
    head = await departures.head(job(to(), particulars=Particulars(from_domain=domain)))
    assert b"DKIM-Signature" not in head and b"X-Copy" in head


async def test_keys_are_swapped_as_a_whole(key: Key) -> None:
    departures = Departures(stamped, {}, SystemClock())
    what = job(to())
    assert b"DKIM-Signature" not in await departures.head(what)
    departures.keys = {DOMAIN: key}
    assert b"DKIM-Signature" in await departures.head(what)


async def test_an_odd_line_is_mended_before_it_leaves(key: Key) -> None:
    departures = Departures(stamped, {DOMAIN: key}, SystemClock())
    head = await departures.head(job(to(), head=HEAD + b"no field at all\r\n"))
    assert b"\r\nX-LPSE-Original-Line: no field at all\r\n" in head


async def test_filters_know_the_provider_and_how_many_go_there() -> None:
    seen: list[Departure] = []

    async def depart(departure: Departure) -> Headers:
        seen.append(departure)
        return departure.headers

    await Departures(depart, {}, SystemClock()).head(job(to(), recipients=60))

    async def counting(job: Job) -> int:
        return 21

    counted = Departures(depart, {}, SystemClock(), siblings_of=counting)
    await counted.head(job(to(), recipients=60))
    assert [departure.siblings_at_provider for departure in seen] == [60, 21]
    assert seen[0].provider is None


@pytest.mark.parametrize("fault", ["filter", "signature"])
async def test_our_own_failure_sends_nothing_and_keeps_the_session(fault: str, key: Key) -> None:
    failing = True

    async def depart(departure: Departure) -> Headers:
        if failing and fault == "filter":
            raise RuntimeError("out of order")
        return departure.headers if not failing else departure.headers.add("From", "b@c.example")

    async with Peer([*hello(), *letter(), *GOODBYE]) as peer:
        house = House(keys={DOMAIN: key}, depart=depart)
        attempt = await house.attempt(job(to(peer)))
        assert attempt.failure is not None and attempt.failure.kind is FailureKind.SIGNING
        assert house.permits.admitted == 0
        failing = False
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 1


async def test_the_stores_failure_is_raised_and_the_connection_closed() -> None:
    async with Peer([*hello()]) as peer:
        house = House()
        house.bodies.clear()
        with pytest.raises(KeyError):
            await house.attempt(job(to(peer)))
        await house.all_gone()
    assert house.permits.admitted == 0


async def test_a_delivery_leaves_with_a_sender_of_its_own(key: Key) -> None:
    """In MAIL, and in a field that is signed: Return-Path is often lost."""
    async with Peer([*hello(), *letter(), *GOODBYE]) as peer:
        house = House(keys={DOMAIN: key})
        house.departures._sender_of = lambda job: f"b+{job.deliveries[0].n}@bounce.example"
        what = job(to(peer))
        attempt = await house.attempt(what)
        await house.close()
        heard = peer.heard[0]
    (mail,) = [line for line in heard.lines if line.startswith("MAIL FROM:")]
    # Where DSN is offered only the header comes back: we know the letter.
    assert mail.startswith("MAIL FROM:<b+0@bounce.example> ") and " RET=HDRS" in mail
    assert attempt.sent_head is not None
    assert b"\r\nX-LPSE-Return-Path: b+0@bounce.example\r\n" in attempt.sent_head
    signature = attempt.sent_head.partition(b"; b=")[0].lower()
    assert b"x-lpse-return-path" in signature


async def test_the_empty_sender_stays_empty() -> None:
    departures = Departures(stamped, {}, SystemClock(), sender_of=lambda job: "b+x@bounce.example")
    what = job(to(), sender="")
    assert departures.sender(what) == ""
    assert b"X-LPSE-Return-Path" not in await departures.head(what)
