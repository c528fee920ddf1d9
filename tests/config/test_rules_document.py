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


def test_there_are_two_examples() -> None:
    assert sorted(EXAMPLES) == ["limits.yaml", "replies.yaml"]


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
    assert [str(r) for r in config.profiles.domain_rates("dinas.example.go.id")] == [
        "5/min",
        "300/day",
    ]
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
