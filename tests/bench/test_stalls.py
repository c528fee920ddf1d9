"""The stalls: what the gauge says within the time, and no sample from before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.bench import stalls
from tests.bench.stalls import LAG, SAMPLED, Stalls


@contextmanager
def gauged(samples: list[tuple[float, float]]) -> Iterator[str]:
    """A /metrics whose sample is the next one at each look, and the last for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lag, at = samples.pop(0) if samples[1:] else samples[0]
            body = f'# HELP x y\n{LAG} {lag}\nother{{a="b c"}} 1.0\n{SAMPLED} {at}\n'.encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_longest_sample_within_the_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LOOK", 3600.0)  # only the last look
    now = time.time()
    samples = [(9.0, now - 1000), (8.0, now + 1000), (8.0, now + 1000), (0.030, now + 2000)]
    with gauged(samples) as metrics:
        with Stalls(metrics) as seen:
            monkeypatch.setattr(seen, "_next", lambda now: [seen._seen() for _ in range(2)][-1])
        assert seen.ms == pytest.approx(30.0)
        assert seen.still_ms >= 0


def test_a_relay_that_is_gone_is_told() -> None:
    with gauged([(0.0, 0.0)]) as metrics:
        pass
    with pytest.raises(OSError), Stalls(metrics):
        pass


def test_a_relay_that_goes_meanwhile_is_told() -> None:
    with gauged([(0.0, time.time() + 1000)]) as metrics:
        seen = Stalls(metrics).__enter__()
    with pytest.raises(OSError):
        seen.__exit__(None, None, None)
