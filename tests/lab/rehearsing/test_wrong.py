"""The benchmark fails each wrong shaper, for its own fault, in a draw that the relay's bears."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

import pytest

from relay.lab.quotas import draw
from relay.lab.quotas.base import Provider
from relay.lab.quotas.draws import shipped_ranges
from relay.lab.quotas.ranges import Range, Ranges
from relay.lab.rehearsing import marks
from relay.lab.rehearsing.baselines import BASELINES, FIXED
from relay.lab.rehearsing.cases import BEGINS, Case
from relay.lab.rehearsing.marks import Verdict, missed
from relay.lab.rehearsing.playing import played, staged, tried
from relay.lab.rehearsing.sides import OURS, Side
from relay.lab.rehearsing.world import Run
from relay.lab.rehearsing.wrong import (
    FORGETS,
    HALVES_ON_RECIPIENT,
    IGNORES_REPLIES,
    NEVER_RISES,
    PROBES_EACH_MX,
    SNAPS_BACK,
)
from relay.mail.instant import HOUR, MINUTE, Instant


@dataclass(frozen=True, slots=True)
class Own(Case):
    """A draw with numbers of one's own."""

    limit: str = "30/min"
    values: tuple[tuple[str, float], ...] = ()
    restarts: Instant | None = field(default=None)

    def provider(self) -> Provider:
        shipped = shipped_ranges()[self.model]
        fixed = {key: Range(n, n, shipped.values[key].unit) for key, n in self.values}
        ranges = Ranges(self.model, {**shipped.values, **fixed})
        others = {self.model: ranges}
        return draw(self.model, self.variant, self.seed, BEGINS, self.length, others)

    def rates(self) -> tuple[str, ...]:
        return (self.limit,)

    def run(self) -> Run:
        return replace(Case.run(self), restart_at=self.restarts)


GMAIL = Own(
    *("gmail", "steady", 1, 1200, 30, 12),
    values=(("minute", 60), ("hour", 150), ("day", 15_000), ("warns", 0), ("names_signer", 0)),
)
AMPLE = Own(
    *("gmail", "steady", 1, 2000, 60, 6),
    limit="12/min",
    values=(("minute", 60), ("hour", 1500), ("day", 30_000)),
)


@pytest.fixture(autouse=True)
def _speed_is_asked_of_short_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "SHORT_RUN", 2 * HOUR)


@cache
def _ours(case: Case) -> Verdict:
    return tried(staged(case), OURS)


def _wrong(case: Case, side: Side) -> Verdict:
    return tried(_ours(case).stage, side)


@pytest.mark.parametrize("side", [IGNORES_REPLIES, PROBES_EACH_MX], ids=lambda side: side.name)
def test_who_tries_inside_a_published_pause_fails(side: Side) -> None:
    case = replace(GMAIL, letters=600, hours=3)
    assert _ours(case).score.inside == 0
    assert any("inside a published pause" in fault for fault in missed([_wrong(case, side)]))


@pytest.mark.parametrize("side", [NEVER_RISES, SNAPS_BACK], ids=lambda side: side.name)
def test_who_never_rises_or_snaps_back_is_too_slow(side: Side) -> None:
    wrong = _wrong(GMAIL, side)
    assert any(fault.startswith("G ") for fault in missed([wrong]))
    assert wrong.speed < _ours(GMAIL).speed


def test_who_takes_one_recipient_for_all_is_too_slow_within_the_quota() -> None:
    ours, wrong = _ours(AMPLE), _wrong(AMPLE, HALVES_ON_RECIPIENT)
    assert ours.stage.kind is marks.Kind.WITHIN
    assert not ours.faults
    assert any(fault.startswith("G ") for fault in missed([wrong]))
    assert wrong.speed < 0.9 * ours.speed


def test_who_forgets_at_a_restart_tries_inside_the_pause_that_was_known() -> None:
    case = replace(GMAIL, letters=600, hours=3)
    outcome = played(case.run(), OURS)
    entries = [e for p in outcome.run.providers for e in p.book.entries if e.kind == "throttled"]
    case = replace(case, restarts=entries[0].at + 2 * MINUTE)
    assert _ours(case).score.inside == 0
    assert any("inside a published pause" in fault for fault in missed([_wrong(case, FORGETS)]))


@pytest.mark.parametrize("side", BASELINES, ids=lambda side: side.name)
def test_the_baselines_lose_nothing_either(side: Side) -> None:
    case = Own("yahoo", "steady", 1, 200, 20, 2, values=(("hour", 200), ("five_minutes", 30)))
    verdict = _wrong(case, side)
    assert verdict.score.delivered >= 20
    assert verdict.score.lost == 0


def test_half_of_the_quota_at_an_even_pace_is_never_throttled() -> None:
    case = Own("yahoo", "steady", 1, 200, 20, 3, values=(("hour", 200), ("five_minutes", 30)))
    score = _wrong(case, FIXED).score
    assert score.throttled == 0
    assert 200 < score.tried <= 310
