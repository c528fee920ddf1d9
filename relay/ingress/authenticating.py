"""Authenticating: the AUTH dialogue of one session (RFC 4954): PLAIN and LOGIN, three tries."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final

from relay.ingress import answers
from relay.ingress.answers import Refused
from relay.ingress.auth import TooManyAtOnceError
from relay.mail.reply import Reply

if TYPE_CHECKING:
    from relay.ingress.protocol import Session

_USER: Final = Reply(334, None, "VXNlcm5hbWU6")  # "Username:"
_PASSWORD: Final = Reply(334, None, "UGFzc3dvcmQ6")  # "Password:"
_NOTHING: Final = Reply(334, None, "")


class Authenticating:
    """Counts the failures of a session; it is handed that session, and does not keep it."""

    def __init__(self) -> None:
        self._failures = 0

    def is_offered(self, session: Session) -> bool:
        """True where EHLO names it."""
        return session.offers_auth and session.visit.source.user is None

    async def ask(self, session: Session, argument: str) -> str | None:
        """The user's name, or None after the refusal was said. Raises Refused for what is said out
        of place."""
        visit = session.visit
        if not visit.policy.auth.enabled:
            raise Refused(answers.NOT_HERE, "syntax")
        if not session.offers_auth:
            raise Refused(answers.AUTH_NEEDS_TLS, "auth")
        if not visit.is_esmtp:
            raise Refused(answers.ONLY_ESMTP, "sequence")
        if visit.source.user is not None:
            raise Refused(answers.AUTH_DONE, "sequence")
        if visit.transaction is not None:
            raise Refused(answers.IN_TRANSACTION, "sequence")
        if self._failures >= visit.policy.auth.failures_per_session:
            raise Refused(answers.AUTH_OVER, "auth")
        mechanism, _, initial = argument.partition(" ")
        name, password = await _credentials(session, mechanism.upper(), initial.strip())
        await session.flush()
        try:
            user = await session.authenticator.verify(visit.source.ip, name, password)
        except TooManyAtOnceError:
            raise Refused(answers.AUTH_BUSY, "auth") from None
        if user is None:
            self._failures += 1
            raise Refused(answers.AUTH_BAD, "auth")
        return user


async def _credentials(session: Session, mechanism: str, initial: str) -> tuple[bytes, bytes]:
    if mechanism == "PLAIN":
        said = _decoded(initial) if initial else await _challenge(session, _NOTHING)
        parts = said.split(b"\0")
        if len(parts) != 3 or parts[0] not in (b"", parts[1]):
            raise Refused(answers.AUTH_SYNTAX, "auth")
        return parts[1], parts[2]
    if mechanism == "LOGIN":
        name = _decoded(initial) if initial else await _challenge(session, _USER)
        return name, await _challenge(session, _PASSWORD)
    raise Refused(answers.AUTH_UNKNOWN if mechanism else answers.AUTH_WHICH, "auth")


async def _challenge(session: Session, question: Reply) -> bytes:
    session.say(question)
    line = await session.line()
    if line.strip() == b"*":
        raise Refused(answers.AUTH_CANCELLED, "auth")
    return _decoded(line.decode("latin-1").strip())


def _decoded(letters: str) -> bytes:
    if letters == "=":
        return b""
    try:
        return binascii.a2b_base64(letters.encode("ascii", "replace"), strict_mode=True)
    except binascii.Error:
        raise Refused(answers.AUTH_SYNTAX, "auth") from None
