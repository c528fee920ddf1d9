"""Letters of the notice's inbox by their ids, as the pages' addresses name them."""

from __future__ import annotations

from relay.mail import ids
from relay.mail.instant import HOUR, MINUTE
from tests.web.shelf import NOW, message_id

INVITATION = ids.show(message_id(NOW - MINUTE), 0)
CANCELLED = ids.show(message_id(NOW - 5 * MINUTE), 0)
RIVALS = ids.show(message_id(NOW - 24 * HOUR, 99), 0)  # in the other mailbox
