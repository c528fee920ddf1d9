"""What would end a start is found by `load`, with file, line, key and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import Config, SourceError, load, needs_restart, shipped_classifier
from tests.ingress import tls

GOOD = "hostname: relay.lpse.example.go.id\nallowed_senders: ['@lpse.example.go.id']\n"


def loaded(folder: Path, text: str = GOOD, **site: str) -> Config:
    (folder / "relay.yaml").write_text(text)
    (folder / "site.d").mkdir(exist_ok=True)
    for name, content in site.items():
        (folder / "site.d" / f"{name}.yaml").write_text(content)
    return load(folder / "relay.yaml", folder / "state")


def faults(folder: Path, text: str, **site: str) -> list[str]:
    """The problems as printed, without the folder's name."""
    with pytest.raises(SourceError) as caught:
        loaded(folder, text, **site)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


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


@pytest.mark.parametrize(
    ("line", "says"),
    [
        # one fault a mistake, in plain words, with the value
        ("listen: [{address: '0.0.0.0'}]", "listen[0].address: '0.0.0.0' has no port"),
        ("listen: [{address: '0.0.0.0:99999'}]", "listen[0].address: '0.0.0.0:99999': port must"),
        ("web: {listen: '127.0.0.1:99999'}", "web.listen: '127.0.0.1:99999': port must be 1–65535"),
        ("metrics: {listen: '127.0.0.1:99999'}", "metrics.listen: '127.0.0.1:99999': port must"),
        ("hostname: a_b.id", "hostname: 'a_b.id' is no host name: "),
        ("trusted_networks: [foo]", "trusted_networks[0]: 'foo' is no network (write 192.0.2.0/24"),
        ("inbox: {zone: X}", "inbox.zone: 'X' is none of WIB, WITA, WIT"),
        ("testing_smtp_port: a", "testing_smtp_port: a whole number is expected here, not 'a'"),
        ("testing_smtp_port: 0", "testing_smtp_port: '0' is too small: 1 is the least"),
        ("retry: {jitter: 3}", "retry.jitter: '3' is too large: 0.5 is the most"),
        ("retry: {jitter: nan}", "retry.jitter: 'nan' is no number"),
        (
            "limits: {a.id: {warmup: {start: 1/day, growth: 1, end: 9/day}}}",
            "limits.a.id.warmup.growth: '1' is too small: it must be more than 1.0",
        ),
        (
            "limits: {a.id: 9/99999999999d}",
            "limits.a.id: '9/99999999999d': a window is at most 31d long",
        ),
        ("limits: {a.id: 9/32d}", "limits.a.id: '9/32d': a window is at most 31d long"),
        ("limits: {a.id: 9/0h}", "limits.a.id: a window needs a length: '9/0h'"),
        ("limits: {a.id: 10000001/s}", "limits.a.id: '10000001/s' is more than 10000000"),
        ("limits: {a.id: []}", "limits.a.id: an empty list is no rate"),
        ("limits: {'*.go.id': 9/min}", "limits.*.go.id: '*.go.id' is no domain (write gmail.com"),
        ("pause: {longest: 99999999999d}", "pause.longest: '99999999999d' is longer than anybody"),
        # what can mean nothing
        (
            "limits: {'smtp://h.id:25': 9/min}",
            "limits.smtp://h.id:25: no route leads to smtp://h.id:25 (add it to routes)",
        ),
        (
            "routes: {a.id: 'smtp://h.id'}\nlimits: {'smtp://h.id': 9/min}",
            "limits.smtp://h.id: no route leads to smtp://h.id (write smtp://h.id:25)",
        ),
        (
            "fallback_route: {to: 'smtp://h.id'}\nlimits: {'smtp://g.id:25': 9/min}",
            "limits.smtp://g.id:25: no route leads to smtp://g.id:25 (did you mean smtp://h.id:25?",
        ),
        ("providers: {x: {match: ['']}}", "providers.x.match[0]: no MX host ends in ''"),
        ("providers: {x: {match: ['*.x.id']}}", "providers.x.match[0]: no MX host ends in '*.x."),
        ("providers: {x: {match: [.]}}", "providers.x.match[0]: no MX host ends in '.'"),
        ("providers: {gmail: {match: []}}", "providers.gmail.match: an empty list matches no MX"),
        (
            "providers: {x: {match: [.l.google.com]}}",
            "providers.x: x never matches: its MX hosts all belong to gmail before it"
            " (change gmail, or write gmail: null)",
        ),
        (
            "providers: {gmail: {match: [.qq.com, .qq.com.cn]}}",
            "providers.gmail: qq never matches: its MX hosts all belong to gmail",
        ),
        (
            "limits: {a.id: {rate: [20/min, 900/day], burst: 21}}",
            "limits.a.id: a burst of 21 never adds to 20/min: no more than 20 go at once"
            " (burst: 20)",
        ),
        ("limits: {gmail.com: {burst: 50}}", "limits.gmail.com: a burst of 50 never adds to 20/m"),
        ("limits: {total: {burst: 5}}", "limits.total: total has a burst, and no rate"),
        ("providers: {gmail: {burst: 50}}", "providers.gmail: a burst of 50 never adds to 20/min"),
        (
            "providers: {x: {match: [.x.id], rate: 2/min, burst: 3}}",
            "providers.x: a burst of 3 never adds to 2/min",
        ),
        (
            "pause: {throttle: 2h, longest: 1h}",
            "pause.longest: no pause is shorter than its first: throttle is more than longest",
        ),
        ("pause: {block: 2d}", "pause.block: no pause is shorter than its first: block is more"),
        (
            "limits: {a.id: {warmup: {start: 500/h, end: 900/day}}}",
            "limits.a.id.warmup.start: '500/h' is no number a day (write 500/day)",
        ),
        ("limits: {a.id: {warmup: {start: 5/day}}}", "limits.a.id.warmup.end: this key is missin"),
        ("dkim: {a: b}", "dkim: a list is expected here, not a mapping"),
        ("web: [3]", "web: a mapping of keys is expected here, not a list"),
        ("ingress: {backlog: null}", "ingress.backlog: a whole number is expected here, not noth"),
        ("store:\n\t- b", "not YAML: a tab stands there, column 1 (indent with spaces)"),
    ],
)
def test_one_mistake_is_one_fault_in_plain_words(tmp_path: Path, line: str, says: str) -> None:
    (fault,) = faults(tmp_path, f"lab: true\n{line}\n")
    assert fault.split(": ", 1)[1].startswith(says)


