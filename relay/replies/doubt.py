"""Doubt: words beside a verdict on an address that say it may not last, or was never looked up.

`550 User temporarily suspended`, `550 5.1.1 LDAP error, no such user`: the code and the rule say
that the address is dead, the words say that it is not, or that nobody could tell. A wrong bounce
loses a letter, a wrong retry costs some minutes: such a reply keeps the mail.
"""

from __future__ import annotations

from typing import Any, Final

import re2

from relay.replies import wording
from relay.replies.rules import options


def _compiled(*patterns: str) -> Any:
    return re2.compile(wording.plain("|".join(patterns)), options())


# It will pass: in the languages that `other-languages.yaml` knows.
_PASSING: Final = _compiled(
    r"\btempora|\btransient|\bmomentan|\bmomentarily|\b(at|for) (the|this) moment\b|\blater\b",
    r"vorübergehend|voruebergehend|\bzur ?zeit\b|\bsp(ä|ae)ter\b",
    r"\bplus tard\b|\bpour (le moment|l'instant)\b",
    r"\bm(á|a)s tarde\b|\bmais tarde\b|\bpor el momento\b|\bno momento\b",
    r"\bsementara\b|\bcoba(lah)? (lagi|kembali)\b|\bnanti\b|\bbeberapa saat\b",
    r"временно|позже|позднее|暂时|暫時|临时|臨時|稍后|稍後|一時的|後ほど|しばらく",
)
# Or it lasts after all, in so many words.
_LASTING: Final = _compiled(
    r"\bpermanently\b|\bnot temporar|\bnever\b|\bretrying will not\b",
    r"\b(do|will|can) ?n[o']t (be )?(re-?try|try|re-?send)",
    r"\bdauerhaft|\bpermanentemente\b|\bsecara permanen\b|\bd(é|e)finitivement\b",
)
_AGAIN: Final = _compiled(
    r"\b(try|retry|send|resend)( \S+){0,4} again\b|\bplease (re-?try|resend)\b"
)
# What is to be tried again there is another address.
_MENDED: Final = _compiled(r"\b(check|correct|verify|spelling|typos?|another|different|new)\b")

_SOURCE: Final = (
    r"(ldap|dns|sql|mysql|database|db|directory|nis|look-?up|resolver|name ?server|back-?end)"
)
_NOT_LOOKED_UP: Final = _compiled(
    # `ldap server is unavailable`, `dns error`, `lookup failed`
    r"\b" + _SOURCE + r"[:,;-]?( (server|service|search|query|host|access|bind|connection|connect"
    r"|request|lookup|is|was|has|currently|internal|general|unknown)){0,3} (error|fail|problem"
    r"|trouble|time-?out|timed out|down\b|offline|unreachable|unavailable|busy\b|refused"
    r"|not (available|reachable|responding|ready))",
    # `error while querying the directory`, `could not contact the ldap server`
    r"\b(error|failure|problem|trouble|time-?out)( \S+){0,2} (in|of|from|with|at|by|during|while"
    r"|querying|contacting|reading)( \S+){0,2} " + _SOURCE + r"\b",
    r"\b(not|unable to|cannot|can't) (contact|connect|reach|query|access)( \S+){0,3} "
    + _SOURCE
    + r"\b",
    r"\b(internal|system|server|local|configuration|software) (error|failure|problem)\b",
    r"\btimed? ?out\b|\bconnection (refused|lost|failed)\b|\bservfail\b",
)
# An answer all the same: the domain does not exist, or the directory does not have the address; or
# a frame (Cisco's) round an answer that was given elsewhere.
_ANSWERED: Final = _compiled(
    r"\bnxdomain\b|\bdomain name not found\b|\brecipient verify from ldap failed\b"
    r"|\bother mail system problem\b"
)
# The other address of the dialogue: ours.
_SENDER: Final = _compiled(r"\b(sender|mail ?from|envelope.from|(return|reverse)[ -]path)\b")


def is_cast(words: str, *, is_guess: bool) -> bool:
    """Whether a reply's words cast doubt on the verdict that an address is dead.

    ``words``: the text as :func:`relay.replies.wording.comparable` makes it. ``is_guess``: no rule
    knew the words, the codes alone said so; then a text that names the sender may as well speak of
    that one.
    """
    if _PASSING.search(words) and not _LASTING.search(words):
        return True
    if _AGAIN.search(words) and not (_MENDED.search(words) or _LASTING.search(words)):
        return True
    if _NOT_LOOKED_UP.search(words) and not _ANSWERED.search(words):
        return True
    return is_guess and _SENDER.search(words) is not None
