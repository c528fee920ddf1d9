"""`alerts`: what stands, in two languages; and a test by every way, with the code of the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from relay.clock import SystemClock
from relay.control.server import ControlServer
from relay.mail.events import Alert, Event, Paused
from relay.observe.alerts import Alerts
from relay.observe.notifying import Notifying, Told
from relay.observe.webhook import Webhook
from relay.service.alerting import AlertCommands
from tests.cli.house import Running, Site
from tests.observe.peers import HOST, Web, web

ALERT_KEYS = ["name", "severity", "detail", "meaning", "first_at", "last_at", "count"]
WAY_KEYS = ["way", "to", "delivered", "failed", "suppressed", "waiting", "fault", "fault_at"]


class Alerting(Running):
    """A relay of which only the alerts answer."""

    def __init__(self, site: Site, *servers: Web) -> None:
        super().__init__(site)
        clock = SystemClock()
        self.notifying = Notifying(clock, lambda *_: None)
        self.alerts = Alerts(self.emit, clock)
        self.clock = clock
        ways = [
            Told(f"webhook-{n}", Webhook(server.url), (), 0) for n, server in enumerate(servers, 1)
        ]
        self.notifying.use(ways, HOST)
        table = AlertCommands(self.alerts, self.notifying).table()
        self._server = ControlServer(site.state / "run" / "control.sock", table)

    def emit(self, event: Event) -> None:
        self.notifying.on_event(event, self.alerts.heard(event))


@contextmanager
def alerting(site: Site, *servers: Web) -> Iterator[Alerting]:
    relay = Alerting(site, *servers)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()


def test_nothing_stands_and_nobody_is_reached(site: Site) -> None:
    with alerting(site):
        answer = site.run("alerts")
        assert (answer.code, answer.out) == (0, "nothing stands\n")
        assert "alerts reach nobody: no way is configured" in answer.err
        assert site.run("alerts", "ls", "--json").json == {"alerts": [], "ways": []}
        test = site.run("alerts", "test")
        assert (test.code, test.out) == (1, "")
        assert "alerts reach nobody" in test.err


def test_what_stands_with_what_it_means(site: Site) -> None:
    with web() as server, alerting(site, server) as relay:
        now = relay.clock.now()
        relay.call(lambda: relay.emit(Paused(now, "gmail", "gmail", None, "550 \x1b[31m blocked")))
        relay.call(lambda: relay.alerts.alert("low_disk", "5 octets free"))
        relay.call(lambda: relay.alerts.alert("low_disk", "4 octets free"))
        answer = site.run("alerts", "ls")
        assert answer.code == 0
        lines = answer.out.splitlines()
        assert lines[0].startswith("critical  low_disk  20") and ", 2 times since 20" in lines[0]
        assert lines[1].startswith("  The disk is nearly full.")
        assert lines[2] == "  > 4 octets free"
        assert lines[4].startswith("warning  pause:gmail  20")
        assert lines[5].startswith("  gmail has had enough of our mail")
        assert "lpse-relay resume gmail" in lines[5]  # somebody may have paused it
        assert lines[6].startswith("  > paused until somebody resumes it: 550 [31m")
        assert "webhook-1" in answer.out
        indonesian = site.run("alerts", "--lang", "id")
        assert "Disk hampir penuh." in indonesian.out
        shape = site.run("alerts", "ls", "--json").json
        assert [list(row) for row in shape["alerts"]] == [ALERT_KEYS] * 2
        assert [list(way) for way in shape["ways"]] == [WAY_KEYS]
        assert shape["ways"][0]["waiting"] == 2
        assert (shape["alerts"][0]["count"], shape["alerts"][0]["severity"]) == (2, "critical")


def test_a_language_that_there_is_not(site: Site) -> None:
    answer = site.run("alerts", "ls", "--lang", "fr")
    assert (answer.code, answer.err) == (2, "lpse-relay: --lang fr: one of en, id\n")


def test_a_test_by_all_ways_and_its_code(site: Site) -> None:
    with web() as well, web(answers=[404], body=b"gone") as ill:
        with alerting(site, well):
            answer = site.run("alerts", "test")
            assert answer.code == 0
            assert answer.out.splitlines()[1].split()[0:3:2] == ["webhook-1", "ok"]
        with alerting(site, well, ill):
            answer = site.run("alerts", "test", "--json")
            assert answer.code == 1
            one, two = answer.json
            assert list(one) == ["way", "to", "ok", "said", "took_ms"]
            assert (one["ok"], one["said"]) == (True, "HTTP 204")
            assert (two["ok"], two["said"]) == (False, "HTTP 404: gone")
            people = site.run("alerts", "test")
            assert people.code == 1
            assert "FAILED" in people.out
        assert len(well.requests) == 3
        assert len(ill.requests) == 2
        assert b'"name":"test"' in well.requests[0][2]


def test_no_relay(site: Site) -> None:
    for words in (("alerts",), ("alerts", "ls"), ("alerts", "test")):
        assert site.run(*words).code == 3


def test_an_alert_of_the_scheduler_stands_too(site: Site) -> None:
    with alerting(site) as relay:
        relay.call(lambda: relay.emit(Alert(relay.clock.now(), "unreadable", "x")))
        assert site.run("alerts", "--json").json["alerts"][0]["name"] == "unreadable"
