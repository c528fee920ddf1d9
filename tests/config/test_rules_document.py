"""docs/rules.md keeps its word: its examples load, its tables are the program's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.config import Config, SourceError, load
from relay.mail import reply
from relay.mail.classification import Action, Category, Scope
from relay.mail.reply import Stage
from relay.replies import rules, wording
from relay.replies.classify import SURE
from relay.shaping.directives import Alert, ConnectionsFor, Pause, RateFor
from relay.shaping.reaction_settings import FORMS, ReactionSettings, action
from relay.shaping.reactions import Reactions

DOCUMENT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
EXAMPLES = {
    match[1]: match[2]
    for match in re.finditer(r"```yaml\n# site\.d/(\S+)\n(.*?)```", DOCUMENT, re.DOTALL)
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "relay.yaml").write_text(
        "lab: true\nlimits: {yahoo.com: 1/min, gmail.com: {rate: 20/min, connections: 7}}\n"
    )
    (tmp_path / "site.d").mkdir()
    for name, text in EXAMPLES.items():
        (tmp_path / "site.d" / name).write_text(text)
    return load(tmp_path / "relay.yaml")


def test_there_are_three_examples() -> None:
    assert sorted(EXAMPLES) == ["limits.yaml", "reactions.yaml", "replies.yaml"]


@pytest.mark.parametrize(
    ("text", "mx", "stage", "rule", "action"),
    [
        ("552 5.2.2 Kotak surat dinas penuh", "mail.kominfo.example.go.id", "rcpt", "kominfo.full",
         "bounce_address"),
        ("552 Kotak surat penuh", "a.mail.kominfo.example.go.id", "eod", "kominfo.full",
         "bounce_address"),
        ("550 5.7.1 Gateway kantor tidak aktif", "any.example", "rcpt", "kantor.gateway-offline",
         "retry_later"),
    ],
)  # fmt: skip
def test_the_rules_decide(
    config: Config, text: str, mx: str, stage: str, rule: str, action: str
) -> None:
    said = config.classifier.classify(reply.parse(text, Stage.of(stage)), mx)
    assert (said.rule, said.action.value) == (rule, action)


@pytest.mark.parametrize(
    ("text", "mx", "stage"),
    [
        ("552 5.2.2 Kotak surat dinas penuh", "mx.example.com", "rcpt"),  # another provider
        ("552 5.2.2 Kotak surat penuh sementara", "mail.kominfo.example.go.id", "rcpt"),  # unless
        ("550 5.1.1 Kotak surat penuh", "mail.kominfo.example.go.id", "rcpt"),  # another code
        ("552 5.2.2 Kotak surat penuh", "mail.kominfo.example.go.id", "mail"),  # another stage
    ],
)
def test_every_condition_must_hold(config: Config, text: str, mx: str, stage: str) -> None:
    said = config.classifier.classify(reply.parse(text, Stage.of(stage)), mx)
    assert said.rule != "kominfo.full"


def test_the_limits_are_laid_over_relay_yaml(config: Config) -> None:
    profiles = config.profiles.items()
    assert [str(rate) for rate in profiles["gmail"].rates] == ["15/min"]
    assert profiles["gmail"].connections == 7  # what the later layer does not say stays
    assert "1/min" not in [str(rate) for rate in profiles["yahoo"].rates]
    (dinas,) = config.profiles.within("dinas.example.go.id")
    assert [str(rate) for rate in dinas.rates] == ["5/min", "300/day"]
    assert profiles["kantor"].tls == "required"


def test_a_sample_that_another_rule_decides_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "relay.yaml").write_text("lab: true\n")
    (tmp_path / "site.d").mkdir()
    text = EXAMPLES["replies.yaml"].replace("Kotak surat dinas penuh", "Kotak pos penuh")
    (tmp_path / "site.d" / "replies.yaml").write_text(text)
    with pytest.raises(SourceError, match=r"replies\.yaml:12: .*this sample of kominfo\.full is"):
        load(tmp_path / "relay.yaml")


def _row(key: str) -> str:
    return next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{key}` |"))


def test_the_tables_name_all_words_and_keys() -> None:
    for key, words in (
        ("category", [c.value for c in Category]),
        ("action", [a.value for a in Action]),
        ("scope", [s.value for s in Scope]),
        ("stage", [s.word for s in Stage]),
    ):
        assert " ".join(words) in _row(key), key
    assert [_row(key) for key in rules._RULE_KEYS]
    assert f"below {SURE} nothing is given up" in _row("confidence")
    assert f"{wording.MAX_TEXT:,} characters" in DOCUMENT
    assert [_row(key) for key in ReactionSettings.model_fields if key not in _TOGETHER]
    assert all(f"`{form}`" in _row(form) for form in FORMS.values())


_TOGETHER = ("pattern", "unless", "codes", "category", "rule")  # rows of several keys


def test_the_others_example_actions_can_be_written() -> None:
    table = DOCUMENT.partition("as KumoMTA ships it:")[2]
    cells = [row.split("|")[-2] for row in table.splitlines() if row.startswith("|")][2:]
    written = [part for cell in cells for part in re.split(r"[;,]", re.sub(r"[`\[\]]", "", cell))]
    assert len(written) >= 12
    assert all(action(one.strip()) for one in written)


@pytest.mark.parametrize(
    ("text", "mx", "times", "acts"),
    [
        ("550 5.7.1 part of their network is on our block list (S3150).",
         "a.olc.protection.outlook.com", 5, [Pause, Alert]),
        ("550 5.7.1 part of their network is on our block list (S3150).",
         "a.olc.protection.outlook.com", 4, []),
        ("421 RP-003 The IP has exceeded the connection limit allowed.",
         "a.olc.protection.outlook.com", 1, [ConnectionsFor]),
        ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", "mx.yahoodns.net", 1,
         [Pause]),
        ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", "mx.example.net", 1, []),
        ("554 Reject due to policy restrictions.", "mx00.gmx.net", 5, [RateFor]),
        ("451 4.7.1 Too many messages", "mx.example.net", 3, [RateFor]),
    ],
)  # fmt: skip
def test_the_reactions_act(
    config: Config, text: str, mx: str, times: int, acts: list[type]
) -> None:
    to = config.profiles.destination_of("a.example", [mx])
    made = Reactions(config.reactions)
    read = config.classifier.classify(reply.parse(text, Stage.EOD), mx)
    found = [made.read(to, "a.example", read, text, n) for n in range(times)]
    assert [type(one) for one in found[-1]] == acts
    assert not any(found[:-1])
