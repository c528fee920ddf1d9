"""A matcher by itself means what a rule's patterns and codes mean."""

from __future__ import annotations

import pytest

from relay.replies.matcher import Matcher


@pytest.mark.parametrize(
    ("matcher", "reply", "fits"),
    [
        (Matcher(["unusual rate"]), "421-4.7.28 An UNUSUAL\n421 4.7.28  rate of mail", True),
        (Matcher(["a", "busy"]), "451 4.7.500 Server busy", True),
        (Matcher(["idle", "lazy"]), "451 4.7.500 Server busy", False),
        (Matcher(["421"]), "421 4.7.0 later", False),  # codes are no text
        (Matcher(["occupé"]), "451 serveur occupe", True),
        (Matcher(["busy"], ["not busy"]), "451 not busy", False),
        (Matcher((), ["not busy"]), "451 busy", True),
        (Matcher((), (), ["451"]), "451 4.7.500 Server busy", True),
        (Matcher((), (), ["550", "4.7.x"]), "451 4.7.500 Server busy", True),
        (Matcher((), (), ["5xx"]), "451 4.7.500 Server busy", False),
        (Matcher((), (), ["x.1.1"]), "550 host said: 550 5.1.1 no such user", True),  # quoted
        (Matcher(["busy"], (), ["5xx"]), "451 4.7.500 Server busy", False),
        (Matcher(["busy"]), "", False),
        (Matcher(()), "", True),
    ],
)
def test_what_fits(matcher: Matcher, reply: str, fits: bool) -> None:
    assert matcher.fits(reply) is fits


def test_a_code_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"'25' is no code"):
        Matcher((), (), ["25"])
