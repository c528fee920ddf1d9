"""Late reports: each kind of report about a delivery has its place, and nothing else."""

from __future__ import annotations

from relay.mail.late import TOLD, Late
from relay.mail.report_reading import Kind


def test_what_is_no_report_is_never_told() -> None:
    assert set(Kind) - set(TOLD) == {Kind.AUTO_REPLY, Kind.OTHER}
    assert len(set(TOLD)) == len(TOLD)
    assert Late(1, 2, Kind.FAILED, 3).category is None
