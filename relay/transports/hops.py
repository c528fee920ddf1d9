"""Hops: `routes:` as a table: `mx`, or a hop that takes mail for a domain; no IO."""

from __future__ import annotations

from collections.abc import Mapping

from relay.mail.address import AddressError, parse_domain
from relay.transports.hop import Hop, parse_hop
from relay.transports.settings import RouteSettings


class RouteError(ValueError):
    """A route that cannot be read; ``key`` is its domain in `routes:`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"routes: {key}: {message}")
        self.key = key


class Hops:
    """`routes:` as a table: a domain by its own name, then the longest suffix, then `*`."""

    def __init__(
        self, routes: Mapping[str, RouteSettings], passwords: Mapping[str, str] | None = None
    ) -> None:
        """Keys: `domain`, `*.domain` or `.domain` (its sub-domains, not itself), `*`.

        ``passwords``: what stands in the routes' password files, by the same keys.
        Raises RouteError.
        """
        self._exact: dict[str, Hop | None] = {}
        self._suffixes: dict[str, Hop | None] = {}
        self._rest: Hop | None = None
        for key, settings in routes.items():
            try:
                hop = parse_hop(settings.to, (passwords or {}).get(key))
                self._add(key.strip(), hop)
            except (ValueError, AddressError) as error:
                raise RouteError(key, str(error)) from None

    def _add(self, key: str, hop: Hop | None) -> None:
        if key == "*":
            self._rest = hop
            return
        is_suffix = key.startswith(("*.", "."))
        name = parse_domain(key.removeprefix("*").removeprefix(".")).name
        table = self._suffixes if is_suffix else self._exact
        if name in table:
            raise ValueError("stands twice")
        table[name] = hop

    def of(self, domain: str) -> Hop | None:
        """The hop of a domain; None: its MX."""
        if domain in self._exact:
            return self._exact[domain]
        if self._suffixes:
            _, _, parent = domain.partition(".")
            while parent:
                if parent in self._suffixes:
                    return self._suffixes[parent]
                _, _, parent = parent.partition(".")
        return self._rest
