"""From the configuration to a pipeline; every fault at once, with its key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from relay.filters import loading
from relay.filters.base import Filter
from relay.filters.settings import FilterSettings, PipelineSettings
from relay.strict_yaml import SourceError
from tests.filters.letters import RULES, Alerts

SUPPLIES = loading.Supplies(
    hostname="relay.lpse.example.go.id",
    allowed_senders=["@lpse.example.go.id"],
    rules=RULES,
    signed_domains=["lpse.example.go.id"],
    alerts=Alerts(),
)


class NeedsMore(Filter):
    """A filter that is built wrongly."""

    def __init__(self) -> None:
        super().__init__()


def test_the_shipped_order() -> None:
    made = loading.pipeline(PipelineSettings().filters, SUPPLIES)
    assert made.names == ("access", "loops", "headers", "classes", "message_id", "dkim")
    assert set(made.names) == set(loading.SHIPPED)


def test_a_site_s_own_filter_by_dotted_path() -> None:
    entry = FilterSettings(
        use="relay.filters.skeleton:Skeleton",
        deadline=timedelta(seconds=2),
        options={"least": 3},
    )
    made = loading.pipeline([entry, FilterSettings(use="loops")], SUPPLIES)
    assert made.names == ("skeleton", "loops")


@pytest.mark.parametrize(
    ("use", "options", "words"),
    [
        ("acess", {}, "filters[1].use: no filter is called 'acess'"),
        ("acess", {}, "did you mean access?"),
        ("mysite.filters:Own", {}, "filters[1].use: no module mysite"),
        ("relay.filters.skeleton:Own", {}, "relay.filters.skeleton has no filter class 'Own'"),
        ("relay.filters.base:Alerts", {}, "has no filter class 'Alerts'"),
        ("relay.filters.skeleton:Skeleton", {"least": "x"}, "least must be a number"),
        ("tests.filters.test_loading:NeedsMore", {}, "takes 1 positional argument"),
        ("loops", {"max_received": "0"}, "options.max_received must be a whole number"),
        ("loops", {"most": "1"}, "loops has no option 'most'"),
        ("access", {"x": 1}, "access has no option 'x'"),
    ],
)
def test_faults_are_named(use: str, options: dict[str, Any], words: str) -> None:
    entries = [FilterSettings(use="access"), FilterSettings(use=use, options=options)]
    with pytest.raises(SourceError) as error:
        loading.pipeline(entries, SUPPLIES)
    assert words in str(error.value)


def test_a_module_that_breaks_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_site_filter.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SourceError, match="broken_site_filter cannot be imported: ZeroDivision"):
        loading.pipeline([FilterSettings(use="broken_site_filter:Own")], SUPPLIES)


def test_all_faults_at_once() -> None:
    with pytest.raises(SourceError) as error:
        loading.pipeline([FilterSettings(use="a"), FilterSettings(use="b:C")], SUPPLIES)
    assert len(error.value.problems) == 2
