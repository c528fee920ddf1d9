"""Perl's Mail::DKIM as a second referee: what it thinks of each signature of a letter."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.peers.catalogue import HERE
from tests.peers.roots import Peer

PROGRAM = HERE / "perl" / "verify.pl"


@dataclass(frozen=True, slots=True)
class Judged:
    """One signature's result: `pass`, `fail`, `invalid`, `temperror` or `none`."""

    domain: str
    selector: str
    result: str
    detail: str
    """The result with its reason, such as `fail (body has been altered)`."""

    @property
    def has_passed(self) -> bool:
        return self.result == "pass"


def verify(
    content: bytes,
    *,
    keys: Mapping[str, str] | None = None,
    name_server: tuple[str, int] | None = None,
) -> list[Judged]:
    """Judges every signature of a raw letter (CRLF), in the letter's order.

    The public keys come either from `keys`, as `{"s1._domainkey.example.net": "v=DKIM1; p=…"}`
    (no other name exists then), or from a name server's address and port; the real DNS is never
    asked. Raises RuntimeError with Perl's words if the program fails.
    """
    if (keys is None) == (name_server is None):
        raise ValueError("either keys or a name server")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as records:
        if keys is not None:
            json.dump({name.lower().rstrip("."): text for name, text in keys.items()}, records)
            records.flush()
            source = ["keys", str(Path(records.name))]
        else:
            assert name_server is not None
            source = ["server", name_server[0], str(name_server[1])]
        done = Peer("clients").run(["perl", str(PROGRAM), *source], content=content)
    if done.returncode != 0:
        raise RuntimeError(f"Mail::DKIM: {done.stderr.decode(errors='replace')}")
    return [Judged(**row) for row in json.loads(done.stdout)]
