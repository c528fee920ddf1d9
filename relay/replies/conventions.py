"""Conventions: what a category means for scope and action where a rule does not say it itself.

The table is the house's recommendation: a dead mailbox ends this recipient, a block or throttle
makes the provider wait, our own faults wait for an administrator, and only what is about this
very message ends the message.
"""

from __future__ import annotations

from typing import Final

from relay.mail.classification import Action, Category, Scope
from relay.mail.reply import Stage

DEFAULTS: Final[dict[Category, tuple[Scope, Action]]] = {
    Category.UNKNOWN_USER: (Scope.RECIPIENT, Action.BOUNCE_ADDRESS),
    Category.INACTIVE_USER: (Scope.RECIPIENT, Action.BOUNCE_ADDRESS),
    Category.MAILBOX_FULL: (Scope.RECIPIENT, Action.BOUNCE_ADDRESS),
    Category.BAD_DOMAIN: (Scope.RECIPIENT, Action.BOUNCE_ADDRESS),
    Category.SENDER_BLOCKED: (Scope.SENDER, Action.SLOW_DOWN_PROVIDER),
    Category.RATE_LIMITED: (Scope.SENDER, Action.SLOW_DOWN_PROVIDER),
    Category.SPAM_CONTENT: (Scope.MESSAGE, Action.BOUNCE_MESSAGE),
    Category.AUTH_FAILED: (Scope.OURSELVES, Action.FIX_CONFIG),
    Category.POLICY: (Scope.MESSAGE, Action.BOUNCE_MESSAGE),
    Category.MESSAGE_TOO_BIG: (Scope.MESSAGE, Action.BOUNCE_MESSAGE),
    Category.GREYLISTED: (Scope.DESTINATION, Action.RETRY_LATER),
    Category.NETWORK: (Scope.DESTINATION, Action.RETRY_LATER),
    Category.PROTOCOL: (Scope.MESSAGE, Action.BOUNCE_MESSAGE),
    Category.SERVER_ERROR: (Scope.DESTINATION, Action.RETRY_LATER),
    Category.OTHER: (Scope.DESTINATION, Action.RETRY_LATER),
}

SCOPES: Final[dict[Action, frozenset[Scope]]] = {
    Action.BOUNCE_ADDRESS: frozenset({Scope.RECIPIENT}),
    Action.BOUNCE_MESSAGE: frozenset({Scope.MESSAGE, Scope.OURSELVES}),
    Action.RETRY_LATER: frozenset(Scope),
    Action.SLOW_DOWN_PROVIDER: frozenset({Scope.SENDER, Scope.DESTINATION, Scope.MESSAGE}),
    Action.FIX_CONFIG: frozenset({Scope.OURSELVES, Scope.SENDER}),
}

PERMANENT: Final = frozenset({Action.BOUNCE_ADDRESS, Action.BOUNCE_MESSAGE})

# Before MAIL nobody's address has been named and no letter has been shown: a verdict there is
# about the site or about our IP.
BEFORE_MAIL: Final = frozenset({Stage.CONNECT, Stage.HELO, Stage.STARTTLS, Stage.AUTH})

# Stages at which rules and rows may say a reply was had.
STAGES: Final = tuple(stage.word for stage in Stage)


def scope_of(category: Category, action: Action) -> Scope:
    """The scope of a rule that names none: the category's, unless its action needs another."""
    usual, _ = DEFAULTS[category]
    if action is Action.BOUNCE_ADDRESS:
        return Scope.RECIPIENT
    if action is Action.FIX_CONFIG:
        return Scope.OURSELVES
    if action is Action.RETRY_LATER and category is Category.RATE_LIMITED:
        return Scope.RECIPIENT
    return usual
