"""Rereading: the replies that the store holds, read once more, by the site's rules or by others.

The store is read as it lies, whether a relay runs on it or not; nothing of it is changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.config import read_all, site_classifier
from relay.config.written import classifier_of
from relay.mail.classification import Classification
from relay.mail.instant import Instant, iso
from relay.replies import Classifier, Problem, SourceError, unknown
from relay.replies.rules import Layer
from relay.scheduler import hops
from relay.service.offline import opened
from relay.store.reader import ReadOnlyStore
from relay.store.refusals import FIRST, Refusal

MOST_CHANGES: Final = 10_000  # kinds of changes held at once: above it the newcomers are one
_OTHERS: Final = "(others)"


@dataclass(slots=True)
class _Change:
    """Replies of one shape that other rules would read otherwise."""

    now: Classification
    then: Classification
    reply: str
    count: int
    last_at: Instant


async def unknown_kinds(file: Path, state_dir: Path, since: Instant, limit: int) -> dict[str, Any]:
    """What no rule's words knew, by kind: counts, times, the reply scrubbed, a rule to paste.

    Raises SourceError for the site's rules, StoreError.
    """
    classifier = site_classifier(file)
    kinds = unknown.Kinds()
    read = guessed = 0
    store = await opened(state_dir)
    try:
        async for refusal in _since(store, since):
            read += 1
            if classifier.is_guess(classifier.classify(refusal.reply, refusal.mx)):
                guessed += 1
                kinds.add(refusal.at, unknown.without(refusal.reply, refusal.recipient))
    finally:
        await store.close()
    ordered = kinds.ordered()
    shown = ordered[:limit]
    rows = [
        {
            "count": kind.count,
            "first_at": iso(kind.first_at),
            "last_at": iso(kind.last_at),
            "reply": kind.shape,
            "draft": draft,
        }
        for kind, draft in zip(shown, unknown.drafts(shown), strict=True)
    ]
    return {"replies": read, "unknown": guessed, "kinds": len(ordered), "rows": rows}


async def replay(
    file: Path, state_dir: Path, since: Instant, rules: Sequence[Path]
) -> dict[str, Any]:
    """What would be decided otherwise if these files lay in `site.d`, each in place of the one of
    its name there.

    Raises SourceError for either's rules and for a file that cannot be read, StoreError.
    """
    own = read_all(file).rules
    names = {path.name for path in rules}
    stay = {where: text for where, text in own.items() if Path(where).name not in names}
    now, then = classifier_of(own), classifier_of(stay | {str(one): _text(one) for one in rules})
    changes: dict[tuple[str, str, str], _Change] = {}
    used: set[str] = set()
    read = same = 0
    store = await opened(state_dir)
    try:
        async for refusal in _since(store, since):
            read += 1
            before, after = (one.classify(refusal.reply, refusal.mx) for one in (now, then))
            used.add(after.rule)
            before, after = (
                hops.said_by(refusal.route_key, one, refusal.reply) for one in (before, after)
            )
            if (before.category, before.action) == (after.category, after.action):
                same += 1
            else:
                _note(changes, refusal, before, after)
    finally:
        await store.close()
    ordered = sorted(changes.values(), key=lambda one: (-one.count, one.reply))
    return {
        "replies": read,
        "same": same,
        "changed": read - same,
        "unused": [rule for rule in _of_site(then) if rule not in used],
        "rows": [_shown(change) for change in ordered],
    }


async def hits(file: Path, state_dir: Path, since: Instant) -> list[dict[str, Any]]:
    """How often each rule decided since then; a rule of the site's that did not stands with 0.

    Raises SourceError for the site's rules, StoreError.
    """
    own = _of_site(site_classifier(file))
    store = await opened(state_dir)
    try:
        found = await store.hits(since)
    finally:
        await store.close()
    rows: list[dict[str, Any]] = [
        {
            "rule": one.rule,
            "count": one.count,
            "first_at": iso(one.first_at),
            "last_at": iso(one.last_at),
        }
        for one in found
    ]
    silent = [rule for rule in own if rule not in {one.rule for one in found}]
    return rows + [{"rule": rule, "count": 0, "first_at": None, "last_at": None} for rule in silent]


async def _since(store: ReadOnlyStore, since: Instant) -> AsyncIterator[Refusal]:
    after = FIRST
    while piece := await store.refusals(since, after):
        for refusal in piece:
            yield refusal
        after = piece[-1].key


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = (error.strerror or str(error)) if isinstance(error, OSError) else "is not UTF-8"
        raise SourceError([Problem(str(path), 0, "", said)]) from None


def _of_site(classifier: Classifier) -> list[str]:
    return [
        rule.id
        for ruleset in classifier.rulesets
        if ruleset.layer is Layer.SITE
        for rule in ruleset.rules
    ]


def _note(
    changes: dict[tuple[str, str, str], _Change],
    refusal: Refusal,
    before: Classification,
    after: Classification,
) -> None:
    reply = unknown.shape(unknown.without(refusal.reply, refusal.recipient))
    key = (before.rule, after.rule, reply)
    if key not in changes and len(changes) >= MOST_CHANGES:
        key = (before.rule, after.rule, _OTHERS)
    known = changes.setdefault(key, _Change(before, after, key[2], 0, refusal.at))
    known.count += 1
    known.last_at = max(known.last_at, refusal.at)


def _shown(change: _Change) -> dict[str, Any]:
    return {
        "count": change.count,
        "last_at": iso(change.last_at),
        "now": _meaning(change.now),
        "then": _meaning(change.then),
        "reply": change.reply,
    }


def _meaning(said: Classification) -> dict[str, str]:
    return {"category": said.category, "action": said.action, "rule": said.rule}
