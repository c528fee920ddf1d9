"""Reported: what a status report quotes of a server, as the reply that the rules read.

A `Diagnostic-Code` holds the reply flattened to one line, with or without codes, or the line that
another mail system's log would have (`host H[ip] said: 550 …`). Where it has no code of its own the
report's `Status` gives one; a report that says *failed* without any code proves nothing.
"""

from __future__ import annotations

from dataclasses import replace

from relay.mail.dsn import ReportedRecipient
from relay.mail.reply import EnhancedCode, Reply
from relay.replies import logline


def reply_of(one: ReportedRecipient) -> tuple[Reply, str]:
    """The reply and the host that said it; an empty name where the report tells none. Total."""
    reading = logline.read(one.diagnostic)
    reply, status = reading.reply, one.status
    if not reply.code and status is not None and status.klass > 2:
        reply = replace(reply, code=status.klass * 100 + 50, enhanced=reply.enhanced or status)
    elif reply.enhanced is None and status is not None and _says_more(status, reply):
        reply = replace(reply, enhanced=status)
    return reply, reading.mx or _host(one.remote_mta)


def retold(text: str) -> Reply:
    """The reply in a late report's words as its record keeps them: the status may stand first."""
    status = EnhancedCode.parse(text)
    words = text if status is None else text.lstrip().removeprefix(str(status)).lstrip()
    return reply_of(ReportedRecipient("", "failed", status, words))[0]


def _says_more(status: EnhancedCode, reply: Reply) -> bool:
    """A status X.0.0 says nothing that the code does not; one of another class contradicts it."""
    return status.klass == reply.code // 100 and (status.subject, status.detail) != (0, 0)


def _host(remote_mta: str) -> str:
    """`gmail-smtp-in.l.google.com. (192.0.2.26, the server …)` → the name alone."""
    words = remote_mta.split(maxsplit=1)
    return words[0].rstrip(".").lower()[:255] if words else ""
