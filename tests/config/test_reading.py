"""relay.yaml as people write it, wrongly: every fault is found, with its line, key and a hint."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from relay.config import SourceError, read_all
from relay.config.places import locate
from relay.shaping.destination import Rate


def faults(tmp_path: Path, text: str, **site: str) -> list[str]:
    """The problems of a file, as they are printed, without the folder's name."""
    file = tmp_path / "relay.yaml"
    file.write_text(text)
    (tmp_path / "site.d").mkdir(exist_ok=True)
    for name, content in site.items():
        (tmp_path / "site.d" / f"{name}.yaml").write_text(content)
    with pytest.raises(SourceError) as caught:
        read_all(file)
    return [str(p).replace(f"{tmp_path}/", "") for p in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hostnam: a", "relay.yaml:1: hostnam: unknown key (did you mean hostname?)"),
        ("lab: on", "relay.yaml:1: lab: write true or false, not 'on'"),
        ("lab: no", "relay.yaml:1: lab: write true or false, not 'no'"),
        (
            "\nlimits:\n  gmail.com: 0/min",
            "relay.yaml:3: limits.gmail.com: 0 is no rate; "
            "to stop sending there use `lpse-relay pause`",
        ),
        (
            "limits: {x.id: twenty}",
            "relay.yaml:1: limits.x.id: not a rate: 'twenty' (write 20/min, 300/5m, 1500/day)",
        ),
        (
            "limits:\n  '*':\n    conections: 2",
            "relay.yaml:3: limits.*.conections: unknown key (did you mean connections?)",
        ),
        (
            "pause: {block: 600}",
            "relay.yaml:1: pause.block: not a duration: '600' (write 30s, 5m, 4h, 1d12h)",
        ),
        (
            "ingress: {size_limit: 25 megs}",
            "relay.yaml:1: ingress.size_limit: not a size: '25 megs' "
            "(write 25 MiB, 500 MB or octets)",
        ),
        (
            "listen:\n  - {address: 'a:1', tls: maybe}",
            "relay.yaml:2: listen[0].tls: 'maybe' is none of off, starttls, implicit",
        ),
        ("lab: true\nlab: false", "relay.yaml:2: lab: this key stands twice (keep one of them)"),
        ("dkim: [{domain: a, selector: b}]", "relay.yaml:1: dkim[0].key_file: this key is missing"),
        ("- a", "relay.yaml:1: the file must be a mapping of keys"),
        ("a: [", "relay.yaml:1: not YAML: "),
        ("classes: [{class: urgent}]", "relay.yaml:1: classes[0].class: 'urgent' is none of"),
    ],
)
def test_a_fault_is_named_with_its_line_and_a_suggestion(
    tmp_path: Path, text: str, says: str
) -> None:
    assert faults(tmp_path, text)[0].startswith(says)


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, "labb: true\npause: {block: 1}", a="limitz: {}", b="limits: {x: 0/s}")
    assert [line.split(": ")[0] for line in found] == [
        "relay.yaml:1",
        "relay.yaml:2",
        "site.d/a.yaml:1",
        "site.d/b.yaml:1",
    ]


def test_a_missing_and_a_foreign_file_are_faults_too(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"relay\.yaml: No such file"):
        read_all(tmp_path / "relay.yaml")
    (tmp_path / "relay.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(SourceError, match=r"relay\.yaml:2: not UTF-8"):
        read_all(tmp_path / "relay.yaml")


def test_yaml_traps_are_not_fallen_into(tmp_path: Path) -> None:
    (tmp_path / "relay.yaml").write_text(
        "listen: [{address: '127.0.0.1:25', tls: off}]\n"
        "dkim: [{domain: no, selector: 2024, key_file: 5.10}]\n"
        "limits: {gmail.com: 20/min, yahoo.com: [10/min, 1500/day]}\n"
    )
    settings = read_all(tmp_path / "relay.yaml").settings
    assert settings.listen[0].tls == "off"
    assert (settings.dkim[0].domain, settings.dkim[0].selector) == ("no", "2024")
    assert settings.dkim[0].key_file == Path("5.10")
    limit = settings.limits["yahoo.com"]
    assert limit is not None
    assert limit.rate == (Rate(10, timedelta(minutes=1)), Rate(1500, timedelta(days=1)))


def test_the_shipped_file_says_every_key_at_its_default() -> None:
    """Every key stands in config/relay.yaml, and what is no example there is the default."""
    shipped = Path(__file__).parents[2] / "config" / "relay.yaml"
    written = read_all(shipped).settings
    assert written.model_fields_set == set(type(written).model_fields)
    examples = {"hostname", "allowed_senders", "dkim", "limits"}
    plain = type(written)()
    for name in written.model_fields_set - examples:
        assert getattr(written, name) == getattr(plain, name), name
    for section in ("ingress", "retry", "pause", "life", "web", "log", "auth", "delivery"):
        inner = getattr(written, section)
        assert inner.model_fields_set == set(type(inner).model_fields), section


def test_paths_are_relative_to_the_file_and_the_socket_to_the_state(tmp_path: Path) -> None:
    (tmp_path / "relay.yaml").write_text("state_dir: state\ncontrol: c.sock\n")
    assert locate(tmp_path / "relay.yaml", None) == (
        tmp_path / "state",
        tmp_path / "state" / "c.sock",
    )
    assert locate(tmp_path / "relay.yaml", tmp_path / "x")[1] == tmp_path / "x" / "c.sock"


@pytest.mark.parametrize("text", ["a: [\n", "state_dir: [a]\n", "control: {a: b}\n", "- a\n"])
def test_a_broken_file_does_not_hide_a_relay_whose_state_is_named(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "relay.yaml").write_text(text)
    state = tmp_path / "x"
    assert locate(tmp_path / "relay.yaml", state) == (state, state / "run" / "control.sock")
