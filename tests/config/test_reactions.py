"""Reactions in relay.yaml and site.d: their order, and every fault with file, line and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import Config
from relay.mail import reply as replies
from relay.mail.instant import HOUR, MINUTE
from relay.shaping.directives import Alarm, PauseFor, SlowBy
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reactions
from tests.config.files import faults, loaded

LAB = "lab: true\n"
BUSY = """\
reactions:
  - id: outlook.busy
    provider: outlook
    pattern: "server busy"
    trigger: 5 in 1h
    action: [pause 30m, alert]
    samples:
      - "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS1)"
"""
LIMITED = (
    "421 4.7.28 Gmail has detected an unusual rate of email. To protect our users from spam, "
    "email has been temporarily rate limited."
)


def entry(**said: str) -> str:
    """One entry, a key a line from line 2, `samples` last; an empty value leaves the key out."""
    base = {"id": "a", "pattern": "unusual rate", "action": "alert", "samples": f'"{LIMITED}"'}
    lines = [f"{key}: {value}" for key, value in (base | said).items() if value]
    return "reactions:\n  - " + "\n    ".join(lines) + "\n"


def test_there_are_none_unless_somebody_writes_them(tmp_path: Path) -> None:
    assert loaded(tmp_path, LAB).reactions == ()


def test_what_is_read(tmp_path: Path) -> None:
    (made,) = loaded(tmp_path, LAB, busy=BUSY).reactions
    assert (made.id, made.provider, made.is_of_domain) == ("outlook.busy", "outlook", False)
    assert (made.trigger, made.actions) == (Trigger(5, HOUR), (PauseFor(30 * MINUTE), Alarm()))
    assert made.where == f"{tmp_path}/site.d/busy.yaml:2"


def test_the_files_of_site_d_by_name_and_then_relay_yaml(tmp_path: Path) -> None:
    def one(name: str) -> str:
        return entry(id=name, trigger="2 in 1h")

    config = loaded(tmp_path, LAB + one("main"), b=one("b"), a=one("a"))
    assert [made.id for made in config.reactions] == ["a", "b", "main"]


def acting(config: Config, reply: str, mx: str = "", times: int = 1) -> list[str]:
    """The rules that act on the last of so many replies, read as the relay reads them."""
    made = Reactions(config.reactions)
    to = config.profiles.destination_of("a.example", [mx])
    read = config.classifier.classify(replies.parse(reply), mx)
    found = [made.read(to, "a.example", read, reply, n) for n in range(times)]
    return [one.rule for one in found[-1]]


def test_a_reaction_by_what_the_classifier_says(tmp_path: Path) -> None:
    text = entry(
        provider="gmail",
        pattern="",
        category="rate_limited",
        rule="[google.unusual-rate, google.rate-limited]",
        action="slow 50%",
    )
    config = loaded(tmp_path, LAB + text)
    assert config.reactions[0].actions == (SlowBy(50),)
    assert acting(config, LIMITED, "gmail-smtp-in.l.google.com") == ["a"]
    assert acting(config, LIMITED, "mx.example.co.id") == []
    assert acting(config, "550 5.1.1 no such user", "gmail-smtp-in.l.google.com") == []


def test_a_rule_that_a_site_teaches_may_be_reacted_to(tmp_path: Path) -> None:
    teaches = (
        "providers: {kantor: [mx.kantor.example.go.id]}\nrules:\n  - id: kantor.queue\n"
        "    provider: kantor\n    pattern: antrean penuh\n    category: rate_limited\n"
        "    samples: ['451 Antrean penuh']\n"
    )
    reacts = (
        "reactions:\n  - {id: kantor.slower, rule: kantor.queue, scope: domain,\n"
        "     action: rate 1/min for 30m,\n"
        "     samples: [{text: 451 antrean penuh, mx: mx.kantor.example.go.id, stage: rcpt}]}\n"
    )
    config = loaded(tmp_path, LAB, rules=teaches, reacts=reacts)
    assert acting(config, "451 4.0.0 antrean penuh", "mx.kantor.example.go.id") == ["kantor.slower"]


def test_a_failure_needs_no_sample(tmp_path: Path) -> None:
    text = entry(pattern="", rule="failure.timeout", category="network", samples="")
    assert [made.id for made in loaded(tmp_path, LAB + text).reactions] == ["a"]


@pytest.mark.parametrize(
    ("said", "line", "says"),
    [
        # by the models
        ({"trigger": "sometimes"}, 6, "trigger: no trigger: 'sometimes' (write immediately"),
        ({"trigger": "0 in 1h"}, 6, "trigger: '0 in 1h' would act without a reply"),
        ({"action": "slow 150%"}, 4, "action: 'slow 150%': a share lies between 1% and 99%"),
        ({"action": "[alert, pause 0s]"}, 4, "action[1]: 'pause 0s': that lasts no time"),
        ({"action": "rate 0/min for 1h"}, 4, "action: 'rate 0/min for 1h': 0 is no rate: that is"),
        ({"action": "slwo 50%"}, 4, "action: no action: 'slwo 50%' (did you mean slow?)"),
        ({"patern": "x"}, 6, "patern: unknown key (did you mean pattern?)"),
        ({"scope": "site"}, 6, "scope: 'site' is none of provider, domain"),
        # by itself
        ({"id": ""}, 2, ": its id is missing (id: kantor.too-fast)"),
        ({"id": "Kantor 1"}, 2, "id: bad id 'Kantor 1' (lower case, digits, - and .)"),
        ({"pattern": ""}, 2, ": without a condition it would meet every refusal (pattern, codes"),
        ({"action": ""}, 2, ": its action is missing (one of slow 50%, pause 2h, rate 1/min for"),
        ({"action": "[pause 1h, alert, pause 2h]"}, 4, "action[0]: two actions of one kind"),
        ({"scope": "domain", "action": "[alert, slow 5%]"}, 4, "action[1]: a domain has no rate"),
        (
            {"scope": "domain", "action": "connections 1 for 1h"},
            4,
            "action: a domain has no connections of its own",
        ),
        ({"samples": ""}, 2, ": without a real sample it is not accepted"),
        ({"samples": "[]"}, 2, ": without a real sample it is not accepted"),
        ({"samples": "['421 unusual rate', '  ']"}, 5, "samples[1]: this sample is empty"),
        ({"samples": "{text: 421 unusual rate, stage: dot}"}, 5, "samples.stage: no such stage"),
        (
            {"samples": "{text: 421 unusual rate, mix: a}"},
            5,
            "samples.mix: unknown key (did you mean mx?)",
        ),
        ({"pattern": "'('"}, 3, "pattern: not an RE2 pattern: missing )"),
        ({"pattern": "[unusual, '.*']"}, 3, "pattern[1]: the pattern fits every text"),
        ({"unless": "'a**('"}, 6, "unless: not an RE2 pattern"),
        ({"codes": "[421, 99]"}, 6, "codes[1]: '99' is no code (write 550, 5xx"),
        ({"category": "rate_limit"}, 6, "category: no such category: 'rate_limit' (did you mean r"),
        ({"rule": "gogle.unusual-rate"}, 6, "rule: no such rule: 'gogle.unusual-rate' (did you me"),
        ({"rule": "zzz"}, 6, "rule: no such rule: 'zzz' (`lpse-relay classify` names the rule"),
        (
            {"rule": "failure.lost", "samples": ""},
            3,
            "pattern: failure.lost is no reply: pattern cannot be asked of it",
        ),
        # with what else is configured
        ({"provider": "gmial"}, 6, "provider: no such provider: 'gmial' (did you mean gmail?)"),
        ({"provider": "yahoo.co.id"}, 6, "provider: no such provider: 'yahoo.co.id' (did you mean"),
        ({"provider": "xyz"}, 6, "provider: no such provider: 'xyz' (one of barracuda, gmail, "),
        (
            {"provider": "gmail", "samples": "{text: 421 unusual rate, mx: mx.agoogle.com}"},
            5,
            "samples.mx: mx.agoogle.com is no host of gmail (.google.com",
        ),
        # what can never meet a reply
        (
            {"pattern": "virus"},
            5,
            "samples: none of its patterns fits this sample (patterns see on",
        ),
        ({"codes": "5xx"}, 5, "samples: none of its codes fits this sample"),
        ({"unless": "gmail"}, 5, "samples: its `unless` takes this sample away"),
        (
            {"category": "[spam_content, policy]"},
            5,
            "samples: it never meets this: its category is rate_limited (category: rate_limited)",
        ),
        (
            {"rule": "google.sending-limit", "provider": "gmail"},
            5,
            "samples: it never meets this: its rule is google.unusual-rate (rule: google.u",
        ),
        (
            {"pattern": "", "samples": "", "rule": "failure.lost", "category": "policy"},
            4,
            "rule: it never meets this: its category is network",
        ),
    ],
)
def test_a_fault_is_named_where_it_stands(
    tmp_path: Path, said: dict[str, str], line: int, says: str
) -> None:
    found = faults(tmp_path, LAB, own=entry(**said))
    assert len(found) == 1, found
    expected = f"site.d/own.yaml:{line}: reactions[0]"
    assert found[0].startswith(expected + says if says[0] == ":" else f"{expected}.{says}"), found


def test_the_faults_of_all_entries_and_files_come_at_once(tmp_path: Path) -> None:
    text = (
        LAB
        + entry(provider="gmial")
        + '  - {id: b, pattern: "(", action: slow}\n  - {id: c, pattern: x, action: alert}\n'
    )
    found = faults(tmp_path, text, own=entry(id="b", samples="421 virus"))
    for says in (
        "reactions[0].provider: no such provider",
        "reactions[1].action: 'slow': a share is expected",
        "relay.yaml:9: reactions[2]: without a real sample",
        "own.yaml:5: reactions[0].samples: none of its patterns fits",
    ):
        assert [one for one in found if says in one], (says, found)


def test_an_id_stands_once_in_all_files(tmp_path: Path) -> None:
    twice = entry(trigger="2 in 1h")
    found = faults(tmp_path, LAB + twice, own=twice)
    assert found == [
        "relay.yaml:3: reactions[0].id: the id 'a' stands already in site.d/own.yaml:2"
    ]


def two(earlier: dict[str, str], later: dict[str, str]) -> str:
    return entry(**earlier) + entry(id="b", **later).removeprefix("reactions:\n")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {}),
        ({}, {"provider": "gmail"}),
        ({"provider": "gmail"}, {"provider": "gmail", "trigger": "5 in 1h"}),
        ({"category": "rate_limited", "pattern": ""}, {"rule": "google.unusual-rate"}),
        ({"scope": "domain"}, {"scope": "domain"}),
    ],
)
def test_one_that_an_earlier_one_shadows(
    tmp_path: Path, earlier: dict[str, str], later: dict[str, str]
) -> None:
    later = {"provider": "gmail"} | later if "rule" in later else later
    text = two(earlier, later)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "id: b" in row)
    assert faults(tmp_path, LAB, own=text) == [
        f"site.d/own.yaml:{line}: reactions[1]: it never acts: a (site.d/own.yaml:2) acts at once "
        "on all its samples (put it before that, or add a sample that a does not meet)"
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"trigger": "5 in 1h"}, {}),
        ({"provider": "gmail"}, {}),
        ({"provider": "yahoo"}, {"provider": "gmail"}),
        ({"codes": "5xx", "samples": "550 unusual rate"}, {}),
        ({}, {"pattern": "unusual", "samples": "[421 unusual rate, 421 unusual amount]"}),
    ],
)
def test_one_that_is_not_shadowed(
    tmp_path: Path, earlier: dict[str, str], later: dict[str, str]
) -> None:
    config = loaded(tmp_path, LAB, own=two(earlier, later))
    assert [made.id for made in config.reactions] == ["a", "b"]


def test_one_of_relay_yaml_is_shadowed_by_a_file_of_site_d(tmp_path: Path) -> None:
    found = faults(tmp_path, LAB + entry(id="main"), own=entry())
    assert found[0].startswith("relay.yaml:3: reactions[0]: it never acts: a (site.d/own.yaml:2)")


@pytest.mark.parametrize(
    ("text", "site", "only"),
    [
        # A fault elsewhere is not blamed on a reaction.
        ("providers: {kantor: 5}\n", entry(provider="kantor"), "relay.yaml:2: providers.kantor"),
        ("limits: {a: 1/min}\n", entry(provider="kantor"), "relay.yaml:2: limits.a"),
    ],
)
def test_what_goes_by_a_faulty_value_is_not_checked(
    tmp_path: Path, text: str, site: str, only: str
) -> None:
    found = faults(tmp_path, LAB + text, own=site)
    assert all(one.startswith(only) for one in found), found


def test_rules_with_a_fault_leave_samples_unread(tmp_path: Path) -> None:
    found = faults(tmp_path, LAB, own=entry(rule="kantor.queue"), rules="rules: [{id: x}]")
    assert all("rules.yaml" in one for one in found), found


def test_a_provider_of_the_site_may_be_named(tmp_path: Path) -> None:
    text = "providers: {kantor: {match: [mx.example.net]}}\n" + entry(provider="kantor")
    config = loaded(tmp_path, LAB, own=text)
    assert acting(config, "421 unusual rate", "mx.example.net") == ["a"]


def test_the_example_of_the_shipped_file_loads(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "config" / "relay.yaml").read_text()
    example = shipped.partition("#   - id: ")[2].partition("# docs/rules.md")[0]
    rows = ["reactions:", *f"#   - id: {example}".splitlines()]
    config = loaded(tmp_path, LAB, own="\n".join(row.removeprefix("#") for row in rows))
    assert [made.id for made in config.reactions] == ["outlook.busy"]
