"""Severity and Meaning: how grave an alert is, and what its name says, in both languages; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody should look: when there is time, today, now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For comparing: the graver, the higher."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What happened and what to do; `{key}` in the texts is a provider, a domain, a rule."""

    globs: tuple[str, ...]
    severity: Severity
    en: str
    id: str

    def said(self, key: str) -> dict[str, str]:
        """Both sentences, about that key, by language."""
        return {"en": self.en.replace("{key}", key), "id": self.id.replace("{key}", key)}


def word_of(name: str) -> str:
    """`pause` of `pause:gmail`."""
    return name.partition(":")[0]


def key_of(name: str) -> str:
    """`gmail` of `pause:gmail`; empty where there is none."""
    return name.partition(":")[2]
