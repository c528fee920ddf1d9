"""What came of a letter, in Bahasa Indonesia: each sentence of settle, the fuse and the road."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.delivery import Deferred, Held
from relay.mail.events import Expired
from relay.mail.instant import DAY
from relay.mail.urgency import Urgency
from relay.service.indonesian import in_indonesian
from relay.settle import Earlier
from relay.store.base import Selector
from tests.scheduling import house
from tests.shaping.fusebox import SPAM, UNKNOWN, Box
from tests.test_settle import NOW as SETTLED
from tests.test_settle_fuse import SAID, judge


def _by_the_fuse() -> Iterator[str]:
    for read in (UNKNOWN, SPAM):
        box = Box()
        box.note(None, 10)
        fuse = box.note(read, 40)
        assert fuse.is_blown
        yield fuse.why
        held = judge(read, Earlier(), fuse)
        assert isinstance(held, Held)
        yield held.why


def _of_an_end() -> Iterator[str]:
    lately = judge(UNKNOWN, Earlier(accepted_at=SETTLED - DAY))
    assert isinstance(lately, Deferred)
    yield lately.why

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda delivery, now: "451 4.3.0 later") as h:
            h.shaper.pause("outlook", None, "siti", clock.now())
            for name in ("a@gmail.com", "b@outlook.com", "c@outlook.com", "d@outlook.com"):
                letter = await h.put(name, urgency=Urgency.KRITIS, life=DAY, is_fixed=True)
                if name[0] in "cd":
                    said = "salah tanggal" if name[0] == "c" else ""
                    wanted = Selector(message_id=letter)
                    await h.store.change("hold", wanted, "siti", said, clock.now())
            h.scheduler.nudge()
            await asyncio.sleep(2 * DAY / 1000)
            whys.extend(one.why for one in h.events if isinstance(one, Expired))

    whys: list[str] = []
    run(main)
    assert len(whys) == 4
    yield from whys
    yield f"{SAID} (held by a fuse; confirmed by siti: surat percobaan)"


def _of_the_road() -> Iterator[str]:
    """What stands instead of a reply, as tests of the transport have it."""
    yield from (
        "connection refused",
        "no connection within 30 s",
        "no reply within 300 s",
        "no octet was taken for 180 s",
        "after the final dot: no reply within 600 s",
        "the connection was closed before MAIL was answered",
        "gmial.com does not exist (NXDOMAIN)",
        "example.co.id takes no mail (null MX)",
        "example.co.id has neither an MX nor an address",
        "mx.example.co.id has no address",
        "2001:db8::1 cannot be reached from 192.0.2.1",
        "encryption is required, and the server does not offer STARTTLS",
        "Network is unreachable",
        "No route to host",
        "cannot be read: OSError: x",
        "cannot be carried: OSError: x",
    )


def test_what_came_of_a_letter_is_said_in_indonesian_too() -> None:
    """What settle, the fuse, its end and the road say."""
    sentences = [*_by_the_fuse(), *_of_an_end(), *_of_the_road()]
    english = {"the", "was", "its", "of", "is", "within", "refused", "there", "confirmed", "no"}
    for sentence in sentences:
        said = in_indonesian(sentence)
        assert said != sentence, sentence
        assert not english & set(said.partition(" (")[0].partition("; ")[0].split()), said
    told = in_indonesian("its time was over: gmail is paused: connection refused; last: 451 4.3 a")
    assert told == (
        "waktunya habis: pengiriman ke gmail dihentikan sementara: sambungan ditolak"
        r" (connection refused); terakhir: 451 4.3 a"
    )
    assert in_indonesian(r"it was held: \1 ~1") == r"surat ini ditahan: \1 ~1"
