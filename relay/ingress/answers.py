"""Answers: what the door says, each with its enhanced code (RFC 3463); the log has the detail."""

from __future__ import annotations

from typing import Final

from relay.mail.reply import EnhancedCode, Reply


class Refused(Exception):
    """A command is refused: `reply` goes to the client, `reason` is the metric's label."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.reason = reason


def answer(code: int, enhanced: str, text: str) -> Reply:
    """`answer(250, "2.1.0", "Ok")`; an empty enhanced code for replies that have none."""
    return Reply(code, EnhancedCode.parse(enhanced), text)


def queued(name: str) -> Reply:
    """The 250 of a letter that is on disk."""
    return Reply(250, OK.enhanced, f"queued as {name}")


OK: Final = answer(250, "2.0.0", "Ok")
SENDER_OK: Final = answer(250, "2.1.0", "Ok")
RECIPIENT_OK: Final = answer(250, "2.1.5", "Ok")
GO_AHEAD: Final = answer(354, "", "End data with <CR><LF>.<CR><LF>")
BYE: Final = answer(221, "2.0.0", "Bye")
TLS_FAILED: Final = answer(454, "4.7.0", "TLS handshake failed")  # for the log: nobody hears it
TLS_READY: Final = answer(220, "2.0.0", "Ready to start TLS")
VERIFY: Final = answer(252, "2.5.0", "Cannot verify, but will take mail and try")

ENOUGH: Final = answer(421, "4.7.0", "Too many errors, closing")
LEADS_NOWHERE: Final = answer(421, "4.7.0", "Too many commands without a letter, closing")
OUTSTAYED: Final = answer(421, "4.7.0", "Neither authenticated nor a letter in time, closing")
TEMPORARY: Final = answer(451, "4.3.0", "Temporary failure, nothing was taken; try again")
CLOSING: Final = answer(451, "4.3.2", "Shutting down, nothing was taken; try again")
TOO_BUSY: Final = answer(421, "4.3.2", "Too many sessions, try again later")
IDLE: Final = answer(421, "4.4.2", "Idle for too long, closing")
LOW_DISK: Final = answer(452, "4.3.1", "Insufficient storage, try again later")
TOO_MANY_RECIPIENTS: Final = answer(452, "4.5.3", "Too many recipients in one message")

NO_LINE: Final = answer(500, "5.5.2", "Lines end with CR LF, and hold neither alone, nor NUL")
TOO_LONG: Final = answer(500, "5.5.2", "Command line too long")
UNKNOWN: Final = answer(500, "5.5.1", "Command not recognized")
NOT_HERE: Final = answer(502, "5.5.1", "Command not implemented")
ONLY_ESMTP: Final = answer(503, "5.5.1", "Send EHLO first")
GREET_FIRST: Final = answer(503, "5.5.1", "Send HELO or EHLO first")
NESTED_MAIL: Final = answer(503, "5.5.1", "Nested MAIL command")
MAIL_FIRST: Final = answer(503, "5.5.1", "Send MAIL first")
RECIPIENTS_FIRST: Final = answer(503, "5.5.1", "No recipients; send RCPT first")
IN_TRANSACTION: Final = answer(503, "5.5.1", "Not during a mail transaction")
IS_TLS: Final = answer(503, "5.5.1", "TLS is active already")
NO_ARGUMENT: Final = answer(501, "5.5.4", "This command takes no argument")
BAD_NAME: Final = answer(501, "5.5.4", "Write EHLO and a host name")
NO_PROXY: Final = answer(554, "5.5.1", "The PROXY protocol is not spoken here")

TOO_BIG: Final = answer(552, "5.3.4", "Message too big")
HEAD_TOO_BIG: Final = answer(552, "5.3.4", "Message header too big")
HAS_NUL: Final = answer(554, "5.6.0", "Message holds NUL")
BARE_NEWLINE: Final = answer(554, "5.6.0", "Message holds a bare CR or LF")
NOBODY_LEFT: Final = answer(554, "5.5.0", "No recipients left")

AUTH_OK: Final = answer(235, "2.7.0", "Authentication successful")
AUTH_BAD: Final = answer(535, "5.7.8", "Authentication credentials invalid")
AUTH_OVER: Final = answer(535, "5.7.8", "Too many failures in this session")
AUTH_BUSY: Final = answer(454, "4.7.0", "Too many authentications at once, try again later")
AUTH_DONE: Final = answer(503, "5.5.1", "Authenticated already")
AUTH_NEEDS_TLS: Final = answer(538, "5.7.11", "Encryption required for authentication")
AUTH_WHICH: Final = answer(501, "5.5.4", "Write AUTH and a mechanism: PLAIN or LOGIN")
AUTH_UNKNOWN: Final = answer(504, "5.5.4", "Unknown mechanism: PLAIN or LOGIN")
AUTH_SYNTAX: Final = answer(501, "5.5.2", "That is not base64, or not what was asked for")
AUTH_CANCELLED: Final = answer(501, "5.7.0", "Authentication cancelled")
