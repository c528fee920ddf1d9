"""The fallback route of the installed program: a password mail while its provider is closed."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.site import FAST, LETTER, SENDER, site

KRITIS = LETTER.replace(b"LPSE Pengumuman Pembatalan Lelang", b"[LPSE] Reset Password")


async def test_a_password_mail_goes_the_other_way_and_comes_back(tmp_path: Path) -> None:
    async with site(tmp_path, extra=FAST + "fallback_route: null\n") as world:
        file = world.relay.config
        (port,) = [
            line.split()[1]
            for line in file.read_text().splitlines()
            if line.startswith("testing_smtp_port")
        ]
        url = f"smtp://127.0.1.6:{port}"
        text = file.read_text()
        file.write_text(text.replace("route: null", f"route: {{to: '{url}', after: 1s}}"))
        await world.relay.call("reload")
        await world.relay.call("pause", provider="gmail", reason="diblokir")
        await world.send("direktur@gmail.com", content=KRITIS)
        await world.send("massal@gmail.com")
        await world.arrived(1)
        (arrival,) = world.internet.ledger.arrivals
        assert (arrival.host, arrival.recipients) == (
            "mx.lpse.example.go.id",
            ("direktur@gmail.com",),
        )
        assert arrival.sender == SENDER
        await world.settled(1)
        (attempted,) = await world.logged("attempted")
        assert attempted["route"] == url
        said = [event["name"] for event in world.events("alert")]
        assert "fallback_route:gmail" in said
        told = await world.relay.call("explain", recipient="x@gmail.com", **{"class": "kritis"})
        assert told["fallback_route"] == url
        assert told["why"].endswith(f"kritis letters go by the fallback route {url}")
        shown = await world.relay.call("queue.show", id=attempted["id"])
        assert shown["deliveries"][0]["attempts"][0]["route"] == url
        await world.relay.call("resume", provider="gmail", reason="dibuka")
        await world.arrived(2)
        await world.settled()
        await world.send("direktur@gmail.com", content=KRITIS)
        await world.arrived(3)
        hosts = [arrival.host for arrival in world.internet.ledger.arrivals]
        assert hosts[1:] == ["gmail-smtp-in.l.google.com"] * 2
