"""Alarms: when each waiting lane is to be pumped again, in one heap, with one timer of the loop.

A timer of the loop costs seven times as much as an alarm, and ten thousand lanes may wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from typing import Final

from relay.scheduler.lane import Alarm, Lane

FEW: Final = 100  # alarms that were called off and still lie in the heap
AT_ONCE: Final = 100  # lanes to a turn of the loop: 5 ms


class Alarms:
    """All of one scheduler; used in its loop."""

    def __init__(self, ring: Callable[[Lane], None]) -> None:
        """`ring` is called for each lane at its moment, each in a turn of the loop of its own."""
        self._ring = ring
        self._heap: list[Alarm] = []
        self._off = 0  # of these, called off
        self._timer: asyncio.TimerHandle | None = None
        self._context = contextvars.copy_context()  # not that of whoever sets one

    def __len__(self) -> int:
        """How many are kept, those included that were called off a moment ago."""
        return len(self._heap)

    def set(self, lane: Lane, wait: float) -> None:
        """Ring for the lane in so many seconds, and no more for what was set before."""
        self.call_off(lane)
        lane.alarm = Alarm(asyncio.get_running_loop().time() + wait, lane)
        heapq.heappush(self._heap, lane.alarm)
        if self._heap[0] is lane.alarm:
            self._wind()

    def set_by(self, lane: Lane, wait: float) -> None:
        """Ring for the lane in so many seconds at the latest."""
        if lane.alarm is None or lane.alarm.at > asyncio.get_running_loop().time() + wait:
            self.set(lane, wait)

    def call_off(self, lane: Lane) -> None:
        """Ring no more for the lane."""
        alarm, lane.alarm = lane.alarm, None
        if alarm is None:
            return
        alarm.lane = None
        self._off += 1
        if self._off > FEW and self._off * 2 > len(self._heap):
            self._heap = [alarm for alarm in self._heap if alarm.lane is not None]
            heapq.heapify(self._heap)
            self._off = 0

    def _wind(self) -> None:
        """The loop's timer, for the first of them."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._heap:
            loop, at = asyncio.get_running_loop(), self._heap[0].at
            self._timer = loop.call_at(at, self._due, at, context=self._context)

    def _due(self, at: float) -> None:
        """Those whose moment has come; of thousands a few, and the others in the next turns."""
        loop = asyncio.get_running_loop()
        now, left = max(at, loop.time()), AT_ONCE
        while left and self._heap and self._heap[0].at <= now:
            alarm = heapq.heappop(self._heap)
            if alarm.lane is None:
                self._off -= 1
            else:
                left -= 1
                loop.call_soon(self._rung, alarm, context=self._context)
        self._wind()

    def _rung(self, alarm: Alarm) -> None:
        lane = alarm.lane
        if lane is not None:  # else it was called off a moment ago
            lane.alarm = None
            self._ring(lane)
