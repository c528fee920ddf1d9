"""Settings of what is seen from outside: log, metrics, and whom alerts reach."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from relay.settings import Duration, Settings

WAYS: Final = {  # what leads somewhere, with the keys that go with it
    "webhook": ("secret_file", "ca_file"),
    "command": (),
    "mail": ("via", "password_file", "ca_file", "sender"),
}
UNASKED: Final = ("!unreachable", "!reached")  # a vendor's dead server is no administrator's news


class LogSettings(Settings):
    """Events as JSON lines; `addresses: masked` shows `v…@example.co.id`."""

    to: Literal["stdout"] | Path = "stdout"
    addresses: Literal["masked", "full"] = "masked"
    queue: int = Field(default=10_000, ge=100)  # events that may wait for a slow disk or pipe


class MetricsSettings(Settings):
    """`/metrics`, `/healthz`, `/readyz`."""

    listen: str = "127.0.0.1:9325"


class AlertSettings(Settings):
    """One way in which alerts reach somebody: `webhook`, `command` or `mail`."""

    webhook: str | None = None  # https://…; http:// on loopback only
    secret_file: Path | None = None  # its first line signs (HMAC-SHA256)
    command: tuple[str, ...] | None = None  # an argument list, never a shell's line
    mail: str | None = None  # one address
    via: str | None = None  # smtp://host:port or smtps://user@host: a route of its own
    password_file: Path | None = None
    sender: str | None = Field(default=None, alias="from")  # None: lpse-relay@hostname
    ca_file: Path | None = None  # roots beside the system's
    only: tuple[str, ...] = UNASKED  # names or globs; `!` leaves out
    every: Duration = timedelta(hours=1)  # at most once for each name; the rest is summed up

    @property
    def kind(self) -> str:
        """Which of the three it is."""
        return next(kind for kind in WAYS if getattr(self, kind) is not None)

    def fault(self) -> str:
        """What keeps it from being one way; empty where it is one. Not a validator: a misspelt
        `webhook` is one mistake, and is told as one."""
        kinds = [kind for kind in WAYS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            return f"each way is one of {', '.join(WAYS)}: here is {found}"
        for key in sorted({key for keys in WAYS.values() for key in keys} - set(WAYS[kinds[0]])):
            if getattr(self, key) is not None:
                name = type(self).model_fields[key].alias or key
                return f"{name} does not go with {kinds[0]}"
        if self.mail is not None and self.via is None:
            return "mail needs via: smtp://host:port, a host that is not this relay"
        return ""
