"""Cache: letters and bodies that were put or read lately, bounded in octets."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

LETTERS: Final = 16 << 20
BODIES: Final = 64 << 20
COUNTED: Final = 20_000  # letters to several recipients whose ends are counted

T = TypeVar("T")


class Cache(Generic[T]):
    """The latest used things by message id; the longest unused goes first."""

    def __init__(self, octets: int) -> None:
        self._limit = octets
        self._held = 0
        self._items: OrderedDict[int, tuple[T, int]] = OrderedDict()

    def get(self, key: int) -> T | None:
        """The thing, marked as used."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: int, thing: T, octets: int) -> None:
        """Keep it; one larger than a quarter of the whole is not kept."""
        if octets > self._limit // 4:
            return
        self.drop(key)
        self._items[key] = (thing, octets)
        self._held += octets
        while self._held > self._limit:
            _, (_, gone) = self._items.popitem(last=False)
            self._held -= gone

    def drop(self, key: int) -> None:
        """It will hardly be wanted again."""
        found = self._items.pop(key, None)
        if found is not None:
            self._held -= found[1]

    @property
    def octets(self) -> int:
        """How much is held."""
        return self._held
