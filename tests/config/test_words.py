"""One mistake is one fault in plain words, and nothing else is blamed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.files import faults


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
        ("life: {kritis: 25h}", "life.kritis: "),
        ("dkim: {a: b}", "dkim: a list is expected here, not a mapping"),
        ("web: [3]", "web: a mapping of keys is expected here, not a list"),
        ("ingress: {backlog: null}", "ingress.backlog: a whole number is expected here, not noth"),
        ("store:\n\t- b", "not YAML: a tab stands there, column 1 (indent with spaces)"),
    ],
)
def test_one_mistake_is_one_fault_in_plain_words(tmp_path: Path, line: str, says: str) -> None:
    (fault,) = faults(tmp_path, f"lab: true\n{line}\n")
    assert fault.split(": ", 1)[1].startswith(says)


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
