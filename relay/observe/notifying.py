"""Notifying: alerts that reach somebody — a task for each way, apart from all that carries mail.

Contract: `on_event` returns at once and never raises, whatever a way does; what it takes lies on
the way's `Desk`, which is bounded and forgets nothing in silence. A try is blocking work in a
thread (see ways.py). Three tries with a growing delay; then the message goes back to the desk and
comes again later, with all that happened meanwhile, as one digest. Only memory holds it: what is
not told when the process ends is named in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.clock import Clock
from relay.mail.events import Event
from relay.mail.instant import Instant, iso
from relay.observe.desk import Desk, wants
from relay.observe.notice import Message, Notice, notice_of, trial
from relay.observe.ways import Carrier, Undelivered, Way

DELAYS: Final = (2.0, 10.0)  # seconds before the second and the third try
PARTING: Final = 3.0  # seconds that the last messages get when the process ends

Counts = Callable[[str, str, int], None]
"""Way, outcome (delivered, failed: messages; suppressed, unlisted: alerts), how many."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """A way with who it is for: `label` is its name in metrics, `every` in milliseconds."""

    label: str
    way: Way
    only: tuple[str, ...]
    every: int


class Post:
    """One way's desk, and the task that clears it."""

    def __init__(
        self,
        told: Told,
        clock: Clock,
        counts: Counts,
        hostname: str,
        delays: Sequence[float] = DELAYS,
        desk: Desk | None = None,
    ) -> None:
        """Nothing is sent before `start`. `delays`: seconds before each further try; `desk`: of
        the way that stood in its place."""
        self.told = told
        self.hostname = hostname
        self.desk = desk or Desk(told.every)
        self.desk.every = told.every
        self._clock = clock
        self._counts = counts
        self._delays = delays
        self._carrier = Carrier(told.way)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way = 0  # alerts of the message that is being tried
        self._is_lasting = False  # the last try's fault: the same again would not help
        self._delivered, self._suppressed = 0, 0
        self._failures, self._fault, self._fault_at = 0, "", 0

    def start(self) -> None:
        """Begin; from within the loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"alerts by {self.told.label}")

    async def stop(self) -> None:
        """End the task; what it was at lies on the desk again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def last_words(self, limit: float) -> None:
        """One try of `limit` seconds for what waits, due or not; the rest is named in the log."""
        message = self.desk.everything(self._steady(), self._clock.now(), self.hostname)
        if message is None:
            return
        try:
            async with asyncio.timeout(limit):
                if await self._tried(message):
                    return
        except TimeoutError:
            logger.error("alerts by %s: no answer within %g s", self.told.label, limit)
        names = ", ".join(row.name for row in message.rows)
        logger.error("not told by %s (%s): %s", self.told.label, self.told.way.to, names)

    def take(self, notice: Notice) -> None:
        """Lay it on the desk, where this way wants it."""
        if not wants(self.told.only, notice.name):
            return
        became = self.desk.take(notice, self._steady())
        if became:
            self._suppressed += became == "suppressed"
            self._counts(self.told.label, became, 1)
        self._woken.set()

    def wake(self) -> None:
        """Look at the desk again."""
        self._woken.set()

    async def test(self, who: str) -> dict[str, Any]:
        """One try with a test message, now; the result as `alerts test` shows it."""
        began = self._clock.monotonic()
        message = trial(self._clock.now(), self.hostname, who)
        try:
            said, is_ok = await self._carrier.carry(message), True
        except Undelivered as error:
            said, is_ok = str(error), False
        self._counts(self.told.label, "delivered" if is_ok else "failed", 1)
        took = round((self._clock.monotonic() - began) * 1000)
        return {
            "way": self.told.label,
            "to": self.told.way.to,
            "ok": is_ok,
            "said": said,
            "took_ms": took,
        }

    def shape(self) -> dict[str, Any]:
        """As `alerts ls` shows the way."""
        return {
            "way": self.told.label,
            "to": self.told.way.to,
            "delivered": self._delivered,
            "failed": self._failures,
            "suppressed": self._suppressed,
            "waiting": self.desk.waiting + self._under_way,
            "fault": self._fault,
            "fault_at": iso(self._fault_at) if self._fault else None,
        }

    def _steady(self) -> Instant:
        return int(self._clock.monotonic() * 1000)

    async def _run(self) -> None:
        while True:
            message = self.desk.due(self._steady(), self._clock.now(), self.hostname)
            if message is None:
                await self._until_due()
            else:
                await self._deliver(message)

    async def _until_due(self) -> None:
        self._woken.clear()
        due = self.desk.next_at()
        wait = None if due is None else max(0.0, (due - self._steady()) / 1000)
        try:
            async with asyncio.timeout(wait):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _deliver(self, message: Message) -> None:
        """All tries. What does not arrive, or is cut short, lies on the desk again."""
        self._under_way = message.count
        try:
            for delay in (*self._delays, None):
                if await self._tried(message, delay is None):
                    self.desk.carried()
                    return
                if delay is None or self._is_lasting:
                    break
                await asyncio.sleep(delay)
        except asyncio.CancelledError:
            self.desk.back(message, self._steady())
            raise
        except Exception:  # a fault of ours: the task goes on, and so does the alert
            logger.exception("alert %s by %s", message.name, self.told.label)
        finally:
            self._under_way = 0
        self.desk.failed(message, self._steady())

    async def _tried(self, message: Message, is_last: bool = True) -> bool:
        """One try; True where it arrived."""
        label, to = self.told.label, self.told.way.to
        self._is_lasting = False
        try:
            said = await self._carrier.carry(message)
        except Undelivered as error:
            self._is_lasting = error.is_lasting
            self._fault, self._fault_at = str(error), self._clock.now()
            is_last = is_last or error.is_lasting
            level = logging.ERROR if is_last else logging.WARNING
            logger.log(level, "alert %s by %s (%s): %s", message.name, label, to, error)
            if is_last:
                self._failures += 1
                self._counts(label, "failed", 1)
            return False
        self._delivered += 1
        self._fault = ""
        self._counts(label, "delivered", 1)
        logger.info("alert %s by %s (%s): %s", message.name, label, to, said)
        return True


