"""Lengths: how long a pause is, by what refused, how often, and what was enough before."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from relay.mail.instant import DAY, HOUR, Instant, millis
from relay.shaping.learned import Learned
from relay.shaping.meaning import Kind
from relay.shaping.settings import PauseSettings
from relay.shaping.spans import PACED

if TYPE_CHECKING:  # a state's own module asks here
    from relay.shaping.feedback import Standing

JITTER: Final = (0.02, 0.12)  # of a pause
GROWTH: Final = {Kind.THROTTLE: 1.5, Kind.BLOCK: 2.0, Kind.ADMINISTRATIVE: 1.0}
OF_A_DAY: Final = 3.0  # the growth where a day's quota is used up
LONGEST_OF_A_DAY: Final = 6 * HOUR
NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def pause_length(state: Standing, learned: Learned, now: Instant, settings: PauseSettings) -> int:
    """Milliseconds of the pause that a refusal begins, before it is spread."""
    kind = state.kind
    if kind is Kind.ADMINISTRATIVE:
        return millis(settings.administrative)
    first = millis(settings.throttle if kind is Kind.THROTTLE else settings.block)
    if now - state.enough_at > DAY:
        state.enough = NOTHING  # a day without: begin as if nothing had been
    begins = max(first, state.enough.get(kind.value, 0))
    longest, growth = max(first, millis(settings.longest)), GROWTH[kind]
    if kind is Kind.THROTTLE and learned.blamed >= PACED:
        longest, growth = min(longest, max(first, LONGEST_OF_A_DAY)), OF_A_DAY
    return int(min(begins * growth ** min(state.refusals, 40), longest))


def jitter(now: Instant) -> float:
    """The factor of a pause that begins now, so that no two end together."""
    low, high = JITTER
    drawn = (now * 2654435761 % 2**32) / 2**32
    return 1 + low + (high - low) * drawn
