"""All faults come at once, in the order of the files, and none hides another."""

from __future__ import annotations

from pathlib import Path

from tests.config.files import faults

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
