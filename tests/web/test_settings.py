"""What the pages' settings are where nothing is said, and which of them are faults."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.web.guard import problems
from relay.web.settings import WebSettings


@pytest.mark.parametrize(
    ("listen", "base_url", "keys"),
    [
        ("127.0.0.1:8025", None, []),
        ("[::1]:8025", None, []),
        ("localhost:8025", None, []),
        ("127.0.0.1:8025", "http://127.0.0.1:8025", []),
        ("0.0.0.0:8025", "https://lpse.example.go.id/kotak", []),
        ("0.0.0.0:8025", None, ["base_url"]),
        ("192.0.2.1:8025", "http://lpse.example.go.id", ["base_url"]),
        ("[::]:8025", None, ["base_url"]),
        ("8025", None, ["listen"]),
        ("127.0.0.1:8025", "lpse.example.go.id", ["base_url"]),
        ("127.0.0.1:8025", "ftp://lpse.example.go.id", ["base_url"]),
        ("127.0.0.1:8025", "https://lpse.example.go.id/?x=1", ["base_url"]),
    ],
)
def test_a_bind_beyond_loopback_needs_https(
    listen: str, base_url: str | None, keys: list[str]
) -> None:
    found = problems(WebSettings(listen=listen, base_url=base_url))
    assert [key for key, _ in found] == keys


def test_settings_have_their_defaults() -> None:
    assert WebSettings().link_life == timedelta(minutes=15)
