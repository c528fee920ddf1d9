"""From the configuration to a pipeline; every fault at once, with its key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from relay.filters import loading
from relay.filters.base import Filter, Transaction
from relay.filters.settings import FilterSettings, PipelineSettings
from relay.mail.envelope import Recipient
from relay.mail.reply import Reply
from relay.mail.verdict import Accept, Proposal, Reject
from relay.strict_yaml import SourceError
from tests.filters.letters import RULES, Alerts, recipient, transaction

SUPPLIES = loading.Supplies(
    hostname="relay.lpse.example.go.id",
    allowed_senders=["@lpse.example.go.id"],
    rules=RULES,
    signed_domains=["lpse.example.go.id"],
    alerts=Alerts(),
)


YES = Proposal(Accept(Reply(250, None, "Ok")))


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


OWN = "relay.filters.skeleton:Skeleton"


def test_a_failure_of_access_is_never_forgiven() -> None:
    entries = [FilterSettings(use="loops"), FilterSettings(use="access", on_error="accept")]
    with pytest.raises(SourceError) as error:
        loading.pipeline(entries, SUPPLIES)
    [problem] = error.value.problems
    assert problem.key == "filters[1].on_error" and problem.suggestion == "write on_error: defer"


def test_no_filter_of_a_site_is_asked_before_access() -> None:
    entries = [FilterSettings(use=use) for use in ("loops", OWN, "access", OWN)]
    with pytest.raises(SourceError) as error:
        loading.pipeline(entries, SUPPLIES)
    [problem] = error.value.problems
    assert problem.key == "filters[1].use" and "before access" in problem.message
    assert problem.suggestion == f"move access before {OWN}"
    made = loading.pipeline([FilterSettings(use=use) for use in ("loops", "access", OWN)], SUPPLIES)
    assert made.names == ("loops", "access", "skeleton")


class AcceptsAll(Filter):
    """A site's filter that says yes at every stage."""

    def __init__(self, options: dict[str, Any], alerts: Alerts) -> None:
        self.name = "accepts_all"

    async def mail(self, transaction: Transaction) -> Proposal:
        """Yes."""
        return YES

    async def rcpt(self, transaction: Transaction, recipient: Recipient) -> Proposal:
        """Yes."""
        return YES

    async def data(self, transaction: Transaction) -> Proposal:
        """Yes."""
        return YES


async def test_a_site_s_yes_does_not_open_the_relay() -> None:
    uses = ("access", "tests.filters.test_loading:AcceptsAll")
    made = loading.pipeline([FilterSettings(use=use) for use in uses], SUPPLIES)
    letter = transaction("From: boss@bank.example\n", is_trusted=False)
    assert isinstance(await made.mail(letter), Accept)
    assert isinstance(await made.rcpt(letter, recipient()), Reject)
    assert isinstance(await made.data(letter), Reject)


def test_a_module_that_breaks_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_site_filter.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SourceError, match="broken_site_filter cannot be imported: ZeroDivision"):
        loading.pipeline([FilterSettings(use="broken_site_filter:Own")], SUPPLIES)


def test_all_faults_at_once() -> None:
    with pytest.raises(SourceError) as error:
        loading.pipeline([FilterSettings(use="a"), FilterSettings(use="b:C")], SUPPLIES)
    assert len(error.value.problems) == 2
