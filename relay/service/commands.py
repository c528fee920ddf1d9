"""Commands: what the control socket answers; reading for all, changes with their audit row."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final, Protocol

from argon2 import PasswordHasher

from relay.clock import Clock
from relay.control import Command, ControlError, Unknown
from relay.mail import ids
from relay.mail.delivery import State
from relay.mail.events import Emit, Held, Paused, Released, Removed, Resumed
from relay.mail.instant import Instant, iso
from relay.service import listing, shapes
from relay.service.listing import OTHER
from relay.service.overview import Overview
from relay.service.selecting import mailbox_key, selector
from relay.service.shapes import WhyNow
from relay.shaping.base import Shaping
from relay.shaping.destination import Rate
from relay.shaping.operating import EVERYTHING
from relay.store.base import Account, Change, Changed, Selector, Store
from relay.store.changing import MOVES, movable

SAMPLE: Final = 10
MAX_ROWS: Final = 100_000
GOODBYES: Final = 2.0  # seconds that `pause` waits for; a slow host's goes on without it


class Deliveries(Protocol):
    """What commands ask of the scheduler."""

    async def recall(self, domains: frozenset[str] | None = None) -> None:
        """Give claimed but not yet flying deliveries back to the queue."""
        ...

    def nudge(self) -> None:
        """Look for work now."""
        ...

    async def keep(self) -> None:
        """Write down what shaping knows by now, or raise StoreError and try it again later."""
        ...

    async def hang_up(self, destinations: Collection[str]) -> None:
        """End their idle sessions, and the busy ones after the letter that they carry."""
        ...


class Destinations(Protocol):
    """What commands ask about who is where."""

    def provider_of(self, domain: str) -> str | None:
        """A domain's label, None where it is not known yet."""
        ...

    def key_of(self, domain: str) -> str | None:
        """A domain's destination, None where it is not known yet."""
        ...

    async def look_up(self, domains: Iterable[str]) -> None:
        """Ask where mail goes that is not known, or not any more; waits for a moment at most."""
        ...

    async def look_up_new(self, domains: Iterable[str]) -> None:
        """The same where nothing was ever known."""
        ...

    def limits_of(self, key: str) -> tuple[Rate, ...]:
        """A provider's limits; none for what is no provider."""
        ...

    async def destination(self, name: str) -> str | None:
        """What `pause NAME` means: a provider, a destination's key, or a domain's destination.

        None for a name that is none of these; LookupError for a domain whose destination cannot
        be told now.
        """
        ...

    def names(self) -> Collection[str]:
        """What a person may have meant: the providers, and what has a standing."""
        ...


Reload = Callable[[], Awaitable[list[str]]]
Link = Callable[[bytes, Instant], tuple[str, Instant]]


