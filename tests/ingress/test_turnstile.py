"""The turnstile: so many letters a client a minute, in bounded memory."""

from __future__ import annotations

from relay.ingress.turnstile import MOST_CLIENTS, Turnstile


def test_the_count_slides() -> None:
    turnstile = Turnstile(2)
    assert [turnstile.lets_in("192.0.2.1", at) for at in (0, 30, 59, 60, 61)] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert turnstile.lets_in("192.0.2.2", 61)
    assert turnstile.lets_in("odd", 61)


def test_a_client_has_a_whole_ipv6_network() -> None:
    turnstile = Turnstile(1)
    assert turnstile.lets_in("2001:db8::1", 0)
    assert not turnstile.lets_in("2001:db8::ffff", 0)
    assert turnstile.lets_in("2001:db8:0:1::1", 0)


def test_its_memory_is_bounded() -> None:
    turnstile = Turnstile(1)
    for n in range(MOST_CLIENTS + 5):
        assert turnstile.lets_in(f"c{n}", 0)
    assert len(turnstile._came) == MOST_CLIENTS