def test_a_name_is_needed_outside_of_a_laboratory(tmp_path: Path) -> None:
    assert "hostname is missing" in faults(tmp_path, "{}\n")[0]
    assert "is no full name" in faults(tmp_path, "hostname: relay\n")[0]
    assert "no host name" in faults(tmp_path, "hostname: a_b.id\n")[0]
    assert loaded(tmp_path, "lab: true\n").hostname == "relay.lab.invalid"


RULE = "rules:\n  - id: x\n    category: nothing\n"


def test_all_faults_of_all_files_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    text = "store: x\nhostname: relay\nlimits: {a@b: 1/s}\nclasses: [{class: massal}]\n"
    found = faults(tmp_path, text, b="limits:\n  gmail: 1/min\n", a=RULE)
    where = [fault.split(": ")[0] for fault in found]
    assert where == sorted(where, key=lambda w: (not w.startswith("relay"), w))
    assert set(where) >= {f"relay.yaml:{n}" for n in range(1, 5)} | {"site.d/b.yaml:2"}
    assert where[-2].startswith("site.d/a.yaml")


def test_a_value_that_cannot_be_read_does_not_hide_a_faulty_rule(tmp_path: Path) -> None:
    found = faults(tmp_path, "lab: perhaps\n", a=RULE)
    assert found[0].startswith("relay.yaml:1: lab: ")
    assert any("no such category: 'nothing'" in fault for fault in found)


def test_a_good_configuration_is_whole(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        GOOD
        + "limits: {gmail.com: 20/min}\n"
        + f"certificate: {{certificate_file: '{tls.made().certificate_file}', "
        + f"key_file: '{tls.made().key_file}'}}\n",
        limits="limits: {gmail.com: 5/min}\nproviders: {kantor: {match: [mx.example.net]}}\n",
        empty="# nothing yet\n",
    )
    assert config.hostname == "relay.lpse.example.go.id"
    assert config.control == tmp_path / "state" / "run" / "control.sock"
    assert "kantor" in config.profiles.names
    assert [str(rate) for rate in config.profiles.items()["gmail"].rates] == ["5/min"]
    assert config.problem(("limits", "gmail.com"), "x").line == 3


