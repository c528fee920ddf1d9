"""A rehearsal of a configuration plays its reactions and its letters' lives, too."""

from __future__ import annotations

from pathlib import Path

from relay.config import load
from relay.lab.rehearsing.rehearsal import Asked, Line, rehearse
from relay.mail.urgency import Urgency

LIMITS = "lab: true\nlimits: {gmail.com: 600/min}\n"
REACTION = """\
reactions:
  - id: gmail.rest
    provider: gmail
    pattern: "unusual rate"
    action: pause 11h
    samples:
      - "421 4.7.28 Gmail has detected an unusual rate of email. To protect our users from spam,\
 email has been temporarily rate limited."
"""


def played(folder: Path, text: str) -> Line:
    (folder / "relay.yaml").write_text(text)
    asked = Asked(2_000, ("gmail",), "steady", 7, 6, 0, load(folder / "relay.yaml"))
    return next(line for line in rehearse(asked) if line.urgency is None)


def test_a_reaction_of_the_site_changes_what_is_played(tmp_path: Path) -> None:
    without, reacted = played(tmp_path, LIMITS), played(tmp_path, LIMITS + REACTION)
    assert without.throttled or without.blocks  # else there is nothing to react to
    assert without.taken > reacted.taken
    assert reacted.waiting >= 1_900  # it rests until after the hours played


def test_letters_live_as_long_as_the_configuration_says(tmp_path: Path) -> None:
    def expired(text: str) -> int:
        (tmp_path / "relay.yaml").write_text("lab: true\nlimits: {gmail.com: 4/h}\n" + text)
        asked = Asked(1, ("gmail",), "steady", 7, 3, 60, load(tmp_path / "relay.yaml"))
        return next(line.expired for line in rehearse(asked) if line.urgency is Urgency.KRITIS)

    assert expired("") == 0  # a day, of which three hours are played
    assert expired("life: {kritis: 20m}\n") > 10


def test_bad_addresses_are_treated_as_the_configuration_says(tmp_path: Path) -> None:
    def suppressed(text: str) -> int:
        (tmp_path / "relay.yaml").write_text("lab: true\nlimits: {gmail.com: 600/min}\n" + text)
        asked = Asked(100, ("gmail",), "steady", 7, 6, 200, load(tmp_path / "relay.yaml"))
        return next(line.suppressed for line in rehearse(asked) if line.urgency is None)

    assert suppressed("") > 10
    assert suppressed("suppression: {enabled: false}\n") == 0
