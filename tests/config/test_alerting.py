"""A way that would lead nowhere is a fault with its line, before it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import needs_restart
from relay.observe.settings import UNASKED, AlertSettings
from tests.config.files import GOOD, faults, loaded
from tests.ingress import tls


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """What a way may name."""
    for name, text, mode in (
        ("secret", "0123456789abcdef\n", 0o600),
        ("open", "0123456789abcdef\n", 0o644),
        ("empty", "\n", 0o600),
        ("short", "abc\n", 0o600),
        ("notify", "#!/bin/sh\n", 0o755),
        ("plain", "#!/bin/sh\n", 0o644),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)


MAIL = "mail: ops@a.id, via: 'smtp://mail.a.id'"


@pytest.mark.parametrize(
    ("way", "says"),
    [
        # which kind
        ("{}", ": each way is one of webhook, command, mail: here is none"),
        ("{every: 1h}", ": each way is one of webhook, command, mail: here is none"),
        (
            "{webhook: 'https://a.id', mail: a@b.id}",
            ": each way is one of webhook, command, mail: here is webhook and mail",
        ),
        ("{webhook: 'https://a.id', via: 'smtp://b'}", ": via does not go with webhook"),
        ("{command: [/bin/true], from: a@b.id}", ": from does not go with command"),
        ("{mail: a@b.id}", ": mail needs via: smtp://host:port"),
        ("{webhok: 'https://a.id'}", ".webhok: unknown key (did you mean webhook"),
        # webhook
        ("{webhook: 'a.id/x'}", ".webhook: no web address (write https://host/path)"),
        ("{webhook: 'ftp://a.id/x'}", ".webhook: no web address"),
        ("{webhook: 'https://a.id:99999/'}", ".webhook: no URL: Port out of range"),
        ("{webhook: 'https:///x'}", ".webhook: no web address"),
        ("{webhook: 'https://a.id/#x'}", ".webhook: what stands behind # is never sent"),
        (
            "{webhook: 'http://hooks.a.id/x'}",
            ".webhook: http:// to hooks.a.id: anybody on the way could read and forge it "
            "(https://hooks.a.id/…; http:// is for loopback only)",
        ),
        ("{webhook: 'http://127.0.0.1.a.id/x'}", ".webhook: http:// to 127.0.0.1.a.id"),
        (
            "{webhook: 'https://a.id', secret_file: gone}",
            ".secret_file: gone: no such file",
        ),
        (
            "{webhook: 'https://a.id', secret_file: open}",
            ".secret_file: open: everybody may read it (mode 644) (chmod 640",
        ),
        ("{webhook: 'https://a.id', secret_file: empty}", ".secret_file: empty: its first line is"),
        (
            "{webhook: 'https://a.id', secret_file: short}",
            ".secret_file: short: 3 characters are too few for a secret: 16 at least (openssl rand",
        ),
        ("{webhook: 'https://a.id', ca_file: gone}", ".ca_file: gone: no such file"),
        ("{webhook: 'https://a.id', ca_file: secret}", ".ca_file: secret: no certificates in PEM"),
        # command
        ("{command: '/bin/true ops'}", ".command: a list is expected here, not '/bin/true ops'"),
        ("{command: []}", ".command: no program is named"),
        ("{command: [gone/x]}", ".command[0]: gone/x: No such file or directory"),
        ("{command: [./plain]}", ".command[0]: plain: not executable (chmod 755"),
        ("{command: [/]}", ".command[0]: /: not a file"),
        (
            "{command: ['/bin/true ops']}",
            ".command[0]: /bin/true ops: No such file or directory (each argument by itself",
        ),
        (
            "{command: [sh, -c, x]}",
            ".command[0]: 'sh' is no path: nothing is looked up in PATH (write /",
        ),
        # mail
        ("{mail: ops, via: 'smtp://a.id'}", ".mail: 'ops' is no address: "),
        ("{mail: 'a@b c', via: 'smtp://a.id'}", ".mail: 'a@b c' is no address: "),
        ("{" + MAIL + ", from: x}", ".from: 'x' is no address"),
        ("{mail: a@b.id, via: mx}", ".via: alerts do not go by MX: a provider may be what pauses"),
        ("{mail: a@b.id, via: 'http://x'}", ".via: 'http://x' is no route"),
        ("{mail: a@b.id, via: 'smtps://u@h'}", ".via: 'smtps://…@h': password_file is missing"),
        ("{mail: a@b.id, via: 'smtp://u:pw@h'}", ".via: the password stands in password_file"),
        (
            "{mail: a@b.id, via: 'smtps://u@h', password_file: empty}",
            ".password_file: empty: its first line is empty",
        ),
        (
            "{mail: a@b.id, via: 'smtps://u@h', password_file: gone}",
            ".password_file: gone: no such file",
        ),
        (
            "{mail: a@b.id, via: 'smtp://localhost:2525'}",
            ".via: that is this relay's own door: the alert would wait in the queue it tells of",
        ),
        (
            "{mail: a@b.id, via: 'smtp://relay.lpse.example.go.id:2525'}",
            ".via: that is this relay's own door",
        ),
        (
            "{mail: a@b.id, via: 'smtp://ASPMX.l.google.com:25'}",
            ".via: aspmx.l.google.com is an MX of gmail: its pause is what an alert tells of (name",
        ),
        (
            "{mail: a@b.id, via: 'smtp://u@mx3.qq.com:25', password_file: secret}",
            ".via: mx3.qq.com is an MX of qq",
        ),
        # what all have
        (
            "{command: [/bin/true], only: [pauze]}",
            ".only[0]: 'pauze': no alert has that name (did you mean pause?)",
        ),
        ("{command: [/bin/true], only: ['!xyz:*']}", ".only[0]: '!xyz:*': no alert has that name"),
        ("{command: [/bin/true], every: 60}", ".every: not a duration: '60'"),
    ],
)
def test_a_fault_with_its_key_and_what_to_write(tmp_path: Path, way: str, says: str) -> None:
    (fault,) = faults(tmp_path, f"{GOOD}alerts:\n  - {way}\n")
    assert fault.startswith(f"relay.yaml:4: alerts[0]{says}"), fault


@pytest.mark.parametrize(
    "way",
    [
        "{webhook: 'https://hooks.a.id:8443/x?key=y', secret_file: secret}",
        "{webhook: 'http://127.0.0.1:8080/'}",
        "{webhook: 'http://[::1]:8080/'}",
        "{webhook: 'http://localhost/', every: 0s}",
        "{command: [./notify, ops]}",
        "{" + MAIL + ", from: lpse@a.id, only: [pause, 'low_*', '!blocked:yahoo', 'reaction:x']}",
        "{mail: ops@a.id, via: 'smtps://u@h', password_file: secret}",
        "{mail: ops@a.id, via: 'smtp://127.0.0.1:25'}",
        "{mail: ops@a.id, via: 'smtp://google.com.a.id'}",
        "{mail: ops@a.id, via: 'smtps://u@mail.gmx.net', password_file: secret}",
    ],
)
def test_what_is_meant_is_taken(tmp_path: Path, way: str) -> None:
    (one,) = loaded(tmp_path, f"{GOOD}alerts: [{way}]\n").settings.alerts
    assert one.kind in way


def test_the_defaults_and_a_root_s_file(tmp_path: Path) -> None:
    text = f"alerts: [{{webhook: 'https://a.id', ca_file: '{tls.made().certificate_file}'}}]\n"
    (way,) = loaded(tmp_path, GOOD + text).settings.alerts
    assert (way.only, way.every.total_seconds()) == (UNASKED, 3600)
    assert AlertSettings.model_validate({"mail": "a@b", "via": "x", "from": "c@d"}).sender == "c@d"


def test_all_faults_of_all_ways_come_at_once(tmp_path: Path) -> None:
    text = (
        "alerts:\n  - {webhook: 'http://a.id'}\n  - {command: [gone/x]}\n  - {mail: x, via: mx}\n"
    )
    found = faults(tmp_path, GOOD + text)
    assert [one.split(": ")[1] for one in found] == [
        "alerts[0].webhook",
        "alerts[1].command[0]",
        "alerts[2].mail",
        "alerts[2].via",
    ]


def test_a_reload_takes_them(tmp_path: Path) -> None:
    old = loaded(tmp_path)
    new = loaded(tmp_path, GOOD + "alerts: [{command: [./notify]}]\n")
    assert needs_restart(old, new) == []


def test_a_provider_of_one_s_own_is_one_and_what_is_faulty_is_said_once(tmp_path: Path) -> None:
    kantor = "providers: {kantor: {match: [mx.kantor.id]}}\n"
    way = "alerts: [{mail: a@b.id, via: 'smtp://mx.kantor.id'}]\n"
    (fault,) = faults(tmp_path, GOOD + way, kantor=kantor)
    assert "mx.kantor.id is an MX of kantor" in fault
    (spoilt,) = faults(tmp_path, GOOD + way.replace("a@b.id", "[1]"), kantor=kantor)
    assert "alerts[0].mail" in spoilt
