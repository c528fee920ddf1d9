"""Late reports: each kind of report about a delivery has its place, and nothing else."""

from __future__ import annotations

from relay.mail.late import TOLD, Kind, Late, attempt_of
from relay.mail.reply import parse
from tests.store.letters import Post


def test_what_is_no_report_is_never_told() -> None:
    assert set(Kind) - set(TOLD) == {Kind.AUTO_REPLY, Kind.OTHER}
    assert len(set(TOLD)) == len(TOLD)
    assert Late(1, 2, Kind.FAILED, 3).category is None


def test_it_is_quoted_as_the_last_answer() -> None:
    job = Post().entry().placements[0].delivery
    late = Late(job.message_id, job.n, Kind.FAILED, 3, reporter="mx.example.id")
    attempt = attempt_of(late, job, parse("550 5.1.1 User unknown"))
    assert (attempt.message_id, attempt.n, attempt.number) == (job.message_id, job.n, 1)
    assert (attempt.mx, attempt.started_at, attempt.took_us) == ("mx.example.id", 3, 0)
    assert attempt.said() == "550 5.1.1 User unknown"
    assert attempt.classification is None
