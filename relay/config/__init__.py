"""Config: YAML → a frozen, validated configuration; every error at once, with file and line.

Names are fetched when they are first asked for: a command that only wants to know where the
control socket lies does not wait for pydantic, RE2 and the keys' cryptography.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from relay.strict_yaml import Problem, SourceError

if TYPE_CHECKING:
    from relay.config.blame import blamed
    from relay.config.config import Config, counts_anew, load, needs_restart
    from relay.config.limits import profiles_of
    from relay.config.places import locate
    from relay.config.shipped import shipped_classifier
    from relay.config.warnings import warnings_of
    from relay.config.written import read_all, site_classifier

__all__ = [
    "Config",
    "Problem",
    "SourceError",
    "blamed",
    "counts_anew",
    "load",
    "locate",
    "needs_restart",
    "profiles_of",
    "read_all",
    "shipped_classifier",
    "site_classifier",
    "warnings_of",
]

_HOMES: Final = {
    "Config": "config",
    "blamed": "blame",
    "load": "config",
    "counts_anew": "config",
    "needs_restart": "config",
    "profiles_of": "limits",
    "locate": "places",
    "shipped_classifier": "shipped",
    "read_all": "written",
    "site_classifier": "written",
    "warnings_of": "warnings",
}


def __getattr__(name: str) -> Any:
    """A name of `__all__` from its module (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
