"""Health: the application behind /metrics, /healthz and /readyz."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.observe.metrics import Metrics
from relay.observe.pulse import Pulse


def health_app(metrics: Metrics, pulse: Pulse, missing: Callable[[], Sequence[str]]) -> Starlette:
    """`missing` names what is not ready yet: `store`, `door`; empty: letters are taken.

    /healthz: 200 while the loop answers and the store's writer beats, else 503. /readyz: 200 while
    nothing is missing, else 503 with a line each.
    """

    async def show_metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": kind})

    async def healthz(request: Request) -> Response:
        if pulse.is_alive:
            return PlainTextResponse("ok\n")
        return PlainTextResponse("the store's writer does not answer\n", 503)

    async def readyz(request: Request) -> Response:
        lacks = missing()
        if not lacks:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("".join(f"missing: {part}\n" for part in lacks), 503)

    return Starlette(
        routes=[
            Route("/metrics", show_metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )
