"""A small draw of every row of the shaping benchmark: nothing that must not be, and no slower."""

from __future__ import annotations

import pytest

from relay.lab.quotas import MODELS, VARIANTS
from relay.lab.quotas.base import Kind
from relay.lab.rehearsing.cases import Case
from relay.lab.rehearsing.marks import judged
from relay.lab.rehearsing.playing import played, staged
from relay.lab.rehearsing.scoring import score
from relay.lab.rehearsing.sides import OURS

# Seed, letters, letters an hour after them. A seed that three divides restarts the relay.
DRAWS = {"m365": (6, 1500, 200), "go.id": (3, 600, 50)}  # of m365's third no letter meets the lies
OTHERS = (3, 1500, 50)
HOURS = 24
# G by this relay: a day is too short for a mark, and what gets slower is seen all the same.
SPEED = {
    "gmail": {"steady": 0.88, "fall": 0.88, "diurnal": 0.80, "false-dead": 0.88},
    "yahoo": {"steady": 0.79, "fall": 0.79, "diurnal": 0.75, "false-dead": 0.64},
    "outlook": {"steady": 0.48, "fall": 0.47, "diurnal": 0.76, "false-dead": 0.48},
    "m365": {"steady": 0.95, "fall": 0.32, "diurnal": 0.53, "false-dead": 0.96},
    "go.id": {"steady": 0.99, "fall": 0.99, "diurnal": 0.99, "false-dead": 0.98},
    "small": {"steady": 0.74, "fall": 0.74, "diurnal": 0.72, "false-dead": 0.74},
}
SLOWER = 0.9  # of it


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", MODELS)
def test_no_fault_in_a_small_draw_of_each_row(model: str, variant: str) -> None:
    case = Case(model, variant, *DRAWS.get(model, OTHERS), HOURS)
    stage = staged(case)
    outcome = played(case.run(), OURS)
    verdict = judged(stage, score(outcome))
    assert verdict.faults == ()
    assert outcome.run.restart_at is not None
    (provider,) = outcome.run.providers
    assert (provider.book.count(Kind.FALSE_DEAD) > 0) is (variant == "false-dead")
    assert verdict.score.twice <= provider.book.count(Kind.LOST)  # the reply to the dot was
    assert verdict.speed >= SLOWER * SPEED[model][variant]
