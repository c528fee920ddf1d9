"""Chance: what is drawn from a seed by name, so that no draw moves another; and latencies."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Final

_WHOLE: Final = float(1 << 64)
_SAMPLES: Final = 4096  # a power of two: the index is a mask
_P99: Final = NormalDist().inv_cdf(0.99)


def chance(seed: int, *names: object) -> float:
    """A number in [0, 1) that belongs to the seed and these names, whoever asks, and when."""
    text = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / _WHOLE


def uniform(low: float, high: float, seed: int, *names: object) -> float:
    """A number in [low, high) in the same way."""
    return low + (high - low) * chance(seed, *names)


def ranked(names: list[str], seed: int, *why: object) -> list[str]:
    """The names in a drawn order: the first n of them are a drawn choice of exactly n."""
    return sorted(names, key=lambda name: chance(seed, *why, name))


class Latency:
    """Log-normal latencies in seconds: one drawn order of evenly spaced quantiles, over and over.

    `median` and `p99` in seconds.
    """

    __slots__ = ("_next", "_samples")

    def __init__(self, median: float, p99: float, seed: int, name: str) -> None:
        self._samples = _samples(median, p99, seed, name)
        self._next = 0

    def draw(self) -> float:
        """The next one."""
        self._next = n = (self._next + 1) & (_SAMPLES - 1)
        return self._samples[n]


@lru_cache(8)  # a provider is drawn anew for each side that is tried with it
def _samples(median: float, p99: float, seed: int, name: str) -> tuple[float, ...]:
    deviation = NormalDist(0.0, 1.0)
    ratio = p99 / median
    samples: list[float] = [
        median * math.exp(math.log(ratio) * deviation.inv_cdf((n + 0.5) / _SAMPLES) / _P99)
        for n in range(_SAMPLES)
    ]
    random.Random(f"{seed} {name}").shuffle(samples)  # noqa: S311 - no secret
    return tuple(samples)
