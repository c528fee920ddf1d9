"""Proof: what the demo claims, each claim checked at the receiving side or the front door."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from relay.lab.internet import Internet
from relay.lab.models import BLOCKED
from relay.lab.provider import Ledger
from relay.lab.running import Relay
from relay.mail import address
from relay.store.reader import open_readonly

METRICS: Final = ("lpse_received_total", "lpse_deliveries_total", "lpse_replies_total")
Outcome = tuple[str, str | None, int, str]
Check = tuple[str, bool]
SHOWN: Final = re.compile(
    r"lpse_received_total |lpse_deliveries_total.*(delivered|bounced)"
    r"|lpse_replies_total.*(sender_blocked|unknown_user)"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """`outcomes`: state, category, count, what was said. `checks`: a sentence, and if it holds.
    `page` and `metrics`: lines of what was looked at."""

    outcomes: tuple[Outcome, ...]
    checks: tuple[Check, ...]
    page: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True where every check does."""
        return all(is_true for _, is_true in self.checks)


async def prove(
    relay: Relay, internet: Internet, sent: Sequence[tuple[str, str]], dead: str, announced: int
) -> Proof:
    """Ask the ledger, the store, the inbox page and the metrics. `announced`: to how many the
    announcement went."""
    rows = await _rows(relay, sent)
    seen = (*_arrived(internet.ledger, sent, announced), *_stored(rows, sent, dead))
    opened, page = await _page(relay, *sent[-1])
    counted, metrics = await _metrics(relay, len(sent))
    return Proof(await _outcomes(relay, rows), (*seen, opened, counted), page, metrics)


def _arrived(ledger: Ledger, sent: Sequence[tuple[str, str]], announced: int) -> Iterator[Check]:
    """By what the receiving side wrote down."""
    blocked = [r for *_, r in ledger.refusals if r.startswith(BLOCKED[:9])]
    yield (
        f"Gmail blocked in the middle, in the notice's words (refused: {len(blocked)})",
        bool(blocked),
    )
    vendors = {to for to, subject in sent if "Tender" in subject}
    arrived = Counter(to for arrival in ledger.arrivals for to in arrival.recipients)
    yield (
        f"all {announced} Gmail vendors got the announcement, once each",
        len(vendors) == announced and all(arrived[vendor] == 1 for vendor in vendors),
    )
    signed = Counter(a.dkim for a in ledger.arrivals if a.sender)
    yield (
        "the receiving side verified the DKIM signature of every letter that arrived: "
        + ", ".join(f"{count} {result}" for result, count in signed.items()),
        set(signed) == {"pass"},
    )


def _stored(
    rows: dict[str, dict[str, Any]], sent: Sequence[tuple[str, str]], dead: str
) -> Iterator[Check]:
    """By the inboxes."""
    yield (
        f"the dead address bounced as unknown_user, and only that one: {dead}",
        [(to, row["category"]) for to, row in rows.items() if row["state"] == "bounced"]
        == [(dead, "unknown_user")],
    )
    yield (
        "every letter stands in its vendor's inbox",
        all(to in rows and rows[to]["subject"] == subject for to, subject in sent),
    )


async def _rows(relay: Relay, sent: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """The newest inbox row of each address, from the store itself."""
    found = {}
    store = await open_readonly(relay.state)
    try:
        for to, _ in sent:
            mailbox = await store.mailbox(address.parse(to).key)
            for row in await store.page(mailbox.id, 1) if mailbox else []:
                found[to] = {
                    "id": row.message_id,
                    "subject": row.subject,
                    "state": row.state.word,
                    "category": row.category.value if row.category else None,
                }
    finally:
        await store.close()
    return found


async def _outcomes(relay: Relay, rows: dict[str, dict[str, Any]]) -> tuple[Outcome, ...]:
    queue = await relay.call("queue.ls", selector={}, limit=1000)
    waiting = {row["recipient"]: row for row in queue["deliveries"]}
    counts: Counter[tuple[str, str | None, str]] = Counter()
    for to, row in rows.items():
        live = waiting.get(to)
        if live is None:
            counts[row["state"], row["category"], ""] += 1
        else:
            counts[live["state"], live["category"], live["why"]] += 1
    return tuple((s, c, n, why) for (s, c, why), n in counts.most_common())


async def _page(relay: Relay, vendor: str, subject: str) -> tuple[Check, tuple[str, ...]]:
    """Open the inbox as a vendor does: the link, its button, the list."""
    link = (await relay.call("inbox.link", address=vendor))["url"]
    async with httpx.AsyncClient(follow_redirects=True, timeout=10) as browser:
        door = await browser.get(link)
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', door.text))
        action = re.search(r'<form[^>]*action="([^"]+)"', door.text)
        where = httpx.URL(link).join(action[1] if action else "")
        origin = f"{where.scheme}://{where.netloc.decode()}"
        inbox = await browser.post(where, data=fields, headers={"Origin": origin})
    async with httpx.AsyncClient(timeout=10) as stranger:
        again = await stranger.post(where, data=fields, headers={"Origin": origin})
    opened = inbox.status_code == 200 and subject in inbox.text and again.status_code >= 400
    said = f"the inbox page opens by a signed link, once, and shows “{subject}”"
    return (said, opened), tuple(_lines(inbox.text))


def _lines(page: str) -> Iterator[str]:
    """Heading and letters of the list, without their tags."""
    for found in re.finditer(r"<(h1|li class)\b.*?</(h1|li)>", page, re.DOTALL):
        words = re.sub(r"<[^>]*>", " ", found[0]).split()
        yield html.unescape(" ".join(words))


async def _metrics(relay: Relay, sent: int) -> tuple[Check, tuple[str, ...]]:
    about = await relay.call("status")
    async with httpx.AsyncClient(timeout=10) as client:
        page = (await client.get(f"http://{about['metrics']}/metrics")).text
        healthy = (await client.get(f"http://{about['metrics']}/healthz")).status_code == 200
    received = re.search(r"^lpse_received_total(?:\{[^}]*\})? ([0-9.e+]+)$", page, re.MULTILINE)
    counted = received is not None and float(received[1]) == sent
    named = all(name in page for name in METRICS)
    shown = tuple(line for line in page.splitlines() if SHOWN.match(line))
    said = f"/metrics counts the {sent} letters; /healthz is well"
    return (said, counted and named and healthy), shown
