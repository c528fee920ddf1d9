"""Settings of the filters: their order, their deadlines, the class rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from relay.settings import Duration, Settings


class FilterSettings(Settings):
    """One filter in the pipeline: a shipped name, or a dotted path `package.module:Class`."""

    use: str
    deadline: Duration = timedelta(seconds=5)
    on_error: Literal["defer", "accept"] = "defer"
    options: dict[str, Any] = Field(default_factory=dict)


class DkimSettings(Settings):
    """A signing key for a From domain."""

    domain: str
    selector: str
    key_file: Path


class ClassRuleSettings(Settings):
    """A class by subject pattern (RE2), header or user; the first that matches wins."""

    urgency: Literal["kritis", "mendesak", "transaksi", "massal"] = Field(alias="class")
    subject: str | None = None  # RE2 pattern, case-insensitive
    header: str | None = None  # "Name: RE2 pattern"
    user: str | None = None


def _shipped_order() -> tuple[FilterSettings, ...]:
    order = ("access", "loops", "headers", "classes", "message_id", "dkim")
    return tuple(FilterSettings(use=name) for name in order)


class PipelineSettings(Settings):
    """`filters:` in YAML's order; a plain name stands for `{use: name}`."""

    filters: tuple[FilterSettings, ...] = Field(default_factory=_shipped_order)
