"""Wording: a delivery's state in words a vendor understands; pure, total over category and state.

Never *diterima* or *dibaca* alone: what we know is that a server took the letter. Whose fault it
is follows the category: a block of our server says that nothing is wrong with the address. Why an
administrator held a letter is for the audit trail alone: the vendor reads that it is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from markupsafe import Markup, escape

from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.replies import notice
from relay.web import dates
from relay.web.dates import Language, Zone
from relay.web.returned import RETURNED
from relay.web.words import (
    DEADLINE,
    FAILED,
    LAST_CAUSE,
    STATES,
    TOLD,
    WAITING,
    WITHOUT_BUTTON,
    Phrase,
)

Tone = Literal["good", "wait", "bad", "calm"]
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_TONES: Final[dict[State, Tone]] = {
    State.DELIVERED: "good",
    State.BOUNCED: "bad",
    State.EXPIRED: "bad",
    State.SUPPRESSED: "bad",
    State.HELD: "wait",
    State.WAITING: "wait",
}
_HELP: Final = re.compile(r"(?:Helpdesk|Verifikator) LPSE|LPSE's (?:helpdesk|verifier)")
_ABOUT_THE_ADDRESS: Final = frozenset(
    {Category.UNKNOWN_USER, Category.INACTIVE_USER, Category.MAILBOX_FULL, Category.BAD_DOMAIN}
)
_SPAM: Final = frozenset({Category.SENDER_BLOCKED, Category.SPAM_CONTENT})
_KNOWN: Final = {
    "gmail": "Google (Gmail)",
    "yahoo": "Yahoo",
    "outlook": "Microsoft (Outlook, Hotmail)",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a delivery. All texts are foreign and are escaped here."""

    address: str
    state: State
    category: Category | None
    state_at: Instant
    code: str  # ID.n
    sender: str
    provider: str = ""  # its name in words; empty: the address's domain
    reply: str = ""
    tries: int = 0
    next_at: Instant | None = None
    expires_at: Instant | None = None
    deadline_at: Instant | None = None
    alerted_at: Instant | None = None  # only where an alert was sent
    accepted_before: bool = False  # the address once took our mail
    can_resend: bool = False  # the page has a button for it
    contact: str | None = None  # where the helpdesk is reached
    returned_at: Instant | None = None  # a server took it, and sent it back then
    returned_for: Category | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """`status` is the state, `label` what it is about; `explanation` and `advice` are sentences."""

    status: Markup
    label: Markup
    explanation: Markup
    advice: Markup
    tone: Tone


def wording(facts: Facts, zone: Zone = "WIB", language: Language = "id") -> Wording:
    """The words for a delivery as it stands."""
    if facts.state is State.DELIVERED and facts.returned_at is not None:
        return _returned(facts, zone, language)
    category = _category(facts)
    state = STATES[facts.state][language]
    phrase = _phrase(facts, category, language)
    extra = ""
    if facts.state is State.EXPIRED and category is not None:
        extra = LAST_CAUSE[language]
    values = _values(facts, category, zone, language)
    explanation = _filled(phrase.explanation + extra, values)
    if phrase is not state and category in _SPAM and facts.alerted_at is not None:
        told = dates.shown(facts.alerted_at, zone, language)
        explanation += _filled(TOLD[language], {"waktu": told})
    return Wording(
        _filled(state.label, values),
        _filled(phrase.label, values),
        explanation,
        _filled(_advice(phrase.advice, facts), values),
        _TONES.get(facts.state, "calm"),
    )


def _advice(advice: str, facts: Facts) -> str:
    if not facts.can_resend:
        for spoken, instead in WITHOUT_BUTTON.items():
            advice = advice.replace(spoken, instead)
    return _HELP.sub(r"\g<0> ({kontak})", advice, count=1) if facts.contact else advice


def _returned(facts: Facts, zone: Zone, language: Language) -> Wording:
    """A server took it, and sent it back later: whose fault that is follows the category too."""
    category = _category(replace(facts, category=facts.returned_for or Category.OTHER))
    said, phrase = RETURNED[language], FAILED[category or Category.OTHER][language]
    values = _values(facts, category, zone, language)
    if facts.returned_at is not None:
        values["kembali"] = dates.shown(facts.returned_at, zone, language)
    advice = phrase.advice if category in _ABOUT_THE_ADDRESS else said.advice
    return Wording(
        _filled(said.label, values),
        _filled(phrase.label, values),
        _filled(said.explanation, values),
        _filled(_advice(advice, facts), values),
        "bad",
    )


def deadline(
    facts: Facts, now: Instant, zone: Zone = "WIB", language: Language = "id"
) -> Markup | None:
    """The red banner of a letter that has a deadline ahead and was not delivered."""
    until = facts.deadline_at
    if until is None or until <= now or facts.state in (State.DELIVERED, State.REMOVED):
        return None
    values = {
        "waktu": dates.shown(until, zone, language),
        "sisa": dates.left(until, now, language),
    }
    return _filled(DEADLINE[language], values)


def provider_words(name: str, domain: str) -> str:
    """A provider's name as people know it; the domain where it is none that they would know."""
    return _KNOWN.get(name, domain)


def cause(facts: Facts, category: Category | None, language: Language = "id") -> str:
    """What a try's category is called; empty where it was accepted."""
    read = _category(replace(facts, category=category)) if category is not None else None
    if read is None:
        return ""
    table = FAILED if facts.state in (State.BOUNCED, State.EXPIRED) else WAITING
    return table[read][language].label


def _category(facts: Facts) -> Category | None:
    if facts.category is None:
        return Category.OTHER if facts.state is State.BOUNCED else None
    return notice.told_as(facts.category, facts.accepted_before)


def _phrase(facts: Facts, category: Category | None, language: Language) -> Phrase:
    if category is not None:
        if facts.state is State.BOUNCED:
            return FAILED[category][language]
        if facts.state in (State.READY, State.WAITING, State.HELD):
            return WAITING[category][language]
    return STATES[facts.state][language]


def _values(
    facts: Facts, category: Category | None, zone: Zone, language: Language
) -> dict[str, str]:
    indonesian = language == "id"
    domain = facts.address.rpartition("@")[2]
    cause = FAILED[category][language].label if category else ""
    if facts.state in (State.DELIVERED, State.SUPPRESSED, State.EXPIRED):
        moment: Instant | None = facts.state_at
    else:
        moment = facts.expires_at
    return {
        "alamat": facts.address,
        "domain": domain,
        "penyedia": facts.provider or domain,
        "pengirim": facts.sender or "LPSE",
        "kode": facts.code,
        "kontak": facts.contact or "",
        "jawaban": facts.reply or ("(tidak ada)" if indonesian else "(nothing)"),
        "sebab": cause or ("pernah gagal" if indonesian else "it failed before"),
        "n": str(max(facts.tries, 1)),
        "waktu": (
            dates.shown(moment, zone, language)
            if moment is not None
            else ("batas waktunya" if indonesian else "its time is over")
        ),
        "berikut": (
            dates.shown(facts.next_at, zone, language)
            if facts.next_at is not None
            else ("segera" if indonesian else "soon")
        ),
    }


def _filled(template: str, values: dict[str, str]) -> Markup:
    """The template with its bold and its values; only the template's own markup stays markup."""
    bold = _BOLD.sub(r"<strong>\1</strong>", str(escape(template)))
    return Markup(bold).format(**values)  # noqa: S704 - our own words; format escapes the values
