"""Lines: what is written down of one side in one drawn run; they go to JSON, come back, and merge.

A file says by which code it was played: lines of two codes are no one benchmark.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from subprocess import run
from typing import Any, Final

import relay
from relay.lab.rehearsing.cases import Case
from relay.lab.rehearsing.marks import Kind, Verdict

# What a draw loads is what can change it: the modules, and what they read.
_LOADS: Final = """
import sys, tests.bench.shaping
print(*sorted(n for n in sys.modules if n == "relay" or n.startswith("relay.")))
"""

Key = tuple[str, str, str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """Implements marks.Judged. `wrong`: letters bounced though their addresses live, in a hour of
    lies too; `blocks`: by day."""

    side: str
    model: str
    variant: str
    seed: int
    letters: int
    hourly: int
    hours: int
    kind: Kind
    is_short: bool
    speed: float
    later: float
    tried: int
    throttled: int
    blocks: tuple[int, ...]
    inside: int
    lost: int
    wrong: int
    delivered: int
    expired: int
    faults: tuple[str, ...]
    cpu: float

    @property
    def key(self) -> Key:
        """The side and its draw."""
        sizes = (self.seed, self.letters, self.hourly, self.hours)
        return (self.side, self.model, self.variant, *sizes)


def key_of(side: str, case: Case) -> Key:
    """The key that a line of that side in that case has."""
    sizes = (case.seed, case.letters, case.hourly, case.hours)
    return (side, case.model, case.variant, *sizes)


def line_of(side: str, verdict: Verdict, cpu: float) -> Line:
    """What is kept of a verdict; `cpu` in seconds."""
    case, score = verdict.stage.case, verdict.score
    return Line(
        *key_of(side, case),
        verdict.kind,
        verdict.is_short,
        round(verdict.speed, 5),
        round(verdict.later, 5),
        score.tried,
        score.throttled,
        score.blocks,
        score.inside,
        score.lost,
        score.wrongly_bounced + score.false_dead_bounced,
        score.delivered,
        score.expired,
        verdict.faults,
        round(cpu, 2),
    )


def source() -> str:
    """The digest of the code that decides results: not its comments, nor what no draw loads."""
    root, told = Path(relay.__file__).parent, sha256()
    for module in deciding():
        spec = find_spec(module)
        file = Path(str(spec and spec.origin))
        told.update(f"{module}\0{sense(file.read_text(encoding='utf-8'))}\0".encode())
    for file in sorted(root.rglob("*.yaml")):
        told.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return told.hexdigest()[:16]


def deciding() -> list[str]:
    """The modules of the relay that a draw loads, by name; asked of a fresh interpreter."""
    asked = [sys.executable, "-c", _LOADS]
    return run(asked, check=True, capture_output=True, text=True).stdout.split()


def sense(text: str) -> str:
    """A module, without what only people read of it."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            said = body[0].value
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                del body[0]
    return ast.dump(tree)


class Mixed(ValueError):
    """Lines of two codes."""


def read(path: Path, code: str | None = None) -> tuple[str, list[Line]]:
    """The code and the lines of a file. Raises Mixed where it was played by another than `code`,
    ValueError where it is none of ours; both name the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        played_by, lines = str(document["source"]), [_line(one) for one in document["lines"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no file of bench-shaping: {type(error).__name__}: {error}"
        ) from error
    if code not in (None, played_by):
        raise Mixed(f"{path} was played by other code ({played_by}, not {code})")
    return played_by, lines


def merged(files: Iterable[Sequence[Line]]) -> list[Line]:
    """All lines, each side once in each draw; of two the later."""
    found = {line.key: line for lines in files for line in lines}
    return [found[key] for key in sorted(found)]


def write(path: Path, code: str, lines: Iterable[Line], more: Mapping[str, Any]) -> None:
    """The whole file, at once or not at all."""
    document = {"source": code, **more, "lines": [asdict(line) for line in lines]}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(document, indent=None, separators=(",", ":"))
    draft.write_text(text.replace('},{"side"', '},\n{"side"') + "\n", encoding="utf-8")
    draft.replace(path)


def _line(kept: dict[str, Any]) -> Line:
    given = {**kept, "kind": Kind(kept["kind"])}
    return Line(**given | {name: tuple(kept[name]) for name in ("blocks", "faults")})
