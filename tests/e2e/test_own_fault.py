"""Our own fault in the installed program: one provider says so, and our own look at DNS agrees."""

from __future__ import annotations

from pathlib import Path

from relay.lab import models
from relay.lab.internet import GMAIL, YAHOO, House
from relay.lab.models import Try
from relay.mail.instant import Instant
from tests.e2e.site import FAST, site

UNSIGNED = (
    "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\r\n"
    "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\r\n"
    "550 5.7.26 Authentication results: DKIM = did not pass - gsmtp"
)


class Strict:
    """Takes nothing that is not authenticated."""

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """Nothing is said here."""
        return None

    def end(self, tried: Try, now: Instant) -> str | None:
        """Every letter is refused."""
        return UNSIGNED


async def test_one_provider_and_our_own_check_stop_everything(tmp_path: Path) -> None:
    around = [
        House(GMAIL, "127.0.1.1", Strict(), ("gmail.com",)),
        House(YAHOO, "127.0.1.3", models.Yahoo(), ("yahoo.com",)),
    ]
    async with site(tmp_path, extra=FAST, around=around) as world:
        (name,) = world.internet.zone.txt
        world.internet.zone.txt[name] = "v=DKIM1; k=rsa; p="
        await world.relay.call("reload")
        await world.until(
            lambda: any(e["name"].startswith("dkim_record:") for e in world.events("alert")),
            "our own check finds it",
        )
        await world.send("v@yahoo.com")
        await world.arrived(1)  # that alone stops nothing
        await world.send("v@gmail.com")
        await world.until(
            lambda: any(e["name"] == "own_fault:all" for e in world.events("alert")), "all stops"
        )
        await world.send("w@yahoo.com")
        queue = await world.queue(recipient="w@yahoo.com")
        (waiting,) = queue["deliveries"]
        assert waiting["why"].startswith("everything is paused: gmail refuses us (550 5.7.26")
        assert "and our own check says: " in waiting["why"]
        await world.until(
            lambda: [e["provider"] for e in world.events("paused") if e["destination"] == "*"],
            "it is told that all is paused",
        )
        assert [e["provider"] for e in world.events("paused") if e["destination"] == "*"] == ["all"]
        await world.relay.call("resume", provider="*", reason="DNS dibetulkan")
        await world.arrived(2)
