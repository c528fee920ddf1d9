from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest

from relay.web.clean import MAX_TAGS, cleaned
from tests.web.hostile import HOSTILE

ACTIVE = {
    "script", "style", "svg", "math", "meta", "base", "form", "input", "button", "iframe", "object",
    "embed", "link", "video", "audio", "source", "picture", "body", "noscript", "template",
}  # fmt: skip


class Seen(HTMLParser):
    """Every tag and attribute of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("letter", HOSTILE)
def test_nothing_active_is_left(letter: str) -> None:
    html = letter.replace("{outside}", "http://outside.example").replace("{host}", "outside")
    made = cleaned(html, {})
    assert made is not None
    seen = Seen(made.html)
    assert not set(seen.tags) & ACTIVE
    for name, value in seen.attributes:
        assert not name.startswith("on")
        assert name not in ("srcset", "background", "poster", "ping", "srcdoc", "action")
        if name == "src":
            assert value.startswith("data:")
        if name == "href":
            assert value.startswith(("http://", "https://", "mailto:"))
        if name == "style":
            assert "url" not in value
            assert "position" not in value


def test_what_a_letter_needs_stays() -> None:
    html = (
        '<h2>Judul</h2><p style="color:red">a <b>b</b> <a href="https://lpse.example.go.id/x?y=1">c'
        '</a></p><table border="1"><tr><td colspan="2" bgcolor="#eee">d</td></tr></table>'
    )
    made = cleaned(html, {})
    assert made is not None
    assert 'href="https://lpse.example.go.id/x?y=1" target="_blank"' in made.html
    assert 'rel="noopener noreferrer nofollow"' in made.html
    assert '<p style="color:red">' in made.html
    assert '<td colspan="2" bgcolor="#eee">d</td>' in made.html
    assert made.hidden_images == 0


def test_remote_images_are_hidden_and_counted_own_ones_shown() -> None:
    html = "<img src=http://x/1.png><img src=cid:a@b alt=logo><img src=cid:gone>"
    made = cleaned(html, {"a@b": ("image/png", b"\x89PNG")})
    assert made is not None
    assert made.hidden_images == 1 + 1
    assert '<img src="data:image/png;base64,iVBORw==" alt="logo">' in made.html


def test_html_that_would_keep_us_busy_is_not_cleaned_but_shown_as_text() -> None:
    assert cleaned("<div>" * (MAX_TAGS + 1), {}) is None


@pytest.mark.parametrize("piece", ["<div>", "<b><p>", "<table>", "<a href=x><b>", "<font><p>", "<"])
def test_the_worst_that_is_cleaned_is_quick(piece: str) -> None:
    html = piece * (MAX_TAGS // piece.count("<"))
    started = time.process_time()
    assert cleaned(html, {}) is not None
    assert time.process_time() - started < 5
