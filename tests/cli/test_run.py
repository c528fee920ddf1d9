"""`run`: what keeps it from starting is one sentence and a code; keys are made where asked for."""

from __future__ import annotations

import asyncio
import socket
import sys
from subprocess import PIPE
from subprocess import run as run_program

import pytest

from tests.cli.house import Site, run
from tests.store.opening import opened


async def _run_beside(site: Site) -> tuple[int | None, str]:
    """`lpse-relay run` while somebody else has the store open."""
    async with opened(site.state):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay", "run", "--config", str(site.file),
            stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        _, err = await asyncio.wait_for(process.communicate(), 100)
        return process.returncode, err.decode()


def test_a_state_directory_has_one_relay(site: Site) -> None:
    code, err = asyncio.run(_run_beside(site))
    assert code == 1
    assert "\nlpse-relay: " in err
    assert str(site.state) in err
    assert "Traceback" not in err


def test_keys_that_cannot_be_made(site: Site) -> None:
    (site.folder / "keys").write_text("in the way")
    site.write("lab: true\ndkim: [{domain: a.id, selector: s1, key_file: keys/a.pem}]\n")
    answer = site.run("run", "--make-keys")
    assert answer.code == 2
    assert answer.err.startswith("lpse-relay: --make-keys: ")


def test_keys_are_made_before_the_file_is_refused_for_them(site: Site) -> None:
    text = "lab: true\nstate_dir: state\ndkim: [{domain: a.id, selector: s1, key_file: a.pem}]\n"
    site.write(text + "web: {listen: nine}\n")
    words = [sys.executable, "-m", "relay", "run", "--make-keys", "--config", str(site.file)]
    done = run_program(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"made {site.folder}/a.pem" in done.stderr
    assert "web.listen: not an address" in done.stderr
    assert "a.pem: no such file" not in done.stderr


@pytest.mark.parametrize("words", [("--port", "1"), ("now",)])
def test_bad_usage(site: Site, words: tuple[str, ...]) -> None:
    assert site.run("run", *words).code == 2


async def test_it_says_how_to_look_around_when_it_has_started(site: Site) -> None:
    free = "'127.0.0.1:0'"
    site.write(
        f"lab: true\nlisten: [{{address: {free}}}]\nmetrics: {{listen: {free}}}\n"
        f"web: {{listen: {free}}}\n"
    )
    words = (sys.executable, "-m", "relay", "run", "--config", str(site.file))
    process = await asyncio.create_subprocess_exec(
        *words, "--state", str(site.state), stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    look = f"to look around: lpse-relay queue ls --config {site.file} --state {site.state}\n"
    try:
        async with asyncio.timeout(100):
            while await process.stderr.readline() != look.encode():
                assert not process.stderr.at_eof()
        answer = await asyncio.to_thread(run, *look.split()[4:])  # it stands: it can be asked
        assert (answer.code, answer.err) == (0, "")
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0


def test_a_port_that_is_taken_names_its_line(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        site.write(f"lab: true\nmetrics: {{listen: '127.0.0.1:0'}}\nweb:\n  listen: '{at}'\n")
        words = [sys.executable, "-m", "relay", "run", "--config", str(site.file)]
        done = run_program(
            [*words, "--state", str(site.state)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert "to look around" not in done.stderr
    assert last.startswith(f"lpse-relay: {site.file}:4: web.listen: {at} is taken")
