"""A model's file: what can be wrong in it comes with file, line and suggestion."""

from __future__ import annotations

import pytest

from relay.config import shipped
from relay.lab.quotas.draws import KEYS, read, shipped_ranges
from relay.lab.quotas.ranges import COUNT, Range
from relay.strict_yaml import SourceError

TEXTS = shipped.texts("relay.lab.quotas", "models")
OUTLOOK = next(text for where, text in TEXTS.items() if where.endswith("outlook.yaml"))


def test_every_model_has_its_file_and_no_file_is_nobody_s() -> None:
    assert set(shipped_ranges()) == set(KEYS)
    assert len(TEXTS) == len(KEYS)


def test_units_are_read() -> None:
    ranges = shipped_ranges()
    assert ranges["outlook"].values["per_minute"] == Range(5, 40, COUNT)
    assert ranges["yahoo"].values["penalty"].low == 30 * 60_000
    assert ranges["gmail"].values["warn_share"].low == pytest.approx(0.03)
    assert ranges["common"].values["fall_to"].high == 0.5


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("per_minute:", "per_minut:", 3, "unknown key (did you mean per_minute?)"),
        ("depth: 30", "", 2, "depth: this key is missing"),
        ("5..40", "40..5", 3, "runs backwards (write 5..40)"),
        ("5..40", "some", 3, "'some' is no value here (write a whole number such as 60"),
        ("5..40", "0", 3, "'0' is no value here"),
        ("5..40", "2.5", 3, "'2.5' is no value here"),
        ("5..40", "-5..40", 3, "'-5' is no value here"),
        ("5..40", "5..1e9", 3, "'1e9' is no value here"),
        ("5..40", "5..", 3, "'' is no value here"),
        ("5..40", "[5, 40]", 3, "one text is expected here"),
        ("4h..24h", "4..24", 6, "a length of time such as 30s, 10m or 4h"),
        ("model: outlook", "model: outlok", 2, "no model: 'outlok' (did you mean outlook?)"),
        ("model: outlook", "", 3, "model: this key is missing"),
    ],
)
def test_a_typing_error(old: str, new: str, line: int, says: str) -> None:
    assert old in OUTLOOK
    with pytest.raises(SourceError) as caught:
        read(OUTLOOK.replace(old, new), "mine.yaml")
    told = [str(problem) for problem in caught.value.problems]
    assert any(one.startswith(f"mine.yaml:{line}: ") and says in one for one in told), told


def test_a_share_needs_its_sign_and_is_no_more_than_all() -> None:
    text = next(text for where, text in TEXTS.items() if where.endswith("common.yaml"))
    for wrong in ("0.05", "101%", "five%"):
        with pytest.raises(SourceError, match="a share such as 5%"):
            read(text.replace("dead: 5%", f"dead: {wrong}"), "mine.yaml")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "a: [\n", ""])
def test_what_is_no_model_s_file(text: str) -> None:
    with pytest.raises(SourceError, match=r"mine\.yaml:"):
        read(text, "mine.yaml")


def test_draws_stay_in_their_range_and_reach_both_ends() -> None:
    found = Range(1, 3, COUNT)
    drawn = {found.drawn(seed, "x") for seed in range(100)}
    assert drawn == {1, 2, 3}
