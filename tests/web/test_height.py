from __future__ import annotations

import importlib.resources
import time

import pytest

from relay.web import height
from relay.web.reading import Block, Reading


def _html(text: str) -> Reading:
    return Reading(blocks=[Block("html", text)])


def _text(text: str) -> Reading:
    return Reading(blocks=[Block("text", text)])


SHORT = "<p>Kepada Yth.<br>Pemilik email<br>di Tempat</p><p>Paket dibatalkan.</p>"


@pytest.mark.parametrize(
    ("read", "narrow", "wide"),
    [
        (None, 600, 12),
        (Reading(), 100, 2),
        (_text("satu baris\n"), 110, 3),
        (_text("satu baris\n" + "\n" * 30), 110, 3),
        (_text("\n".join("x" * 100 for _ in range(6))), 60 + 25 * 19, 5),
        (_html(SHORT), 195, 4),
        (_html(f"<style>{'p { color: red }' * 300}</style>{SHORT}"), 195, 4),
        (_html(SHORT.replace("<p>", f"\n{' ' * 400}<p>")), 195, 4),
        (_html(f"<table><tr><td>{'x' * 20}</td><td>y</td></tr></table>"), 125, 2),
        (_html("<br>" * 10), 60 + 250, 7),
        (_html("x" * 100_000), 1200, 16),
        (_text("x\n" * 10_000), 1200, 16),
    ],
)
def test_a_frame_is_about_as_tall_as_its_letter(
    read: Reading | None, narrow: int, wide: int
) -> None:
    assert (height.narrow(read), height.wide(read)) == (narrow, wide)


def test_the_style_sheet_knows_each_height() -> None:
    sheet = importlib.resources.files("relay.web").joinpath("static/inbox.css").read_text()
    for steps in range(height.LOWEST // height.STEP, height.TALLEST_WIDE // height.STEP + 1):
        assert f".isi.tinggi-{steps} {{ height: {steps * height.STEP}px }}" in sheet


@pytest.mark.parametrize("piece", ["<style", "<style>", "<p", "<", "<br>", "&", "<!--"])
def test_no_letter_keeps_it_busy(piece: str) -> None:
    begun = time.process_time()
    height.narrow(_html(piece * 200_000))
    assert time.process_time() - begun < 1
