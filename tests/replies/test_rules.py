"""Rules files: read strictly, every fault named with file, line, key and a suggestion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Scope
from relay.replies import RuleSet, SourceError, check, load, parse
from relay.replies.classify import Classifier
from relay.replies.codes import CodePattern, inside, read
from relay.replies.rules import Layer
from relay.strict_yaml import Problem

GOOD = """\
layer: site
providers:
  kantor: [mx.example.co.id]
rules:
  - id: kantor.cuti
    provider: kantor
    pattern: "sedang cuti"
    category: inactive_user
    samples:
      - "550 5.2.1 Pemilik sedang cuti"
"""


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(SourceError) as caught:
        load({"site.yaml": text})
    return caught.value.problems


def test_a_rule_says_little_and_means_much() -> None:
    ruleset = parse(GOOD, "site.yaml")
    (rule,) = ruleset.rules
    assert ruleset.layer is Layer.SITE
    assert (rule.category, rule.scope) == (Category.INACTIVE_USER, Scope.RECIPIENT)
    assert (rule.action, rule.temporary) == (Action.BOUNCE_ADDRESS, Action.RETRY_LATER)
    assert rule.samples[0].mx == "mx.example.co.id"
    assert rule.line == 5


def test_an_empty_file_is_no_rules() -> None:
    for text in ("", "rules:\n", "# nothing\n"):
        assert parse(text, "site.yaml").rules == ()


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("rules:", "rule:"), 4, "rule: unknown key (did you mean rules?)"),
        (("layer: site", "layer: sites"), 1, "no such layer: 'sites' (did you mean site?)"),
        (("category: inactive_user", "category: inactiv_user"), 8, "did you mean inactive_user?"),
        (("    category: inactive_user\n", ""), 5, "category: this key is missing"),
        (("provider: kantor", "provider: kanto"), 6, "did you mean kantor?"),
        (("id: kantor.cuti", "id: Kantor Cuti"), 5, "bad id 'Kantor Cuti'"),
        (('"sedang cuti"', '"sedang ("'), 7, "not an RE2 pattern: missing )"),
        (('"sedang cuti"', '"(?=cuti)"'), 7, "not an RE2 pattern"),
        (('"sedang cuti"', '"x*"'), 7, "fits every text"),
        (('"sedang cuti"', '"c{1,900}d{1,900}"'), 7, "too expensive"),
        (('"sedang cuti"', f'"{"c" * 2001}"'), 7, "longer than 2000"),
        (('    pattern: "sedang cuti"\n', ""), 5, "needs a pattern or codes"),
        (("samples:", "codes: [55]\n    samples:"), 9, "'55' is no code"),
        (("samples:", "stage: [lunch]\n    samples:"), 9, "no such stage: 'lunch'"),
        (("samples:", "confidence: 2\n    samples:"), 9, "'2' is no share between 0 and 1"),
        (("samples:", "confidence: high\n    samples:"), 9, "'high' is no share"),
        (("samples:", "action: bounce\n    samples:"), 9, "no such action: 'bounce'"),
        (("samples:", "scope: sender\n    samples:"), 9, "cannot have the scope sender"),
        (("samples:", "pattern: x\n    samples:"), 9, "pattern: this key stands twice"),
        (("samples:", "unless: {a: b}\n    samples:"), 9, "a text or a list of texts"),
        (("samples:", "unless: [[a]]\n    samples:"), 9, "a text is expected"),
        (("kantor: [mx.example.co.id]", "any: [x.example]"), 3, "means every provider"),
        (("kantor: [mx.example.co.id]", 'kantor: [""]'), 3, "an MX suffix is empty"),
        (('- "550 5.2.1 Pemilik sedang cuti"', "- {text: a, stag: b}"), 10, "did you mean stage?"),
        (('- "550 5.2.1 Pemilik sedang cuti"', "- {text: a, stage: b}"), 10, "no such stage"),
        (('- "550 5.2.1 Pemilik sedang cuti"', "- [a]"), 10, "a sample is a text"),
        (('- "550 5.2.1 Pemilik sedang cuti"', "[]"), 9, "without a real sample"),
        (('    samples:\n      - "550 5.2.1 Pemilik sedang cuti"\n', ""), 5, "without a real"),
        (('- "550 5.2.1 Pemilik sedang cuti"', '- "550 Tidak ada"'), 10, "is decided by"),
        (("  - id: kantor.cuti", "  - nothing\n  - id: kantor.cuti"), 5, "a rule is a mapping"),
        (("layer: site", "- layer"), 2, "not YAML"),
        (("layer: site", "layer: &a site\nx: *a"), 2, "aliases"),
        (("layer: site", "? [a]\n: b"), 1, "a key must be a plain word"),
        (("layer: site", "layer: [site]"), 1, "one text is expected"),
    ],
)
def test_a_fault_is_named_where_it_stands(change: tuple[str, str], line: int, words: str) -> None:
    assert change[0] in GOOD
    found = problems(GOOD.replace(*change))
    assert any(words in str(p) and p.line == line for p in found), [str(p) for p in found]
    assert all(p.file == "site.yaml" for p in found)


@pytest.mark.parametrize(
    "text", ["[1]", "[" * 5000, "a: \x01", "just words", "rules: {a: b}", "providers: []", "\t"]
)
def test_what_is_no_rules_file_says_so(text: str) -> None:
    assert problems(text)


def test_all_faults_come_at_once() -> None:
    text = GOOD.replace("inactive_user", "x").replace("sedang cuti", "(").replace("kantor:", "k:")
    assert len(problems(text)) >= 3


def test_equal_ids_are_found_within_and_between_files() -> None:
    rule = GOOD[GOOD.index("  - id") :]
    assert "stands already in line 5" in str(problems(GOOD + rule)[0])
    other = GOOD.replace("sedang cuti", "sedang libur")
    with pytest.raises(SourceError, match=r"stands already in a\.yaml"):
        load({"a.yaml": GOOD, "b.yaml": other})


def test_a_rule_hidden_by_an_earlier_one_is_found() -> None:
    hidden = GOOD + (
        "  - id: kantor.cuti-besar\n    pattern: cuti besar\n    category: policy\n"
        "    samples: [{text: 550 sedang cuti besar, mx: mx.example.co.id}]\n"
    )
    assert "is decided by kantor.cuti" in str(problems(hidden)[0])


def test_a_site_overrules_the_shipped_rules(texts: dict[str, str]) -> None:
    site = """\