class Notifying:
    """All ways of one relay; `use` swaps them on reload."""

    def __init__(
        self,
        clock: Clock,
        counts: Counts,
        masked: bool = True,
        delays: Sequence[float] = DELAYS,
    ) -> None:
        """`masked`: addresses in details leave as in the log; `delays`: see Post."""
        self._clock = clock
        self._counts = counts
        self._masked = masked
        self._delays = delays
        self._posts: list[Post] = []
        self._is_running = False
        self._leaving: set[asyncio.Task[None]] = set()

    def use(self, ways: Sequence[Told], hostname: str) -> None:
        """These ways from now on. One that stays as it was goes on; one whose settings changed
        keeps what lies on its desk, by its label; what lies on one that goes is named in the
        log."""
        before = {post.told.label: post for post in self._posts}
        self._posts = []
        for told in ways:
            post = before.get(told.label)
            if post is None or post.told != told:
                desk = post.desk if post is not None else None
                post = Post(told, self._clock, self._counts, hostname, self._delays, desk)
            else:
                del before[told.label]
            post.hostname = hostname
            self._posts.append(post)
        labels = {told.label for told in ways}
        for label, post in before.items():
            self._let_go(post, label not in labels)
        if self._is_running:
            self.start()

    def _let_go(self, post: Post, is_gone: bool) -> None:
        if is_gone and post.desk.names:
            names = ", ".join(post.desk.names)
            logger.warning("not told by %s, which is no more: %s", post.told.label, names)
        if self._is_running:
            task = asyncio.create_task(self._ended(post), name="a way that goes")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _ended(self, post: Post) -> None:
        """What it was at lies on its desk again, which may be another's now."""
        await post.stop()
        for other in self._posts:
            other.wake()

    def on_event(self, event: Event, is_unreached: bool = False) -> None:
        """Never blocks, never raises; from the loop's thread. `is_unreached`: see `name_of`."""
        try:
            notice = notice_of(event, is_unreached, self._masked) if self._posts else None
            if notice is not None:
                for post in self._posts:
                    post.take(notice)
        except Exception:  # an alert may cost a line in the log, and never a letter
            logger.exception("an alert was not taken: %r", event)

    def start(self) -> None:
        """Begin to send; from within the loop."""
        self._is_running = True
        for post in self._posts:
            post.start()

    async def stop(self) -> None:
        """Tell what waits, for a bounded time; what was not told is named in the log."""
        self._is_running = False
        await asyncio.gather(*(post.stop() for post in self._posts), *self._leaving)
        await asyncio.gather(*(post.last_words(PARTING) for post in self._posts))

    def shapes(self) -> list[dict[str, Any]]:
        """Each way as `alerts ls` shows it."""
        return [post.shape() for post in self._posts]

    async def test(self, who: str) -> list[dict[str, Any]]:
        """A test message by all ways at once; see Post.test."""
        return await asyncio.gather(*(post.test(who) for post in self._posts))
