"""Settings: the base of every section of the configuration; frozen, an unknown key is an error."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|KB|MB|GB)?", re.IGNORECASE)
_UNITS: Final = {
    "b": 1,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
}


class Settings(BaseModel):
    """Base of a section: immutable once built, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @field_validator("*", mode="before")
    @classmethod
    def _only_true_and_false_are_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if kind in (bool, bool | None) and not isinstance(value, bool | None):
            raise ValueError(f"write true or false, not {value!r}")
        return value


def duration(value: object) -> object:
    """``5m``, ``4h``, ``1d12h``, ``250ms`` → timedelta; a bare number has no unit: refused."""
    if isinstance(value, timedelta):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        raise ValueError(f"not a duration: {value!r} (write 30s, 5m, 4h, 1d12h)")
    days, hours, minutes, seconds, ms = (int(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=ms)
    except OverflowError:
        raise ValueError(f"{value!r} is longer than anybody waits (write 30s, 5m, 4h)") from None


def size(value: object) -> object:
    """``25 MiB``, ``500 MB`` or a number of octets → octets."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not a size: {value!r} (write 25 MiB, 500 MB or octets)")
    return int(match[1]) * _UNITS[(match[2] or "B").lower()]


Duration = Annotated[timedelta, BeforeValidator(duration)]
Size = Annotated[int, BeforeValidator(size)]
