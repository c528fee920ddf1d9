"""To another MX after a refusing banner: never where the rules of the host's provider know it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.config import load
from relay.mail import reply as replies
from relay.mail.ids import Ids
from relay.mail.reply import Stage
from relay.service.build import Road
from relay.store.memory import MemoryStore

OUTLOOK = "example-com.mail.protection.outlook.com"
BLOCKED = "550 5.7.750 not from this tenant"  # a code of Microsoft's
SITE_RULES = """
providers:
  kampus: [mx.kampus.example.ac.id]
rules:
  - id: kampus.shut
    provider: kampus
    pattern: "gerbang ditutup"
    category: sender_blocked
    samples: ["554 Gerbang ditutup"]
  - id: kampus.code
    provider: kampus
    codes: [554]
    category: sender_blocked
    samples: ["554 apa saja"]
"""


@pytest.mark.parametrize(
    ("said", "mx", "falls_over"),
    [
        (BLOCKED, OUTLOOK, False),
        (BLOCKED, "mx1.dinas.example.go.id", True),  # there nobody knows what it means
        ("554 Gerbang ditutup", "mx.kampus.example.ac.id", False),
        ("554 Gerbang ditutup", OUTLOOK, True),
        ("554 xyzzy", "mx.kampus.example.ac.id", False),  # the site says what its code means
        ("554 5.7.1 Client host blocked using zen.spamhaus.org", "mx1.dinas.example.go.id", False),
        ("554 xyzzy", OUTLOOK, True),
    ],
)
def test_a_banner_is_read_by_the_rules_of_the_host_that_spoke(
    said: str, mx: str, falls_over: bool, tmp_path: Path
) -> None:
    (tmp_path / "site.d").mkdir()
    (tmp_path / "site.d" / "kampus.yaml").write_text(SITE_RULES)
    file = tmp_path / "relay.yaml"
    file.write_text("hostname: relay.lpse.example.go.id\nlab: true\n")
    clock = SystemClock()
    road = Road(load(file), MemoryStore(), clock, Ids(), lambda event: None)
    assert road._may_fall_over(replies.parse(said, Stage.CONNECT), mx) is falls_over


def test_a_host_is_shut_while_mail_for_its_provider_is_paused(tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text("hostname: relay.lpse.example.go.id\nlab: true\n")
    road = Road(load(file), MemoryStore(), SystemClock(), Ids(), lambda event: None)
    hosts = ("aspmx.l.google.com", "mx.kampus.example.ac.id")
    assert [road._shut(host) for host in hosts] == [None, None]
    road.shaper.pause("gmail", None, "siti", road.scheduler.steady.now())
    assert [road._shut(host) for host in hosts] == ["gmail", None]
