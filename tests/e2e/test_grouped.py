"""Many recipients a transaction to a next hop: each has its own outcome and its own attempt."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.site import site
from tests.peers.listening import Listening

MANY = 100
EACH = 50
DEAD = "vendor7@example.co.id"


async def test_a_letter_to_a_hundred_goes_in_few_transactions(tmp_path: Path) -> None:
    with Listening(refused={DEAD: "550 5.1.1 No such user"}) as hop:
        url = f"smtp://127.0.0.1:{hop.port}"
        said = f"{{rate: 600000/min, connections: 4, recipients_per_transaction: {EACH}}}"
        extra = f'routes: {{"*": "{url}"}}\nlimits:\n  "{url}": {said}\n'
        async with site(tmp_path, extra=extra) as world:
            names = [f"vendor{n}@example.co.id" for n in range(MANY)]
            await world.send(*names)
            await world.settled()
            tries = await world.logged("attempted", MANY)
            (letter,) = {event["id"] for event in tries if event["recipient"] in names}
            shown = await world.relay.call("queue.show", id=letter)
            tried = {one["recipient"]: one["attempts"] for one in shown["deliveries"]}
            assert {to: len(attempts) for to, attempts in tried.items()} == dict.fromkeys(names, 1)
            codes = {
                to: (attempts[0]["stage"], attempts[0]["code"]) for to, attempts in tried.items()
            }
            assert codes.pop(DEAD) == ("rcpt", 550)
            assert set(codes.values()) == {("eod", 250)}
            states = {one["recipient"]: one["state"] for one in shown["deliveries"]}
            assert states.pop(DEAD) == "bounced"
            assert set(states.values()) == {"delivered"}
        taken = [to for heard in hop.heard for to in heard.recipients if to in names]
        assert sorted(taken) == sorted(set(names) - {DEAD})
        assert EACH - 1 <= max(len(heard.recipients) for heard in hop.heard) <= EACH
