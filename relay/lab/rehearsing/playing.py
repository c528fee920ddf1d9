"""Playing: a case with its oracles, and a side in it, each in one call; nothing is shared."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from relay.lab.rehearsing import loop
from relay.lab.rehearsing.cases import Case
from relay.lab.rehearsing.marks import Stage, Verdict, judged, kind_of
from relay.lab.rehearsing.oracles import causal, clairvoyant
from relay.lab.rehearsing.scoring import score
from relay.lab.rehearsing.sides import Side
from relay.lab.rehearsing.world import Outcome, Run, World


def staged(case: Case) -> Stage:
    """The case, and how soon it could be done."""
    return Stage(case, kind_of(case), clairvoyant(case.run()), causal(case.run()))


def played(run: Run, side: Side) -> Outcome:
    """A run to its end. Its providers are used up by it."""
    with _without_collecting():
        return loop.run(lambda clock: World(run, side, clock).play(), run.start)


def tried(stage: Stage, side: Side) -> Verdict:
    """The side in that case."""
    return judged(stage, score(played(stage.case.run(), side)))


@contextmanager
def _without_collecting() -> Iterator[None]:
    """A run makes a million objects and few circles: looking for those would take a tenth of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
            gc.collect()
