"""`check`: every fault at once, with the fixed shape; and what other commands say of a bad file."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from relay.config import keys
from tests.cli.house import Site, run

KEYS = ["file", "line", "key", "message", "suggestion"]


def test_a_good_file(site: Site) -> None:
    keys.make(site.folder / "s1.pem", 1024)
    site.write(
        "hostname: relay.dinas.id\nallowed_senders: ['@dinas.id']\nstate_dir: state\n"
        "dkim: [{domain: dinas.id, selector: s1, key_file: s1.pem}]\n"
        "limits: {'*': {warmup: {start: 500/day, end: 20000/day}}}\n"
    )
    answer = site.run("check")
    assert (answer.code, answer.out) == (0, f"{site.file}: read without a fault\n")
    assert site.run("check", "--json").json == []


def test_faults_in_json(site: Site) -> None:
    site.write("lab: true\nhostnam: x\nlimits:\n  gmail.com: 0/min\n")
    answer = site.run("check", "--json")
    assert answer.code == 2
    assert [list(row) for row in answer.json] == [KEYS, KEYS]
    assert answer.json[0] == {
        "file": str(site.file),
        "line": 2,
        "key": "hostnam",
        "message": "unknown key",
        "suggestion": "did you mean hostname?",
    }
    assert answer.err == "2 faults: nothing would start with this\n"


def test_faults_for_people(site: Site) -> None:
    site.write("lab: true\n'a\\x1b[1m': x\n\"b\\e[1m\": y\n")
    answer = site.run("check")
    assert answer.code == 2
    assert f"{site.file}:2: " in answer.out
    assert "\x1b" not in answer.out + answer.err


def test_the_state_of_the_command_line_counts(site: Site) -> None:
    deep = "/".join(["d" * 50] * 3)
    answer = site.run("check", "--state", str(site.folder / deep))
    assert answer.code == 2
    assert "control: " in answer.out


def test_live_says_what_dns_does_not_tell(site: Site) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))  # a name server that never answers
        server = f"127.0.0.1:{deaf.getsockname()[1]}"
        site.write(
            f"lab: true\nhostname: relay.lab.invalid\ndns: {{servers: ['{server}'], timeout: 1s}}\n"
        )
        answer = site.run("check", "--live", "--json")
    assert answer.code == 1
    (found,) = [row for row in answer.json if not row["message"].startswith("warning: ")]
    assert found["key"] == "hostname"
    assert "does not tell the address" in found["message"]
    assert "1 to look at" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("queue", "ls"),
        ("queue", "hold", "--domain", "x.id"),
        ("providers",),
        ("inbox", "ls", "a@x.id"),
        ("inbox", "show", "0000000000001"),
        ("inbox", "link", "a@x.id"),
        ("users", "ls"),
        ("keys", "check"),
        ("run",),
    ],
)
def test_no_configuration_is_code_2_for_every_command(words: tuple[str, ...]) -> None:
    missing = run(*words, "--config", "nowhere.yaml")
    assert (missing.code, missing.err) == (2, "lpse-relay: nowhere.yaml: no such file\n")
    folder = run(*words, "--config", ".")
    assert (folder.code, folder.err) == (
        2,
        "lpse-relay: .: is a directory; name relay.yaml itself\n",
    )
    none = run(*words)
    assert none.code == 2
    assert none.err.startswith("lpse-relay: no configuration: --config FILE (looked for /etc/")


DENIED = (
    "/etc/lpse-relay/relay.yaml: permission denied "
    "(run as root, or as a member of the group lpse-relay)"
)


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the configuration may not be entered; the system's other answers stay."""
    stat = Path.stat

    def refusing(self: Path, **options: bool) -> os.stat_result:
        if str(self).startswith("/etc/lpse-relay/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", refusing)


