"""Hatch: the main process's end of the links — its workers' letters, users, refusals and alerts."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from relay.filters.base import Alerts
from relay.ingress import carried
from relay.ingress.intake import Behind
from relay.ingress.link import Parts, ProtocolError, Said
from relay.ingress.policy import Policy
from relay.mail.events import Emit

MOST_POLICIES: Final = 16  # a letter that began under an older one ends under the oldest of these


class Hatch:
    """One a relay. `policy` hands it each policy that a worker may speak of."""

    def __init__(self, behind: Behind, emit: Emit, alerts: Alerts) -> None:
        self._behind = behind
        self._emit = emit
        self._alerts = alerts
        self._policies: OrderedDict[int, Policy] = OrderedDict()

    def policy(self, policy: Policy) -> None:
        """Workers may speak of it from now on, by its number."""
        self._policies[policy.number] = policy
        if len(self._policies) > MOST_POLICIES:
            self._policies.popitem(last=False)

    async def answer(self, word: str, said: list[Any], parts: Parts) -> Said:
        """A worker's question. Raises what the store raises."""
        match word:
            case "take":
                number, *rest = said
                policy = self._policies.get(number) or next(iter(self._policies.values()))
                await self._behind.intake.take(await carried.message(rest, parts), policy)
                return [True], ()
            case "keep_refused":
                since, most, letter = said
                octets = parts[0]
                intake = self._behind.intake
                id = await intake.keep_refused(carried.refused(letter), octets, since, most)
                return [id], ()
            case "verify":
                name, password = parts
                return [await self._behind.authenticator.verify(said[0], name, password)], ()
        raise ProtocolError(f"a worker asks for {word!r}")

    def hear(self, who: str, otherwise: Callable[[str, list[Any]], None]) -> Callable[..., None]:
        """What a worker tells; what is not for here goes to `otherwise`."""

        def heard(word: str, said: list[Any]) -> None:
            match word:
                case "refused":
                    self._emit(carried.refusal(said[0]))
                case "alert":
                    self._alerts.alert(*said)
                case "record":
                    level, name, text = said
                    logging.getLogger(name).log(level, "%s: %s", who, text)
                case _:
                    otherwise(word, said)

        return heard
