"""Bounded: a filter's hook within its deadline; one that waits for nothing costs no timer.

Most hooks only compute, and are done before they could be interrupted: a timer for each would cost
a letter more than many a filter does.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from inspect import iscoroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, hook: Awaitable[T]) -> T:
    """What the hook returns, or raises. Raises TimeoutError where it waits longer."""
    if not iscoroutine(hook):  # a site's own filter may hand out a future
        async with asyncio.timeout(seconds):
            return await hook
    try:
        awaited = hook.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _going_on(hook, awaited)


@types.coroutine
def _going_on(hook: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """The rest of a coroutine that has begun; it waits for `awaited`."""
    while True:
        try:
            try:
                sent = yield awaited
            except GeneratorExit:
                hook.close()
                raise
            except BaseException as error:
                awaited = hook.throw(error)
            else:
                awaited = hook.send(sent)
        except StopIteration as done:
            result: T = done.value
            return result
