"""Deadlines: the time-outs of each stage in seconds, from their settings (RFC 5321 4.5.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from relay.transports.settings import TimeoutSettings


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a stage may take; see TimeoutSettings for what each is."""

    connect: float
    greeting: float
    helo: float
    mail: float
    rcpt: float
    data: float
    block: float
    dot: float
    quit: float
    idle: float

    @classmethod
    def of(cls, settings: TimeoutSettings) -> Deadlines:
        """The same as numbers."""
        names = TimeoutSettings.model_fields
        return cls(**{name: getattr(settings, name).total_seconds() for name in names})
