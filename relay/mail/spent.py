"""Spent: units of a limit that are used up, or set aside to be, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from relay.mail.instant import Instant


@dataclass(frozen=True, slots=True)
class Spent:
    """`units` of the limits of `key` count from `at` on; 0 units: nothing stands there any more."""

    key: str
    at: Instant
    units: int
