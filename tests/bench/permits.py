"""What a permit and a reply cost: `admit` and `feedback` of the shaper, in µs of processor time.

`python -m tests.bench.permits [--batches N] [--json]`: one letter after the other to a domain whose
own limit, whose site's and whose provider's hold at once, two windows each, while each lets it go
and enough is set aside: some twenty letters a second. What it costs is the median of many batches,
so that what else the machine does is not in it. Exit code 1 where a mark is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from relay.config.shipped import shipped_classifier
from relay.lab.virtual_time import START
from relay.mail import reply as replies
from relay.mail.classification import Classification
from relay.mail.instant import DAY, SECOND, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.shaping.base import SHORT, Identity
from relay.shaping.destination import Destination
from relay.shaping.profiles import Layer, Profiles
from relay.shaping.settings import LimitSettings, PauseSettings
from relay.shaping.shaper import Shaper
from tests.scheduling import shipped_profiles

MARK: Final = 10.0  # µs each
BATCH: Final = 24
STEP: Final = 41  # milliseconds between two letters
WARM: Final = 40  # batches before anything is measured
DOMAIN: Final = "dinas.example.go.id"
HOSTS: Final = ("aspmx.l.google.com", "alt1.aspmx.l.google.com")
THROTTLED: Final = (
    "421 4.7.28 Gmail has detected an unusual rate of mail originating from your IP address"
)
DEAD: Final = "550 5.1.1 The email account that you tried to reach does not exist"
OURS: Final = Identity("192.0.2.1", "lpse.example.go.id", "lpse.example.go.id")
_RATES: Final = {"rate": ["1800/min", "1000000/day"]}


@dataclass(slots=True)
class Road:
    """A shaper, one destination, and the time."""

    shaper: Shaper
    destination: Destination
    now: Instant

    def admit(self) -> object:
        """The next letter asks for its permit."""
        self.now += STEP
        return self.shaper.admit(self.destination, DOMAIN, 1, self.now, Urgency.TRANSAKSI, OURS)

    def hear(self, read: Classification | None, reply: str) -> object:
        """An answer to it."""
        return self.shaper.feedback(
            self.destination, read, reply, self.now, OURS, DOMAIN, self.now - SECOND
        )

    def set_aside(self) -> None:
        """Enough for a batch. Raises AssertionError where something else says no."""
        self.now += 3 * SECOND  # what is left is over: each batch spends a block of its own
        said = self.admit()
        assert said is SHORT, said
        self.shaper.set_aside(self.shaper.setting_aside(self.now), self.now)
        self.shaper.corrections(self.now)


def road() -> Road:
    """Three limits with two windows each; the provider has been known for long."""
    keys = ("gmail.com", DOMAIN, f"mx:{'+'.join(HOSTS)}")
    limits = {key: LimitSettings.model_validate(_RATES) for key in keys}
    book = Profiles(shipped_profiles(), [Layer(limits, {}, "relay.yaml")])
    destination = book.destination_of(DOMAIN, HOSTS)
    shaper = Shaper(PauseSettings(), book.within, book.names, is_ramping=False)
    return Road(shaper, destination, START)


def read(text: str) -> Classification:
    """What the shipped rules say of a reply."""
    return shipped_classifier().classify(replies.parse(text, Stage.EOD), HOSTS[0])


def refused(made: Road) -> Road:
    """The same, come back from a refusal: what was learned is asked, too."""
    for _ in range(200):
        made.set_aside()
        for _ in range(BATCH - 1):
            made.admit()
    made.hear(read(THROTTLED), THROTTLED)
    for _ in range(200):  # an acceptance now and then, for days
        made.now += DAY // 20
        made.set_aside()
        if made.admit() is None:
            made.hear(None, "250 OK")
    return made


def batches(made: Road, call: Callable[[], object], count: int, is_permit: bool) -> Iterator[float]:
    """µs of processor time that one call took, a batch at a time."""
    for n in range(WARM + count):
        made.set_aside()
        calls = [call] * (BATCH - 1)  # one of the block is what was asked first
        began = time.thread_time_ns()
        said = [one() for one in calls]
        took = time.thread_time_ns() - began
        assert said[-1] is None or not is_permit, said[-1]
        if n >= WARM:
            yield took / len(calls) / 1000


def measured(count: int) -> dict[str, float]:
    """What each costs, in µs."""
    dead = read(DEAD)
    made, again = road(), refused(road())
    cases: Sequence[tuple[str, Road, Callable[[], object]]] = (
        ("admit", made, made.admit),
        ("admit (or not yet) after a refusal", again, again.admit),
        ("feedback: accepted", made, lambda: made.hear(None, "250 2.0.0 OK")),
        ("feedback: accepted after a refusal", again, lambda: again.hear(None, "250 2.0.0 OK")),
        ("feedback: no such user", made, lambda: made.hear(dead, DEAD)),
    )
    return {
        name: round(median(batches(one, call, count, name == "admit")), 2)
        for name, one, call in cases
    }


def main(arguments: Sequence[str]) -> int:
    """Print each beside its mark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    found = measured(asked.batches)
    if asked.json:
        print(json.dumps({"us": found, "mark": MARK}))
    else:
        for name, cost in found.items():
            state = "met" if cost <= MARK else "MISSED"
            print(f"{name:35} {cost:6.2f} µs (mark: {MARK:g}) {state}")
    return 1 if max(found.values()) > MARK else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
