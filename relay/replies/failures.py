"""Failures: what it means when no reply was had: DNS, connection, TLS, our own key."""

from __future__ import annotations

from typing import Final

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Failure, FailureKind

_WAIT: Final = (Category.NETWORK, Scope.DESTINATION, Action.RETRY_LATER)
_GONE: Final = (Category.BAD_DOMAIN, Scope.RECIPIENT, Action.BOUNCE_ADDRESS)
_OURS: Final = (Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG)

MEANINGS: Final[dict[FailureKind, tuple[Category, Scope, Action]]] = {
    # A resolver that does not answer may be ours: the letter waits as for any network trouble.
    FailureKind.DNS: _WAIT,
    FailureKind.NXDOMAIN: _GONE,
    FailureKind.NULL_MX: _GONE,
    FailureKind.NO_ADDRESS: _GONE,
    FailureKind.FORBIDDEN_ADDRESS: _GONE,
    FailureKind.REFUSED: _WAIT,
    FailureKind.UNREACHABLE: _WAIT,
    FailureKind.TIMEOUT: _WAIT,
    FailureKind.LOST: _WAIT,
    FailureKind.TLS: (Category.AUTH_FAILED, Scope.DESTINATION, Action.RETRY_LATER),
    # Perhaps delivered: this letter waits, nobody else is slowed down for it.
    FailureKind.AMBIGUOUS: (Category.NETWORK, Scope.MESSAGE, Action.RETRY_LATER),
    FailureKind.PROTOCOL: (Category.PROTOCOL, Scope.DESTINATION, Action.RETRY_LATER),
    FailureKind.CREDENTIALS: _OURS,
    FailureKind.NO_EHLO: (Category.PROTOCOL, Scope.MESSAGE, Action.RETRY_LATER),
    FailureKind.UNSUPPORTED: (Category.PROTOCOL, Scope.MESSAGE, Action.BOUNCE_MESSAGE),
    FailureKind.ADDRESS: _GONE,
    FailureKind.SIGNING: _OURS,
}


def classify(failure: Failure) -> Classification:
    """The reading of a failure; certain, since it is our own observation."""
    category, scope, action = MEANINGS[failure.kind]
    return Classification(category, scope, action, f"failure.{failure.kind.value}")