@pytest.mark.usefixtures("shut")
@pytest.mark.parametrize(
    "words",
    [
        ("queue", "ls"),
        ("providers",),
        ("inbox", "ls", "a@x.id"),
        ("users", "ls"),
        ("keys", "check"),
        ("keys", "new", "x.id"),
        ("run",),
        ("classify", "550 x", "--config", "/etc/lpse-relay/relay.yaml"),
    ],
)
def test_a_folder_that_may_not_be_entered_is_one_line(words: tuple[str, ...]) -> None:
    answer = run(*words)
    assert (answer.code, answer.err) == (2, f"lpse-relay: {DENIED}\n")


@pytest.mark.usefixtures("shut")
def test_check_has_a_row_for_a_file_that_is_not_reached() -> None:
    assert run("check").err == f"lpse-relay: {DENIED}\n"
    (row,) = run("check", "--json").json
    assert (list(row), row["message"]) == (KEYS, "permission denied")
    missing = run("check", "--config", "missing", "--json")
    assert (missing.code, missing.err) == (2, "")
    assert [(row["file"], row["message"]) for row in missing.json] == [("missing", "no such file")]


def test_a_file_that_may_not_be_read_is_said_in_the_same_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "read_bytes", refused)
    answer = site.run("check")
    assert (answer.code, answer.out) == (
        2,
        DENIED.replace("/etc/lpse-relay", str(site.folder)) + "\n",
    )


@pytest.mark.parametrize("words", [("check",), ("queue", "ls"), ("providers",), ("run",)])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [\n", "not YAML"),
        ("state_dir: [a]\n", "state_dir"),
        ("state_dir:\n", "state_dir"),
    ],
)
def test_a_file_that_does_not_say_where_the_relay_is(
    site: Site, words: tuple[str, ...], text: str, says: str
) -> None:
    site.write(text)
    answer = site.run(*words)
    assert answer.code == 2
    assert says in answer.out + answer.err


def test_the_environment_and_the_usual_places_name_the_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "config").mkdir()
    (site.folder / "config" / "relay.yaml").write_text("lab: true\n")
    read = "read without a fault; 3 warnings"
    assert run("check").out.endswith(f"{Path('config/relay.yaml')}: {read}\n")
    monkeypatch.setenv("RELAY_CONFIG", str(site.file))
    assert run("check").out.endswith(f"{site.file}: {read}\n")
    monkeypatch.setenv("RELAY_CONFIG", "gone.yaml")
    assert run("check").err == "lpse-relay: gone.yaml: no such file\n"


def test_run_refuses_what_check_refuses(site: Site) -> None:
    site.write("lab: true\nstate_dir: state\nfilters: [access, nothing.here:Filter]\n")
    answer = site.run("run")
    assert answer.code == 2
    assert "relay.yaml:3: filters[1].use: no module nothing" in answer.err
    assert not site.state.exists()


def test_a_new_address_without_a_warm_up_is_a_warning(site: Site) -> None:
    site.write("hostname: relay.dinas.id\nallowed_senders: ['@dinas.id']\nlimits:\n  '*': 5/min\n")
    answer = site.run("check", "--json", "--state", str(site.state))
    assert answer.code == 0
    (row,) = [row for row in answer.json if "no warm-up" in row["message"]]
    assert (row["file"], row["line"], row["key"]) == (str(site.file), 3, "limits")
    assert row["message"].startswith("warning: nothing was sent from here yet, and ")
    assert "warmup: {start: 500/day" in row["suggestion"]


def test_warnings_do_not_fail(site: Site) -> None:
    site.write("lab: true\nlimits:\n  gmial.com: 1/min\n")
    answer = site.run("check", "--json")
    assert answer.code == 0
    assert [row["key"] for row in answer.json[:-1]] == ["allowed_senders", "dkim", "lab"]
    row = answer.json[-1]
    assert list(row) == KEYS
    assert (row["line"], row["suggestion"]) == (3, "did you mean gmail.com?")
    assert row["message"].startswith("warning: ")
    people = site.run("check")
    assert people.code == 0
    assert people.out.endswith(f"{site.file}: read without a fault; 4 warnings\n")
