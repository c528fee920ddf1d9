"""What would end a start is found by `load`, with file, line, key and what to write instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from relay.service.build import shaper_of
from relay.shaping.base import SHORT
from tests.config.files import GOOD, faults, loaded


@pytest.mark.parametrize(
    ("line", "says"),
    [
        # listeners
        ("listen: []", "listen: nothing would listen"),
        ("listen: [{address: '127.0.0.1'}]", "listen[0].address: '127.0.0.1' has no port"),
        ("listen: [{address: '127.0.0.1:²'}]", "listen[0].address: '127.0.0.1:²' has no port"),
        ("listen: [{address: 'a.b:25'}]", "listen[0].address: 'a.b' is no IP address"),
        ("listen: [{address: 'systemd:'}]", "listen[0].address: systemd: needs the socket's name"),
        (
            "listen: [{address: '127.0.0.1:25'}, {address: '127.0.0.1:25'}]",
            "listen[1].address: 127.0.0.1:25 stands twice",
        ),
        (
            "listen: [{address: '127.0.0.1:25', tls: starttls}]",
            "listen[0].tls: tls: start",
        ),
        ("listen: [{address: '0.0.0.0:25'}]", "listen[0]: 0.0.0.0:25 is reachable from outside"),
        ("trusted_networks: [10.0.0.0/8]", "trusted_networks[0]: 10.0.0.0/8 is wider than /24"),
        ("trusted_networks: ['fd00::/48']", "trusted_networks[0]: fd00::/48 is wider than /64"),
        ("delivery: {ca_file: empty}", "delivery.ca_file: FOLDER/empty holds no certificates"),
        ("delivery: {ca_file: gone}", "delivery.ca_file: FOLDER/gone holds no certificates"),
        ("auth: {enabled: true}", "auth: AUTH needs a listener with TLS"),
        # workers
        ("workers: many", "workers: "),
        ("workers: -1", "workers: "),
        ("workers: 65", "workers: "),
        (
            "workers: 3\ningress: {max_sessions: 5}",
            "workers: 3 workers share 5 sessions: each needs two (ingress: {max_sessions: 6}",
        ),
        (
            "ingress: {size_limit: 256 MiB}\nworkers: 1",
            "ingress.size_limit: workers hand over letters of at most 255 MiB",
        ),
        # what comes back
        (
            "return_path: {listen: '127.0.0.1:2526'}",
            "return_path.listen: nothing comes back without return_path.domain",
        ),
        ("return_path: {domain: 'a b'}", "return_path.domain: 'a b' is no domain"),
        ("return_path: {domain: bounce}", "return_path.domain: 'bounce' is no full name"),
        (
            "return_path: {domain: b.example.id, listen: 'x:25'}",
            "return_path.listen[0]: 'x' is no IP address",
        ),
        (
            "return_path: {domain: b.example.id, listen: '127.0.0.1:2525'}",
            "return_path.listen[0]: 127.0.0.1:2525 is a listener already",
        ),
        # who and where
        ("store: mysql", "store: unknown store 'mysql'"),
        ("store: postgresql://x", "store: PostgreSQL is not served by this version"),
        ("testing_smtp_port: 2525", "testing_smtp_port: is for tests only"),
        ("pause: {block: 2s}", "pause.block: short time constants are for a laboratory"),
        ("retry: {schedule: [2s]}", "retry.schedule[0]: short time constants"),
        ("retry: {schedule: []}", "retry.schedule: a schedule needs at least one step"),
        ("retry: {ambiguous: 1s}", "retry.ambiguous: short time constants"),
        ("nxdomain: {hold: 1s}", "nxdomain.hold: short time constants"),
        ("life: {kritis: 0s}", "life.kritis: short time constants"),
        # the other way of kritis letters
        ("fallback_route: mx", "fallback_route: mx is no other way"),
        ("fallback_route: 'http://x'", "fallback_route: 'http://x' is no route"),
        ("fallback_route: {after: 15m}", "fallback_route.to: "),
        (
            "fallback_route: {to: 'smtp://h', after: 1s}",
            "fallback_route.after: short time constants",
        ),
        (
            "fallback_route: {to: 'smtp://u@h'}",
            "fallback_route: 'smtp://…@h': password_file is missing",
        ),
        (
            "fallback_route: {to: 'smtps://u@h', password_file: gone}",
            "fallback_route.password_file: FOLDER/gone: no such file",
        ),
        (
            "fallback_route: {to: 'smtps://u@h', password_file: empty}",
            "fallback_route.password_file: empty: its first line is empty",
        ),
        # routes
        ("routes: {a.id: 'smtp://u@h'}", "routes.a.id: 'smtp://…@h': password_file is missing"),
        ("routes: {a.id: 'smtp://u:secret@h'}", "routes.a.id: the password stands in"),
        ("routes: {a.id: 'http://x'}", "routes.a.id: 'http://x' is no route"),
        ("routes: {'a b': mx}", "routes.a b: there is a space in the domain"),
        ("routes: {a.id: mx, A.id: mx}", "routes.A.id: stands twice"),
        (
            "routes: {'*': {to: 'smtps://u@h', password_file: gone}}",
            "routes.*.password_file: FOLDER/gone: no such file",
        ),
        (
            "routes: {'*': {to: 'smtps://u@h', password_file: empty}}",
            "routes.*.password_file: empty: its first line is empty",
        ),
        (
            "routes: {'*': {to: mx, password_file: password}}",
            "routes.*: mx takes no password",
        ),
        # what parts are built from
        ("classes: [{class: massal, subject: '('}]", "classes[0]: no RE2 pattern: missing )"),
        ("classes: [{class: massal}]", "classes[0]: a rule needs a subject, a header or a user"),
        ("classes: [{class: massal, header: X}]", "classes[0]: a header rule is written"),
        ("filters: [acces, access]", "filters[0].use: no filter is called 'acces'"),
        ("filters: [loops]", "filters: without the filter access anybody's mail is relayed"),
        (
            "filters: [access, {use: loops, options: {max: 3}}]",
            "filters[1].use: loops has no option 'max'",
        ),
        ("filters: [access, 'gone.x:Y']", "filters[1].use: no module gone"),
        ("filters: [access, 'os:path']", "filters[1].use: os has no filter class 'path'"),
        ("web: {listen: '0.0.0.0:80'}", "web.base_url: listening on 0.0.0.0:80, beyond"),
        ("web: {listen: nine}", "web.listen: not an address to listen on: 'nine'"),
        ("web: {base_url: 'ftp://x'}", "web.base_url: write it like https://"),
        ("metrics: {listen: nine}", "metrics.listen: not an address to listen on"),
        ("dns: {servers: ['192.0.2.1', foo]}", "dns.servers[1]: 'foo' is no name server"),
        ("delivery: {source_address: foo}", "delivery.source_address: 'foo' is no IP address"),
        (
            "delivery: {source_address: [192.0.2.1, 192.0.2.2]}",
            "delivery.source_address: one text is expected here, not a list",
        ),
        ("certificate: {key_file: k.pem}", "certificate: a key_file, but no certificate_file"),
        (
            "certificate: {certificate_file: gone.pem}",
            "certificate.certificate_file: gone.pem: no file",
        ),
        (
            "certificate: {certificate_file: password}",
            "certificate: FOLDER/password and FOLDER/password cannot be used",
        ),
        # keys
        ("dkim: [{domain: x.id, selector: s, key_file: gone}]", "dkim[0].key_file: FOLDER/gone"),
        (
            "dkim: [{domain: x.id, selector: s, key_file: open}]",
            "dkim[0].key_file: FOLDER/open: e",
        ),
        (
            "dkim: [{domain: x.id, selector: s, key_file: group}]",
            "dkim[0].key_file: FOLDER/group",
        ),
        ("dkim: [{domain: x.id, selector: s, key_file: '.'}]", "dkim[0].key_file: FOLDER: not a"),
        (
            "dkim: [{domain: x.id, selector: s, key_file: password}]",
            "dkim[0].key_file: FOLDER/p",
        ),
        (
            "dkim: [{domain: x.id, selector: s 1, key_file: gone}]",
            "dkim[0].selector: s 1._domainkey.x.id is no name for a DKIM record",
        ),
        ("dkim: [{domain: x y, selector: s, key_file: gone}]", "dkim[0].domain: DKIM domain 'x y'"),
        # limits
        (
            "limits: {'source:203.0.113.9': 1/day}",
            "limits.source:203.0.113.9: 203.0.113.9 is not known to be the address that we dial "
            "from: the system chooses (delivery: {source_address: 203.0.113.9})",
        ),
        ("limits: {'Source:lpse': 1/day}", "limits.Source:lpse: 'lpse' is no IP address"),
        ("limits: {a@b.id: 1/min}", "limits.a@b.id: 'a@b.id' is an address (write the domain"),
        ("limits: {gmail: 1/min}", "limits.gmail: 'gmail' is no domain"),
        (
            "limits: {'mx:mail': 1/min}",
            "limits.mx:mail: 'mail' is no MX host "
            '(write "mx:mx1.example.go.id+mx2.example.go.id")',
        ),
        ("limits: {'mx:a.id': [1/min, 2/min]}", "limits.mx:a.id: two limits for one window"),
        ("limits: {'mx:a.id': {conections: 1}}", "limits.mx:a.id.conections: unknown key (did"),
        ("limits: {x.id: [1/min, 2/min]}", "limits.x.id: two limits for one window"),
        ("providers: {gmial: {connections: 1}}", "providers.gmial: gmial is no shipped profile"),
        ("providers: {gmail: {rate: [1/min, 2/min]}}", "providers.gmail.rate: two limits"),
    ],
)
def test_a_fault_is_found_before_anything_starts(tmp_path: Path, line: str, says: str) -> None:
    for name, mode in (("open", 0o644), ("group", 0o660), ("password", 0o600), ("empty", 0o600)):
        (tmp_path / name).write_text("" if name == "empty" else "secret\n")
        (tmp_path / name).chmod(mode)
    says = says.replace("FOLDER/", "").replace("FOLDER", str(tmp_path))
    found = faults(tmp_path, f"{GOOD}\n{line}\n")
    assert [fault for fault in found if fault.startswith(f"relay.yaml:4: {says}")], found


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("/nonexist/x.log", "/nonexist/x.log: there is no folder /nonexist (stdout, or a file"),
        ("gone/x.log", "FOLDER/gone/x.log: there is no folder FOLDER/gone (stdout"),
        ("logs", "FOLDER/logs: is a folder, no file"),
        ("logs/shut", "FOLDER/logs/shut: may not be made by this user"),
        ("old.log", "FOLDER/old.log: may not be written by this user"),
        ("old.log/x", "FOLDER/old.log/x: there is no folder FOLDER/old.log"),
    ],
)
def test_a_log_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, says: str
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "old.log").touch()
    monkeypatch.setattr("relay.config.parts.os.access", lambda path, mode: False)
    (fault,) = faults(tmp_path, f"{GOOD}log: {{to: '{to}'}}\n")
    says = says.replace("FOLDER/", "").replace("FOLDER", str(tmp_path))
    assert fault.startswith(f"relay.yaml:3: log.to: {says}")


@pytest.mark.parametrize("to", ["stdout", "new.log", "old.log"])
def test_a_log_that_can_be_written_is_not_made_by_a_check(tmp_path: Path, to: str) -> None:
    (tmp_path / "old.log").touch()
    loaded(tmp_path, f"{GOOD}log: {{to: '{to}'}}\n")
    assert not (tmp_path / "new.log").exists()


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("lpse.example.go.id", "'lpse.example.go.id' has no @ (write \"@lpse.example.go.id\")"),
        ("5", "'5' has no @"),
        ("@a b", "neither @domain nor an address: there is a space in the domain"),
        ("x@.a.id", "neither @domain nor an address: "),
    ],
)
def test_a_sender_that_is_none(tmp_path: Path, entry: str, says: str) -> None:
    found = faults(tmp_path, f"lab: true\nallowed_senders:\n  - '@a.id'\n  - '{entry}'\n")
    assert len(found) == 1
    assert found[0].startswith(f"relay.yaml:4: allowed_senders[1]: {says}")
    assert ("(write" in found[0]) is ("(write" in says)


def test_a_name_is_needed_outside_of_a_laboratory(tmp_path: Path) -> None:
    assert "hostname is missing" in faults(tmp_path, "{}\n")[0]
    assert "is no full name" in faults(tmp_path, "hostname: relay\n")[0]
    assert "no host name" in faults(tmp_path, "hostname: a_b.id\n")[0]
    assert loaded(tmp_path, "lab: true\n").hostname == "relay.lab.invalid"


def test_a_limit_for_an_address_that_we_do_not_dial_from(tmp_path: Path) -> None:
    dialled = GOOD + "delivery: {source_address: '2001:db8::7'}\n"
    (fault,) = faults(tmp_path, dialled, a="limits:\n  'source:2001:db8::8': 1/day\n")
    assert fault == (
        "site.d/a.yaml:2: limits.source:2001:db8::8: we dial from 2001:db8::7, never from "
        "2001:db8::8: this would limit nothing (write source:2001:db8::7, or total)"
    )
    spoilt = GOOD + "delivery: {source_address: [1]}\nlimits: {'source:192.0.2.1': 1/day}\n"
    assert len(faults(tmp_path, spoilt)) == 1
    shutil.rmtree(tmp_path / "site.d")
    written = {"2001:DB8:0::7": "1/day", "192.0.2.1": "null"}
    text = ", ".join(f"'source:{address}': {rate}" for address, rate in written.items())
    config = loaded(tmp_path, f"{dialled}limits: {{{text}}}\n")
    made = shaper_of(config)
    to = config.profiles.destination_of("a.example", ["mx.a.example"])
    assert made.admit(to, "a.example", 1, 0) is SHORT
    assert {row.key for row in made.setting_aside(0)} >= {f"source:{config.source}"}
