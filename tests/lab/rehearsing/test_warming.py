"""A warm-up in a rehearsal: who keeps to the plan, and who does not, as the provider counts."""

from __future__ import annotations

from dataclasses import replace

from relay.lab.rehearsing.baselines import BASELINES
from relay.lab.rehearsing.cases import BEGINS, WARM_UP, WARMUP, Case, case_of
from relay.lab.rehearsing.marks import Kind, judged
from relay.lab.rehearsing.playing import staged, tried
from relay.lab.rehearsing.sides import OURS
from relay.lab.rehearsing.warming import days_of
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.urgency import Urgency
from relay.shaping.warmup import Warmup

PLAN = Warmup(WARMUP.start, WARMUP.growth, WARMUP.end)
# Seed 3: the relay is restarted in the middle of a sending day.
QUICK = Case("gmail", WARM_UP, 3, letters=800, hourly=2, hours=30)


def test_a_quick_draw_goes_by_the_plan_to_the_letter() -> None:
    """500 on the first day, kritis letters besides, 700 on the next; G by the plan's numbers."""
    stage = staged(QUICK)
    verdict = tried(stage, OURS)
    score, (first, second) = verdict.score, verdict.score.days
    assert verdict.faults == ()
    assert (first.allowed, first.asked, first.over) == (500, 500, 0)
    assert first.written > 500  # urgent letters went on, and count
    assert second.allowed == 700 and second.began_at - first.began_at < DAY + MINUTE
    assert (score.throttled, score.blocked, score.lost, score.expired) == (0, 0, 0, 0)
    assert stage.kind is Kind.WARMING and stage.clairvoyant.t95 > DAY
    assert verdict.speed > 0.98
    assert QUICK.run().restart_at is not None


def test_who_knows_no_warm_up_fails_it() -> None:
    stage = staged(replace(QUICK, letters=600, hours=4))
    verdict = tried(stage, next(side for side in BASELINES if side.name == "fixed"))
    assert [f for f in verdict.faults if f.startswith("a limit was exceeded by")]


def test_a_day_begins_with_its_first_letter_and_grows_where_half_was_used() -> None:
    massal, kritis = Urgency.MASSAL, Urgency.KRITIS
    written = [(BEGINS, massal)] * 249 + [(BEGINS + DAY - 1, kritis)]
    written += [(BEGINS + DAY + HOUR, massal)] * 349
    written += [(BEGINS + 3 * DAY, massal)] * 700 + [(BEGINS + 3 * DAY, kritis)] * 9
    first, second, third = days_of(PLAN, written)
    assert (first.written, first.asked, first.allowed) == (250, 249, 500)
    assert (second.began_at, second.allowed) == (BEGINS + DAY + HOUR, 700)
    assert (third.allowed, third.written, third.asked, third.over) == (700, 709, 700, 0)
    (over,) = days_of(PLAN, [(BEGINS, kritis)] * 500 + [(BEGINS, massal)] * 2)
    assert over.over == 2  # urgent ones count


def test_too_many_too_few_or_a_kritis_letter_that_waits_is_a_fault() -> None:
    stage = staged(replace(QUICK, letters=60, hours=1))
    good = tried(stage, OURS).score
    massal = [(BEGINS + n, Urgency.MASSAL) for n in range(501)]
    over = replace(good, days=days_of(PLAN, massal))
    said = "a limit was exceeded by 1 on sending day 1 of a warm-up"
    assert said in judged(stage, over).faults
    few = replace(good, days=days_of(PLAN, massal[:400]), announced=(2 * DAY,))
    assert "400 of 500 on sending day 1 of a warm-up" in judged(stage, few).faults
    late = replace(good, days=days_of(PLAN, massal[:9]), kritis_wait=3600.0)
    assert judged(stage, late).faults == ("a kritis letter waited 3600 s in a warm-up",)


def test_a_warm_up_has_days_and_little_else_in_its_way() -> None:
    case = case_of("gmail", WARM_UP, 1)
    assert (case.letters, case.hourly, case.hours) == (6000, 4, 144)
    assert case_of("gmail", "steady", 1) == Case("gmail", "steady", 1)
    provider, rates = case.provider(), case.rates()
    (domain, *_) = provider.domains
    least = min(q.count for q in provider.quotas(domain, BEGINS) if q.span == DAY)
    assert rates[-1] == f"{least // 2}/86400s"
