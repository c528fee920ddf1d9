"""`keys`: a key made, its record printed, and what is published compared by a real name server."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.lab.dns import NameServer, Zone
from relay.mail.dkim import load_key, public_matches
from tests.cli.house import Site, run

NAME = "s1._domainkey.lpse.example.go.id"
NEW = ("keys", "new", "lpse.example.go.id", "--bits", "1024")


@contextmanager
def serving(zone: Zone) -> Iterator[str]:
    """A name server in a thread; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = NameServer(zone)
    try:
        yield asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_new_makes_a_key_beside_relay_yaml_and_prints_what_to_do(site: Site) -> None:
    answer = site.run(*NEW)
    assert answer.code == 0
    file = site.folder / "keys" / "s1.lpse.example.go.id.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert answer.err == f"made {file} (mode 0600)\n"
    lines = answer.out.splitlines()
    assert lines[0].startswith("Publish this TXT record. For a web panel: the name, and the value ")
    assert "wants s1._domainkey alone" in lines[1]
    assert lines[2] == f"name   {NAME}"
    assert lines[3].startswith("value  v=DKIM1; k=rsa; p=")
    assert lines[4].startswith("For a zone file, this line;")
    assert lines[5].startswith(f'{NAME}. IN TXT "v=DKIM1; k=rsa; p=')
    assert "".join(lines[5].split('"')[1::2]) == lines[3].removeprefix("value  ")
    assert lines[6:] == [
        "And write into relay.yaml:",
        "dkim:",
        "  - {domain: lpse.example.go.id, selector: s1, key_file: keys/s1.lpse.example.go.id.pem}",
    ]
    site.write("lab: true\nstate_dir: state\n" + "\n".join(lines[7:]) + "\n")
    assert site.run("check").code == 0  # what it says can be written as it stands
    record = lines[3].removeprefix("value  ")
    key = load_key(file.read_bytes(), "lpse.example.go.id", "s1")
    assert public_matches(record, key) is None


def test_a_long_record_comes_in_strings_of_255(site: Site) -> None:
    line = site.run(*NEW[:3]).out.splitlines()[5]
    assert [len(part) <= 255 for part in line.split('"')[1::2]] == [True, True]


def test_new_in_json_and_elsewhere(tmp_path: Path) -> None:
    """Without any relay.yaml, the working folder counts."""
    answer = run(*NEW, "--selector", "s2", "--out", "k.pem", "--json")
    assert answer.code == 0
    assert list(answer.json) == ["domain", "selector", "key_file", "record_name", "record"]
    assert answer.json["record_name"] == "s2._domainkey.lpse.example.go.id"
    assert answer.json["key_file"] == "k.pem"
    assert (tmp_path / "k.pem").is_file()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("keys", "new", "../x"), 2, "keys new: DKIM domain '../x'"),
        ((*NEW, "--selector", "../../x"), 2, "is no name for a DKIM record"),
        ((*NEW, "--out", "there.pem"), 1, "there.pem exists; a key is never overwritten"),
        ((*NEW, "--out", "there.pem/a"), 1, "lpse-relay: "),
        ((*NEW, "--out", "gone/keys/k.pem"), 1, "lpse-relay: gone: no such folder"),
        (("keys", "new", "x.id", "--bits", "512"), 2, "Invalid value for '--bits'"),
        (("keys", "new"), 2, "Missing argument"),
    ],
)
def test_what_cannot_be_writes_nothing(
    site: Site, words: tuple[str, ...], code: int, says: str
) -> None:
    (site.folder / "there.pem").write_text("kept")
    answer = site.run(*words)
    assert (answer.code, answer.out) == (code, "")
    assert says in answer.err
    assert (site.folder / "there.pem").read_text() == "kept"
    assert not (site.folder / "gone").exists()
    assert [file.name for file in site.folder.rglob("*.pem")] == ["there.pem"]


def _configured(site: Site, address: str) -> str:
    """A key that relay.yaml names; returns its record."""
    made = site.run(*NEW, "--out", "s1.pem", "--json").json
    site.write(
        "lab: true\nstate_dir: state\n"
        "dkim: [{domain: lpse.example.go.id, selector: s1, key_file: s1.pem}]\n"
        f"dns: {{servers: ['{address}'], timeout: 2s}}\n"
    )
    record: str = made["record"]
    return record


def test_check_compares_what_is_published(site: Site) -> None:
    zone = Zone()
    with serving(zone) as address:
        record = _configured(site, address)
        missing = site.run("keys", "check", "--json")
        assert missing.code == 1
        assert missing.json == [
            {
                "domain": "lpse.example.go.id",
                "record": NAME,
                "problem": f'not published; add: "{record}"',
            }
        ]
        zone.host(NAME, "192.0.2.1")  # the name is there, but no TXT
        assert site.run("keys", "check", "--json").json == missing.json
        zone.txt[NAME] = record
        right = site.run("keys", "check", "--json")
        assert (right.code, right.json[0]["problem"]) == (0, None)
        assert site.run("keys", "check").out.splitlines()[1].endswith(f"{NAME}  ok")
        zone.txt[NAME] = record[:-20]
        assert site.run("keys", "check").code == 1
        zone.broken.add(NAME)
        assert "DNS does not tell" in site.run("keys", "check").out


def test_check_without_keys_and_with_a_broken_one(site: Site) -> None:
    none = site.run("keys", "check")
    assert (none.code, none.out) == (0, "no keys are configured: letters leave unsigned\n")
    assert site.run("keys", "check", "--json").json == []
    site.write("dkim: [{domain: x.id, selector: s1, key_file: nowhere.pem}]\n")
    broken = site.run("keys", "check")
    assert (broken.code, broken.out) == (2, "")
    told = site.run("check").out.splitlines()
    assert broken.err.removeprefix("lpse-relay: ").strip() in told
    assert "dkim[0].key_file: " in broken.err
    assert "nowhere.pem: no such file" in site.run("keys", "check", "--json").json["error"]
    site.write("dns: {servers: [foo]}\n")
    assert site.run("keys", "check").code == 2
    site.write("dkim: 3\n")
    assert site.run("keys", "check").code == 2
