"""Memory that a backlog took is given back, and not asked for in vain."""

from __future__ import annotations

import os
import subprocess
import sys

from relay.service.memory import GROWN, Trimming, resident, trim


async def test_it_trims_once_for_each_growth() -> None:
    sizes = {"now": 100 << 20}
    trims: list[int] = []

    def given_back() -> None:
        trims.append(sizes["now"])
        sizes["now"] -= GROWN // 2

    trimming = Trimming(lambda: sizes["now"], given_back)
    assert not await trimming.look()
    sizes["now"] += GROWN
    assert await trimming.look()
    assert not await trimming.look()  # what stays is in use: it is no reason to try again
    sizes["now"] += GROWN - 1
    assert not await trimming.look()
    sizes["now"] += 1
    assert await trimming.look()
    assert len(trims) == 2


BACKLOG = """
import collections, os
from relay.service.memory import resident, trim
letters, between = collections.OrderedDict(), []
for n in range(30_000):
    letters[n] = os.urandom(3_000 + n % 2_000)
    if len(letters) > 10_000:
        letters.popitem(last=False)
    if n % 50 == 0:
        between.append(os.urandom(600))
full = resident()
letters.clear()
trim()
print(full, resident())
"""


def test_a_backlog_that_is_gone_takes_no_memory() -> None:
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        trim()  # does nothing here, and does not fail
        return
    asked = [sys.executable, "-c", BACKLOG]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    full, after = map(int, said.split())
    assert full - after > 25 << 20
    assert resident() > 1 << 20
