"""FollowUp: how far the LPSE's people are with an address that its letters fail at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from relay.mail.instant import Instant

MAX_NOTE: Final = 1_000  # characters


class Progress(StrEnum):
    """The steps, in the words of those who take them."""

    NEW = "baru"
    CONTACTED = "sudah dihubungi"
    AWAITED = "menunggu surat"  # the vendor's letter that names the new address
    DONE = "selesai"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What was done last for an address (an `Address.key`), by whom and when."""

    address: str
    progress: Progress
    note: str
    who: str
    at: Instant

    def after(self, failed_at: Instant) -> Progress:
        """Where it stands: what was done is new again where a letter failed after it."""
        if self.progress is Progress.DONE and failed_at > self.at:
            return Progress.NEW
        return self.progress


def progress_of(words: str) -> Progress:
    """The step of a person's words; its first word is enough. Raises ValueError."""
    given = " ".join(words.lower().split())
    for one in Progress:
        if given and (given == one.value or given == one.value.split()[0]):
            return one
    named = ", ".join(f"'{one.value}'" for one in Progress)
    raise ValueError(f"unknown state {words!r}: one of {named}")