def test_files_of_site_d_that_would_be_passed_over_are_faults(tmp_path: Path) -> None:
    (tmp_path / "site.d").mkdir()
    (tmp_path / "site.d" / "limits.yml").write_text("limits: {}\n")
    (tmp_path / "site.d" / "notes.txt").write_text("anything")
    assert faults(tmp_path, GOOD) == [
        "site.d/limits.yml: only *.yaml is read here (rename it to limits.yaml)"
    ]


def test_a_site_d_that_is_no_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "site.d").write_text("")
    (tmp_path / "relay.yaml").write_text(GOOD)
    with pytest.raises(SourceError, match=r"site\.d: Not a directory"):
        load(tmp_path / "relay.yaml")


def test_what_a_reload_cannot_take_is_said(tmp_path: Path) -> None:
    old = loaded(tmp_path)
    new = loaded(tmp_path, GOOD + "web: {listen: '127.0.0.1:1'}\nlimits: {gmail.com: 1/min}\n")
    assert needs_restart(old, new) == ["web changed: this needs a restart; the old value is kept"]
    assert needs_restart(old, old) == []


def test_shipped_files_are_read_once() -> None:
    assert shipped_classifier() is shipped_classifier()


def test_a_name_that_config_does_not_have() -> None:
    import relay.config

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = relay.config.nothing


def test_faults_of_keys_and_between_keys_come_at_once(tmp_path: Path) -> None:
    text = """\
hostname: relay
allowed_senders: [lpse.example.go.id]
trusted_networks: [10.0.0.0/8]
listen: [{address: "127.0.0.1:2525", tlss: off}]
limits:
  gmail.com: 0/min
  yahoo.com: [10/min, 20/min]
retry: {schedule: [1s]}
web: {listen: "0.0.0.0:8025", link_life: soon}
dns: {servers: [not-an-address]}
classes: [{class: massal, subject: "("}]
"""
    found = faults(tmp_path, text, other="limits: {mail.ru: often}", rules="rules: [{id: x}]")
    starts = [problem.partition(":")[2].lstrip("0123456789:, ") for problem in found]
    for start in (
        "hostname: 'relay' is no full name",
        "allowed_senders[0]: 'lpse.example.go.id' has no @",
        "trusted_networks[0]: 10.0.0.0/8 is wider than /24",
        "listen[0].tlss: unknown key",
        "limits.gmail.com",
        "limits.yahoo.com: two limits for one window",
        "retry.schedule[0]: short time constants",
        "web.base_url",
        "web.link_life",
        "dns.servers[0]",
        "classes[0]: no RE2 pattern",
        "limits.mail.ru",
    ):
        assert [one for one in starts if start in one], (start, found)
    assert len(found) == len(set(found)) >= 13


def test_two_faults_in_one_list_hide_nothing(tmp_path: Path) -> None:
    text = """\
allowed_senders: [lpse.example.go.id]
trusted_networks: [127.0.0.1/8, "300.1.1.1/33"]
dkim: [{domain: lpse.example.go.id, selector: s1, key_file: k.pem}]
filters: [acces, headers]
"""
    found = "\n".join(faults(tmp_path, text))
    for word in (
        "hostname is missing",
        "allowed_senders[0]",
        "trusted_networks[0]",
        "trusted_networks[1]",
        "dkim[0].key_file",
        "without the filter access",
        "acces",
    ):
        assert word in found, found


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("hostname: [a]\n", "hostname"),
        ("hostname: relay.lpse.example.go.id\nlab: perhaps\npause: {throttle: 1s}\n", "lab"),
        (
            "hostname: relay.lpse.example.go.id\ncertificate: 5\n"
            "listen: [{address: '127.0.0.1:25', tls: starttls}]\n",
            "certificate",
        ),
        ("hostname: relay.lpse.example.go.id\ndkim: [{domain: a.example}]\n", "dkim[0]"),
        ("hostname: relay.lpse.example.go.id\nroutes: {a.id: {to: mx, tls: 3}}\n", "routes.a.id"),
    ],
)
def test_a_faulty_value_is_blamed_for_nothing_else(tmp_path: Path, text: str, only: str) -> None:
    found = faults(tmp_path, text)
    assert found and all(only in one for one in found), found
