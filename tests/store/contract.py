"""The contract: what base.py promises, asked of every store. Subclasses bring the `store`."""

from __future__ import annotations

from tests.store.contract_inbox import Inbox
from tests.store.contract_leasing import Leasing
from tests.store.contract_named import LeasingOthers
from tests.store.contract_operating import Operating
from tests.store.contract_owing import OwingOnce
from tests.store.contract_putting import Putting
from tests.store.contract_refused import Refused
from tests.store.contract_reports import Reporting
from tests.store.contract_requeueing import Requeueing
from tests.store.contract_returns import Returning
from tests.store.contract_settling import Settling
from tests.store.contract_suppressing import Suppressing
from tests.store.contract_unsent import Unsents


class Contract(
    Putting,
    Leasing,
    LeasingOthers,
    Settling,
    Operating,
    Requeueing,
    Suppressing,
    Returning,
    Reporting,
    Unsents,
    OwingOnce,
    Refused,
    Inbox,
):
    """All of it."""