rules:
  - id: site.blocks-are-dead
    pattern: unusual rate of
    category: policy
    action: retry_later
    samples: ["550 5.7.28 There is an unusual rate of unsolicited email"]
"""
    classifier = load({**texts, "site.yaml": site})
    said = classifier.classify(replies.parse("550 5.7.28 an unusual rate of mail"))
    assert (said.rule, said.category) == ("site.blocks-are-dead", Category.POLICY)
    original = classifier.shipped(replies.parse("550 5.7.28 an unusual rate of mail"))
    assert (original.rule, original.category) == (
        "google.unusual-rate-block",
        Category.SENDER_BLOCKED,
    )


def test_what_was_overruled_is_known_where_it_differs(texts: dict[str, str]) -> None:
    site = """\
rules:
  - id: site.other
    pattern: user unknown here
    category: unknown_user
    samples: ["550 user unknown here"]
  - id: site.keep
    pattern: user unknown at ours
    category: policy
    action: retry_later
    samples: ["550 user unknown at ours"]
"""
    classifier = load({**texts, "site.yaml": site})

    def overruled(text: str) -> str | None:
        reply = replies.parse(text)
        original = classifier.overruled(classifier.classify(reply), reply)
        return None if original is None else original.rule

    assert overruled("550 user unknown at ours") == "text.unknown-user"
    assert overruled("550 user unknown here") is None  # another rule, the same verdict
    assert overruled("550 user unknown") is None


def test_every_shipped_rule_carries_its_proof(texts: dict[str, str]) -> None:
    rulesets: list[RuleSet] = [parse(text, name) for name, text in texts.items()]
    assert check(Classifier(rulesets)) == []
    assert sum(len(ruleset.rules) for ruleset in rulesets) > 150
    assert all(rule.samples for ruleset in rulesets for rule in ruleset.rules)


def test_a_provider_is_known_by_whole_labels(texts: dict[str, str]) -> None:
    classifier = load({**texts, "site.yaml": GOOD})
    reply = replies.parse("550 sedang cuti")
    for mx in ("mx.example.co.id", "a.mx.example.co.id.", "MX.EXAMPLE.CO.ID"):
        assert classifier.classify(reply, mx).rule == "kantor.cuti"
    for mx in ("", "amx.example.co.id", "example.co.id"):
        assert classifier.classify(reply, mx).rule != "kantor.cuti"
    assert classifier.classify(reply, provider="kantor").rule == "kantor.cuti"
    assert classifier.classify(reply, "mx.example.co.id", "other").rule == "kantor.cuti"


def test_a_site_overrules_codes_too(texts: dict[str, str]) -> None:
    site = """\
rules:
  - id: site.bare-552
    codes: [552]
    category: mailbox_full
    action: retry_later
    samples: ["552"]
  - id: site.slow-when-busy
    pattern: busy today
    category: rate_limited
    action: retry_later
    samples: ["450 busy today"]
"""
    classifier = load({**texts, "site.yaml": site})
    assert classifier.classify(replies.parse("552")).rule == "site.bare-552"
    assert classifier.shipped(replies.parse("552")).rule == "code.size-basic"
    said = classifier.classify(replies.parse("450 busy today"))
    assert said.scope is Scope.RECIPIENT


@given(st.text(alphabet="ab:- \n[]{}\"'|>*&?#\t"))
def test_any_text_is_rules_or_one_error(text: str) -> None:
    try:
        parse(text, "x.yaml")
    except SourceError as error:
        assert error.problems


@pytest.mark.parametrize(
    ("pattern", "code", "enhanced", "fits"),
    [
        ("550", 550, None, True),
        ("5xx", 554, None, True),
        ("5xx", 450, None, False),
        ("5xx", 0, None, False),
        ("x.1.1", 0, "5.1.1", True),
        ("5.7.x", 550, "5.7.26", True),
        ("5.7.x", 450, "4.7.26", False),
        ("5.7.2", 550, "5.7.26", False),
        ("5.7.2", 550, None, False),
    ],
)
def test_codes(pattern: str, code: int, enhanced: str | None, fits: bool) -> None:
    given_code = replies.EnhancedCode.parse(enhanced) if enhanced else None
    assert CodePattern(pattern).matches(code, given_code) is fits


@pytest.mark.parametrize("text", ["", "55", "6xx", "5.7", "5.7.1.2", "x.x", "abc"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no code"):
        read(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sorry, no mailbox here (#5.1.1)", "5.1.1"),
        ("#5.1.0 Address rejected", "5.1.0"),
        ("permanent failure (a@b: 550 5.4.1 denied)", "5.4.1"),
        ("deferred - 4.16.55.1; see", "None"),
        ("from 192.0.2.1", "None"),
        ("version 5.1.1", "None"),
        ("(#id-5.9.0)", "None"),
        ("said: 550-5.7.1 x 550 5.1.1 y", "5.1.1"),
    ],
)
def test_numbers_that_are_codes_and_others(text: str, code: str) -> None:
    assert str(inside(text)) == code
