"""What rides in the wheel: rules, profiles, class patterns, read as text for the pure packages."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.replies.classify import Classifier


def texts(package: str, folder: str) -> dict[str, str]:
    """The YAML files of a package's folder by `package/folder/name`, in the order of names."""
    found = {}
    for entry in resources.files(package).joinpath(folder).iterdir():
        if entry.name.endswith(".yaml"):
            where = f"{package.rpartition('.')[2]}/{folder}/{entry.name}"
            found[where] = entry.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


@cache
def rule_texts() -> dict[str, str]:
    """The shipped rules for replies."""
    return texts("relay.replies", "rules")


@cache
def profile_texts() -> dict[str, str]:
    """The shipped profiles of providers."""
    return texts("relay.shaping", "providers")


@cache
def shipped_classifier() -> Classifier:
    """The classifier without any rule of a site."""
    from relay.replies import load  # RE2 and all rules: a command that lists asks for none

    return load(rule_texts())
