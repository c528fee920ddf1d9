"""FollowUp: the steps in people's words, and what a new failure makes of them."""

import pytest

from relay.mail.follow_up import FollowUp, Progress, progress_of


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("baru", Progress.NEW),
        ("Sudah  Dihubungi", Progress.CONTACTED),
        ("sudah", Progress.CONTACTED),
        ("menunggu", Progress.AWAITED),
        (" selesai ", Progress.DONE),
    ],
)
def test_words(words: str, told: Progress) -> None:
    assert progress_of(words) is told


@pytest.mark.parametrize("words", ["", "  ", "done", "surat", "sudah dihubung"])
def test_other_words(words: str) -> None:
    with pytest.raises(ValueError, match="one of 'baru', 'sudah dihubungi'"):
        progress_of(words)


@pytest.mark.parametrize(
    ("progress", "failed_at", "told"),
    [
        (Progress.DONE, 11, Progress.NEW),
        (Progress.DONE, 10, Progress.DONE),
        (Progress.CONTACTED, 11, Progress.CONTACTED),
    ],
)
def test_what_was_done_is_new_again_where_a_letter_fails(
    progress: Progress, failed_at: int, told: Progress
) -> None:
    assert FollowUp("a@x.id", progress, "", "budi", 10).after(failed_at) is told
