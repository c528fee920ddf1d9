"""What a restart of the door must not forget."""

from __future__ import annotations

from relay.clock import SystemClock
from relay.ingress.server import Door
from relay.ingress.settings import ListenSettings
from relay.mail.ids import Ids
from tests.ingress.house import House, Log, Store, letter, policy


async def test_a_restart_does_not_lift_the_ceiling() -> None:
    log, store, clock = Log(), Store(), SystemClock()
    recent = [(clock.now() - 60_000, 3)]
    door = Door(
        policy(log, ceiling=3),
        [ListenSettings(address="127.0.0.1:0")],
        store,
        clock,
        Ids(),
        log.emit,
        log,
        recent=recent,
    )
    await door.start()
    async with House(door, store, log).client() as client:
        await client.begin()
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("250")
        await client.ask("QUIT")
    await door.drain()
    assert store.letters[0].particulars.is_held
    assert {"ingress_ceiling", "ingress_ceiling_held"} <= log.names()
