"""Asking: what the store cannot say of one letter is asked again a few times, and then unknown.

A store that is busy answers the second time; a row that is broken never will, and must hold up
nothing but its own letter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from relay.store.base import StoreDead

TIMES: Final = 5
AGAIN: Final = 1.0  # seconds

T = TypeVar("T")

logger = logging.getLogger(__name__)


async def asked(ask: Callable[[], Awaitable[T]], what: str) -> T | None:
    """The answer; None where there is none after some seconds. Raises StoreDead."""
    for time in range(TIMES):
        if time:
            await asyncio.sleep(AGAIN)
        try:
            return await ask()
        except StoreDead:
            raise
        except KeyError:
            logger.error("%s: there is no such row", what)
            return None
        except Exception as error:  # a broken row may raise anything
            logger.error("%s could not be read: %s", what, error)
    return None
