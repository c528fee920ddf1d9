"""Words: what pydantic says of a value, in plain words with the value shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PREFIXES: Final = ("Value error, ", "Assertion failed, ")
LONGEST: Final = 60  # characters of a value that is shown

_EXPECTED: Final = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "one text",
    "path_type": "a path",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}


_BOUNDS: Final = {
    "greater_than_equal": ("ge", "too small: {} is the least"),
    "greater_than": ("gt", "too small: it must be more than {}"),
    "less_than_equal": ("le", "too large: {} is the most"),
    "less_than": ("lt", "too large: it must be less than {}"),
}


def of(error: Mapping[str, Any]) -> tuple[str, str]:
    """The message of one fault, and a suggestion where there is one."""
    kind, limits = str(error["type"]), error.get("ctx", {})
    value = shown(error.get("input"))
    if kind.startswith("ip_v") or kind == "ip_any_network":
        return f"{value} is no network", "write 192.0.2.0/24 or 2001:db8::/64, no host's bits set"
    if kind == "literal_error":
        return f"{value} is none of {_choices(limits['expected'])}", ""
    if value == "'nan'":
        return f"{value} is no number", ""
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{value} is {words.format(limits[key])}", ""
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]} is expected here, not {value}", ""
    message = str(error["msg"])
    for prefix in PREFIXES:
        message = message.removeprefix(prefix)
    return message, ""


def shown(value: object) -> str:
    """A value as it may stand in a message: never long, a list or a mapping by its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def _choices(expected: str) -> str:
    """pydantic's `'a', 'b' or 'c'` as `a, b, c`."""
    return expected.replace(" or ", ", ").replace("'", "")
