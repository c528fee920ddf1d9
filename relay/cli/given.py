"""Given: options and arguments are read without pydantic where there is nothing to check.

Newer versions of typer build a pydantic adapter for every parameter, for one that was not given
too: a third of the time that `queue ls` takes. What needs a check (a number, a choice, a list, a
path that cannot be read) goes typer's way, and so does everything where typer has no such adapter.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Unchecked:
    """In the place of typer's check of one parameter."""

    def __init__(self, kind: Any) -> None:
        """`kind` is typer's descriptor of what is expected."""
        self._kind = kind

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command takes it."""
        if value is None or value is param.default:
            return value
        if isinstance(value, str) and self._kind.parameter_info.parser is None:
            if self._kind.annotation is str:
                return value
            if self._kind.annotation is Path and os.access(value, os.R_OK):
                return Path(value)
        from typer._coercion import build_runtime_param

        return build_runtime_param(self._kind).coerce(value, param=param, ctx=ctx)


def read_plainly(parameters: Iterable[Any]) -> None:
    """Take the checks away from typer's parameters where that changes nothing."""
    for parameter in parameters:
        kind = getattr(parameter, "type_descriptor", None)
        is_one = parameter.nargs == 1 and not getattr(parameter, "multiple", False)
        if kind is not None and is_one and not kind.parameter_info.resolve_path:
            parameter._runtime_param = Unchecked(kind)
