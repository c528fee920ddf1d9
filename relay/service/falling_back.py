"""Falling back: `fallback_route` as the scheduler takes it."""

from __future__ import annotations

from relay.config import Config, SourceError
from relay.config.keys import secret
from relay.scheduler.parts import FallbackRoute
from relay.transports.hop import parse_hop
from relay.transports.mx import hop_route


def fallback_of(config: Config) -> FallbackRoute | None:
    """None where none is configured. Raises SourceError where its password cannot be read."""
    given = config.settings.fallback_route
    if given is None:
        return None
    password = None
    try:
        if given.password_file is not None:
            password = secret(config.file.parent / given.password_file)
        hop = parse_hop(given.to, password)
    except ValueError as error:
        raise SourceError([config.problem(("fallback_route",), str(error))]) from None
    assert hop is not None  # noqa: S101 - `mx` is refused where the setting is read
    return FallbackRoute(hop_route(hop, config.profiles.route_destination(hop.url)), given.after)
