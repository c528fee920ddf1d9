"""A webhook against a real web server: signed, never redirected, its faults in words."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket

import pytest

from relay.observe import webhook
from relay.observe.ways import Undelivered
from relay.observe.webhook import SIGNATURE, Webhook
from tests.ingress import tls
from tests.observe.peers import HOST, message, web


def test_a_post_of_json_with_its_signature() -> None:
    with web() as server:
        assert Webhook(server.url, "a long secret").carry(message()) == "HTTP 204"
    ((path, headers, body),) = server.requests
    assert path == "/hooks/t0ken?key=s3cret"
    assert headers["Content-Type"] == "application/json"
    expected = hmac.new(b"a long secret", body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"sha256={expected}"
    shape = json.loads(body)
    assert (shape["name"], shape["severity"]) == ("pause:gmail", "warning")
    assert (shape["hostname"], shape["detail"]) == (HOST, "421 4.7.28 too fast")
    assert shape["at"] == "2011-10-04T07:11:00.000Z"


def test_without_a_secret_nothing_is_signed() -> None:
    with web() as server:
        Webhook(server.url).carry(message())
    assert SIGNATURE not in server.requests[0][1]


@pytest.mark.parametrize(
    ("code", "is_lasting"),
    [(400, True), (401, True), (404, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_what_is_worth_another_try(code: int, is_lasting: bool) -> None:
    with (
        web(answers=[code], body=b"no channel of that name") as server,
        pytest.raises(Undelivered, match=f"^HTTP {code}: no channel of that name$") as caught,
    ):
        Webhook(server.url).carry(message())
    assert caught.value.is_lasting is is_lasting


def test_a_redirect_is_not_followed_and_said() -> None:
    with web() as other, web(answers=[302], headers={"Location": other.url}) as server:
        with pytest.raises(Undelivered, match=r"HTTP 302: it redirects .*not followed") as caught:
            Webhook(server.url).carry(message())
        assert caught.value.is_lasting
        assert not other.requests


def test_a_certificate_that_is_not_believed_is_said_and_lasting() -> None:
    with web(tls.server()) as server:
        with pytest.raises(Undelivered, match="certificate is not believed: self-signed") as caught:
            Webhook(server.url, "x").carry(message())
        assert caught.value.is_lasting
        assert not server.requests
        Webhook(server.url, "x", tls.made().certificate_file).carry(message())
    assert len(server.requests) == 1


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Undelivered, match=r"http://127\.0\.0\.1:\d+/… cannot be reached") as caught:
        Webhook(f"http://127.0.0.1:{port}/a/b").carry(message())
    assert not caught.value.is_lasting


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWER", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(Undelivered, match="no answer in time"):
            Webhook(url).carry(message())


def test_an_answer_without_end_is_not_read() -> None:
    endless = b"x" * 50_000_000
    with web(answers=[500], body=endless) as server, pytest.raises(Undelivered) as caught:
        Webhook(server.url).carry(message())
    assert str(caught.value) == "HTTP 500: " + "x" * webhook.SHOWN


def test_what_is_shown_holds_no_secret() -> None:
    way = Webhook("https://u:p@hooks.example.id/T0K/EN?key=s3cret", "hidden")
    assert way.to == "https://hooks.example.id/…"
    assert "hidden" not in repr(way)
    assert Webhook("http://127.0.0.1:8080").to == "http://127.0.0.1:8080"


def test_the_environment_s_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with web() as server:
        Webhook(server.url).carry(message())
    assert len(server.requests) == 1
