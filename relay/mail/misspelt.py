"""Misspelt: what a vendor may have meant by an address that does not exist. A hint, never a
rewrite: whoever reads it asks the vendor."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

# Where vendors have their boxes; what is one slip away from one of these was perhaps meant so.
KNOWN: Final = (
    "gmail.com",
    "yahoo.com",
    "yahoo.co.id",
    "ymail.com",
    "rocketmail.com",
    "hotmail.com",
    "outlook.com",
    "outlook.co.id",
    "live.com",
    "icloud.com",
    "telkom.net",
    "plasa.com",
    "cbn.net.id",
    "indo.net.id",
)
# Real ones that are a slip away from another, or two of one provider that are mistaken.
_TWINS: Final[dict[str, tuple[str, ...]]] = {
    "yahoo.com": ("yahoo.co.id",),
    "yahoo.co.id": ("yahoo.com",),
    "hotmail.co.id": ("hotmail.com",),
    "ymail.com": ("gmail.com",),
    "mail.com": ("gmail.com",),
    "email.com": ("gmail.com",),
    "gmx.com": (),
    "life.com": (),
}
# More than one slip, and still plain.
_TABLE: Final[dict[str, str]] = {
    "gmail.co.id": "gmail.com",
    "gmail.com.id": "gmail.com",
    "gmail.id": "gmail.com",
    "gmail.net": "gmail.com",
    "gmai.co": "gmail.com",
    "gmial.co": "gmail.com",
    "googlemail.co.id": "gmail.com",
    "hotmail.com.id": "hotmail.com",
    "yahoo.com.id": "yahoo.co.id",
    "yahoo.id": "yahoo.co.id",
    "yaho.co.id": "yahoo.co.id",
    "rocketmail.co.id": "rocketmail.com",
    "ymail.co.id": "ymail.com",
}
MAX_DOMAIN: Final = 32  # characters; none of the known ones is near it


@lru_cache(maxsize=4096)
def domains(name: str) -> tuple[str, ...]:
    """Domains that may have been meant by this one, the likeliest first; none for most."""
    name = name.lower()
    if name in _TWINS:
        return _TWINS[name]
    if name in KNOWN or len(name) > MAX_DOMAIN:
        return ()
    if name in _TABLE:
        return (_TABLE[name],)
    return tuple(known for known in KNOWN if is_a_slip(name, known))


def meant(address: str) -> tuple[str, ...]:
    """The same for a whole address: it with the domain that may have been meant."""
    local, at, domain = address.rpartition("@")
    return tuple(f"{local}@{other}" for other in domains(domain)) if at else ()


def is_a_slip(written: str, meant: str) -> bool:
    """True where one letter is missing, too many, another one, or two are swapped."""
    if abs(len(written) - len(meant)) > 1 or written == meant:
        return False
    at = 0
    while at < min(len(written), len(meant)) and written[at] == meant[at]:
        at += 1
    rest, other = written[at:], meant[at:]
    if len(rest) == len(other):
        is_swapped = rest[:2] == other[1::-1] and rest[2:] == other[2:]
        return rest[1:] == other[1:] or is_swapped
    return rest[1:] == other if len(rest) > len(other) else rest == other[1:]
