"""Late: what came back after a server took a letter, in words for the terminal."""

from __future__ import annotations

from typing import Final

LATE: Final = {  # by `kind` of a late report
    "failed": "delivered, later returned",
    "complaint": "delivered, and called spam by its reader",
    "delayed": "delayed behind the server that took it",
    "expanded": "handed on to several addresses",
    "relayed": "handed on to a server that makes no reports",
    "delivered": "said to have arrived",
    "feedback": "a provider's feedback",
}
