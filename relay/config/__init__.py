"""Config: YAML → a frozen, validated configuration; every error at once, with file and line."""

from __future__ import annotations

from relay.config.config import Config, load, needs_restart, profiles_of
from relay.config.load import locate, read_all, site_classifier
from relay.config.shipped import shipped_classifier
from relay.strict_yaml import Problem, SourceError

__all__ = [
    "Config",
    "Problem",
    "SourceError",
    "load",
    "locate",
    "needs_restart",
    "profiles_of",
    "read_all",
    "shipped_classifier",
    "site_classifier",
]
