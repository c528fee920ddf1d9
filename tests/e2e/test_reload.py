"""What the running relay says of itself: its start and end, and what each reload came to."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import httpx
import pytest

from relay.control import ControlError
from tests.e2e.site import Site, site
from tests.peers.certificates import self_signed
from tests.peers.ports import free_port

AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


async def gauge(world: Site, name: str) -> float:
    """A metric without labels, as Prometheus would read it."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{world.about['metrics']}/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_a_reload_warns_of_what_differs_from_what_runs(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        file = tmp_path / "relay.yaml"
        first = file.read_text()
        other = first.replace('web: {listen: "127.0.0.1:0"}', 'web: {listen: "127.0.0.2:0"}')
        assert other != first
        for text, is_warned in ((other, True), (other, True), (first, False), (first, False)):
            file.write_text(text)
            notes = (await world.relay.call("reload"))["notes"]
            assert [note.partition(" ")[0] for note in notes] == ["web"] * is_warned


async def test_each_refused_reload_is_an_event_and_a_gauge(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        file = tmp_path / "relay.yaml"
        first = file.read_text()
        loaded_at = await gauge(world, "lpse_config_loaded_at_seconds")
        assert await gauge(world, "lpse_config_last_reload_ok") == 1
        for n, fault in enumerate(("much", "more"), 1):
            file.write_text(f"{first}ingress: {{size_limit: {fault}}}\n")
            with pytest.raises(ControlError, match=fault):
                await world.relay.call("reload")
            alerts = await world.logged("alert", n)
            assert [alert["name"] for alert in alerts] == ["reload_refused"] * n
            assert f"not a size: '{fault}'" in alerts[-1]["detail"]
            assert await gauge(world, "lpse_config_last_reload_ok") == 0
            assert await gauge(world, "lpse_config_loaded_at_seconds") == loaded_at
        file.write_text(first)
        await world.relay.call("reload")
        assert await gauge(world, "lpse_config_last_reload_ok") == 1
        assert await gauge(world, "lpse_config_loaded_at_seconds") > loaded_at


async def test_a_refused_reload_changes_nothing(tmp_path: Path) -> None:
    """Not even where the fault shows last: an old listener wants TLS, and there is no certificate
    any more; the new routes must not count."""
    pair = self_signed(tmp_path, "relay.lpse.example.go.id")
    pair.key_file.chmod(0o600)
    old = 'web: {listen: "127.0.0.1:0"}'
    files = f"{{certificate_file: {pair.certificate_file}, key_file: {pair.key_file}}}"
    tls = f"{old}\ncertificate: {files}"
    secure = {old: tls, "tls: off}": "tls: starttls}"}
    async with site(tmp_path, replacing=secure) as world:
        file = tmp_path / "relay.yaml"
        text = file.read_text().replace("tls: starttls}", "tls: off}")
        text = "\n".join(line for line in text.splitlines() if "certificate" not in line)
        file.write_text(f"{text}\nroutes: {{'*': 'smtp://127.0.0.1:9'}}\n")
        with pytest.raises(ControlError, match="no certificate"):
            await world.relay.call("reload")
        (alert,) = await world.logged("alert")
        assert alert["name"] == "reload_refused"
        assert await gauge(world, "lpse_config_last_reload_ok") == 0
        await world.send("vendor@gmail.com")
        await world.arrived(1)


async def test_reloads_come_one_after_another(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        calls = [world.relay.call("reload") for _ in range(5)]
        assert [answer["notes"] for answer in await asyncio.gather(*calls)] == [[]] * 5


async def test_the_programs_log_has_times_and_says_where_it_listens_and_what_waits(
    tmp_path: Path,
) -> None:
    port = free_port("127.0.0.1")
    back = f"return_path: {{domain: bounce.lpse.example.go.id, listen: '127.0.0.1:{port}'}}\n"
    async with site(tmp_path, back) as world:
        await world.relay.call("pause", provider="gmail", reason="so that one waits")
        await world.send("vendor@gmail.com")
        process = world.relay.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        said = (await process.communicate())[1].decode().splitlines()
        by_command = re.compile(r"to look around: |.*: warning: ")  # beside the program's own log
        said = [line for line in said if not by_command.match(line)]
        assert all(re.match(rf"{AT} [A-Z]+ relay\.", line) for line in said), said
        words = [line.partition(": ")[2] for line in said]
        assert words[0] == (
            f"listening: SMTP on {world.about['smtp'][0]}; inbox page on {world.about['web']}; "
            f"metrics on {world.about['metrics']}; return path on 127.0.0.1:{port}"
        )
        assert words[-1] == "stopped; 1 letter waits"