class Commands:
    """One instance a running relay; `table` is what the control socket serves."""

    def __init__(
        self,
        store: Store,
        shaper: Shaping,
        deliveries: Deliveries,
        destinations: Destinations,
        clock: Clock,
        steady: Callable[[], Instant],
        emit: Emit,
        reload: Reload,
        link: Link,
        about: dict[str, Any],
        why_now: WhyNow | None = None,
    ) -> None:
        """`steady` is the moment that shaping goes by, `about` what `status` answers (addresses,
        version); all else is the relay's own."""
        self._store = store
        self._shaper = shaper
        self._deliveries = deliveries
        self._destinations = destinations
        self._overview = Overview(shaper, destinations, store.depths, steady)
        self._clock = clock
        self._steady = steady
        self._emit = emit
        self._reload = reload
        self._one_at_a_time = asyncio.Lock()
        self._link = link
        self._about = about
        self._why_now = why_now

    def table(self) -> dict[str, Command]:
        """Command → answer."""
        return {
            "status": self.status,
            "reload": self.reload,
            "queue.ls": self.queue_ls,
            "queue.show": self.queue_show,
            "queue.preview": self.queue_preview,
            "queue.change": self.queue_change,
            "providers": self.providers,
            "pause": self.pause,
            "resume": self.resume,
            "inbox.link": self.inbox_link,
            "users.add": self.users_add,
            "users.ls": self.users_ls,
            "users.rm": self.users_rm,
        }

    async def status(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Addresses, version."""
        return self._about

    async def reload(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Read the configuration anew; the notes say what needs a restart."""
        return {"notes": await self._reload()}

    async def queue_ls(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Totals and the oldest unfinished deliveries."""
        wanted = await self._selector(params)
        limit = min(_number(params, "limit", SAMPLE), MAX_ROWS)
        return await listing.waiting(self._store, wanted, limit, *self._of_places())

    async def queue_show(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """A letter's deliveries in any state, with their attempts."""
        message_id, n = ids.read(str(params["id"]))
        return await listing.letter(self._store, message_id, n, *self._of_places())

    def _of_places(self) -> tuple[shapes.ProviderOf, WhyNow | None, listing.LookUp]:
        return self._destinations.provider_of, self._why_now, self._destinations.look_up_new

    async def queue_preview(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """What a change would move, and some of it."""
        meant = await self._selector(params)
        wanted = movable(_change(params), meant)
        if wanted.states and State.READY in wanted.states:
            # What is claimed counts too; the change calls it back, a look at it stops nothing.
            wanted = replace(wanted, states=wanted.states | {State.LEASED})
        count = sum((await self._store.count(wanted)).values())
        rows = await self._store.rows(wanted, SAMPLE)
        sample = [shapes.delivery(row, self._destinations.provider_of) for row in rows]
        return {"count": count, "sample": sample} | await self._why_none(count, meant)

    async def queue_change(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """hold, release, retry or remove, with a reason."""
        what, reason = _change(params), _reason(params)
        wanted = await self._selector(params)
        if wanted.is_everything:
            raise ControlError("name what is meant: a selector is needed")
        now = self._clock.now()
        async with self._halted(wanted.domains):
            changed = await self._store.change(what, wanted, who, reason, now)
        self._tell(what, wanted, changed, who, reason, now)
        why = await self._why_none(changed.moved, wanted)
        return {"moved": changed.moved, "in_flight": changed.in_flight} | why

    @asynccontextmanager
    async def _halted(self, domains: frozenset[str] | None) -> AsyncIterator[None]:
        """Nothing is claimed meanwhile; one command at a time, since the end of one sets all going
        again."""
        async with self._one_at_a_time:
            try:
                await self._deliveries.recall(domains)
                yield
            finally:
                self._deliveries.nudge()

    async def _why_none(self, count: int, meant: Selector) -> dict[str, Any]:
        """Where a change moves nothing: what is there instead, by state."""
        if count:
            return {}
        there = await self._store.count(meant)
        return {"instead": {state.word: n for state, n in there.items() if n}}

    def _tell(
        self, what: str, wanted: Selector, changed: Changed, who: str, reason: str, now: Instant
    ) -> None:
        if not changed.moved:
            return
        if what == "hold":
            self._emit(Held(now, wanted.message_id, wanted.n, reason, who, changed.moved))
        elif what == "remove":
            self._emit(Removed(now, wanted.message_id, wanted.n, who, reason, changed.moved))
        else:
            self._emit(Released(now, wanted.message_id, wanted.n, who, reason, changed.moved))

    async def providers(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Each destination's standing, and each provider that has mail waiting."""
        return {"providers": await self._overview.rows(self._clock.now())}

    async def pause(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Stop a destination, or `*`, until `resume`; its sessions end as at a pause by a reply."""
        reason, now = _reason(params), self._clock.now()
        key = await self._key(params)
        if key.startswith("@"):
            raise ControlError(f"{key[1:]} has a pause by a reaction: only `resume` knows {key}")
        self._shaper.pause(key, None, f"{who}: {reason}", self._steady())
        hanging_up = asyncio.create_task(self._hang_up(key))  # behind no other command
        try:
            async with self._halted(None):
                await self._keep(who, "pause", key, reason, now)
                self._emit(Paused(now, self._overview.label(key), key, None, reason, who))
        finally:
            await hanging_up
        return {"said": f"{_shown(key)} is paused until `resume`"}

    async def _hang_up(self, key: str) -> None:
        keys = self._shaper.open_keys() if key == EVERYTHING else [key]
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYES):
                await self._deliveries.hang_up(keys)

    async def resume(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Let a destination, or `*`, go on; of a domain that a reaction paused only that domain."""
        reason, now = _reason(params), self._clock.now()
        key, before = await self._key(params), await self._overview.paused()
        own = f"@{str(params['provider']).strip().lower()}"
        key = own if own in before else key
        if not self._shaper.resume(key, f"{who}: {reason}", self._steady()):
            raise ControlError(f"{_shown(key)} was not paused")
        resumed = sorted(k for k in before if not self._overview.is_paused(k) and k != EVERYTHING)
        async with self._one_at_a_time:
            try:
                await self._keep(who, "resume", key, reason, now)
                for name in (key, *(one for one in resumed if one != key)):
                    self._emit(Resumed(now, self._overview.label(name), name, reason, who))
            finally:
                self._deliveries.nudge()
        said = f"{_shown(key)} goes on"
        if key == "*" and resumed:
            said += f", and so do {', '.join(resumed)}"
        return {"said": said, "resumed": resumed}

    async def _keep(self, who: str, action: str, key: str, reason: str, now: Instant) -> None:
        await self._store.audit(who, action, key, reason, now)
        await self._deliveries.keep()

    async def inbox_link(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """A signed link to an address' inbox."""
        key = mailbox_key(str(params["address"]))
        mailbox = await self._store.mailbox(key)
        if mailbox is None:
            raise ControlError(f"no letter ever came for {key}")
        now = self._clock.now()
        url, until = self._link(mailbox.link_id, now)
        await self._store.audit(who, "inbox.link", key, "", now)
        return {"url": url, "until": iso(until)}

    async def users_add(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Add a user of SMTP AUTH, or give one a new password."""
        name, password = str(params["name"]), str(params["password"])
        if not name or not password or len(name) > 255 or not name.isprintable():
            raise ControlError("a user needs a printable name and a password")
        now = self._clock.now()
        is_known = await self._store.account(name) is not None
        secret = await asyncio.to_thread(PasswordHasher().hash, password)  # slow on purpose
        await self._store.save_account(Account(name, "smtp", secret, now))
        await self._store.audit(who, "users.add", name, "", now)
        return {"changed": is_known}

    async def users_ls(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """The users, without their secrets."""
        accounts = await self._store.accounts()
        return {
            "users": [
                {"name": a.name, "role": a.role, "changed_at": iso(a.changed_at)} for a in accounts
            ]
        }

    async def users_rm(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Remove a user."""
        name = str(params["name"])
        if not await self._store.remove_account(name):
            raise ControlError(f"no user {name!r}")
        await self._store.audit(who, "users.rm", name, "", self._clock.now())
        return {}

    async def _selector(self, params: dict[str, Any]) -> Selector:
        given = params.get("selector") or {}
        if not isinstance(given, dict):
            raise ControlError('a selector is {"domain": "…", …}')
        name = given.get("provider")
        domains = await self._domains(name.strip().lower()) if isinstance(name, str) else set()
        return selector(given, lambda _: domains)

    async def _domains(self, name: str) -> set[str]:
        """The domains with mail that a provider, a destination's key or a domain's name means."""
        provider_of, key_of = self._destinations.provider_of, self._destinations.key_of
        domains = {depth.domain for depth in await self._store.depths()}
        await self._destinations.look_up(domains)
        if name == OTHER:
            return {d for d in domains if (provider_of(d) or OTHER) == OTHER}
        found = {d for d in domains if name in (provider_of(d), key_of(d))}
        if found or not name:
            return found
        key = await self._key({"provider": name})
        return {d for d in domains if key_of(d) == key}

    async def _key(self, params: dict[str, Any]) -> str:
        name = str(params["provider"])
        if name == "*":
            return name
        wanted = name.strip().lower()
        try:
            key = await self._destinations.destination(wanted)
        except LookupError as error:
            raise ControlError(str(error)) from None
        if key is None:
            close = difflib.get_close_matches(wanted, self._destinations.names(), n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise Unknown(f"unknown provider {name!r}{hint}: see `lpse-relay providers`")
        return key


def _change(params: dict[str, Any]) -> Change:
    for what in MOVES:
        if params.get("change") == what:
            return what
    raise ControlError(f"unknown change {params.get('change')!r}: one of {', '.join(MOVES)}")


def _reason(params: dict[str, Any]) -> str:
    reason = str(params.get("reason", "")).strip()
    if not reason:
        raise ControlError("a reason is needed: it is kept in the audit trail")
    return reason


def _number(params: dict[str, Any], name: str, default: int) -> int:
    value = params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ControlError(f"{name} must be a whole number from 1, not {value!r}")
    return value


def _shown(key: str) -> str:
    return "everything" if key == "*" else key
