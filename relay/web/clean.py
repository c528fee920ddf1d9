"""Clean: a letter's HTML made harmless, by an allow-list; nothing in it can run or call home.

The page's own policy (CSP, sandbox) would stop a script or a remote image too: two locks, because
either may have a hole one day. Remote images are dropped and counted; images that the letter
carries itself are put in as `data:`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import nh3

MAX_TAGS: Final = 10_000  # `<` in a letter: deep nesting costs the square of it
_TEXT: Final = (
    "a abbr address b bdi bdo blockquote br caption center cite code dd del dfn div dl dt em font "
    "h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp small span strike strong sub sup u ul"
)
_TAGS: Final = frozenset(f"{_TEXT} col colgroup table tbody td tfoot th thead tr img".split())
_LAYOUT: Final = frozenset(
    {"align", "valign", "width", "height", "bgcolor", "dir", "lang", "style"}
)
_ATTRIBUTES: Final = {
    "*": set(_LAYOUT),
    "a": {"href", "title"},
    "img": {"src", "alt", "title"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value"},
    "col": {"span"},
    "colgroup": {"span"},
}
_SIDES: Final = ("", "-top", "-right", "-bottom", "-left")
_STYLES: Final = frozenset(
    {
        *("color", "background-color", "font-weight", "font-style", "font-size", "font-family"),
        *("text-align", "text-decoration", "text-indent", "text-transform", "line-height"),
        *("vertical-align", "white-space", "width", "max-width", "height"),
        *("border-collapse", "border-color", "border-style", "border-width"),
        *(f"{name}{side}" for name in ("border", "padding", "margin") for side in _SIDES),
    }
)
_SILENT: Final = frozenset(
    {
        *("script", "style", "title", "head", "template", "noscript", "iframe", "object"),
        *("embed", "svg", "math", "textarea", "select"),
    }
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Harmless HTML, and how many images from elsewhere were left out."""

    html: str
    hidden_images: int


def cleaned(html: str, images: Mapping[str, tuple[str, bytes]]) -> Cleaned | None:
    """The letter's HTML made harmless; None where it is built to keep us busy: show its text.

    `images`: what the letter carries, by Content-ID: kind and octets.
    """
    if html.count("<") > MAX_TAGS:
        return None
    hidden = 0

    def judge(tag: str, attribute: str, value: str) -> str | None:
        nonlocal hidden
        if attribute == "style":
            return None if "url" in value.lower() or "\\" in value else value
        if attribute != "src":
            return value if not value.lower().lstrip().startswith("cid:") else None
        carried = images.get(value.strip()[4:]) if value.strip()[:4].lower() == "cid:" else None
        if carried is None:
            hidden += 1
            return None
        kind, octets = carried
        return f"data:{kind};base64,{base64.b64encode(octets).decode()}"

    made = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_SILENT),
        attributes=_ATTRIBUTES,
        attribute_filter=judge,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "cid"},
        filter_style_properties=set(_STYLES),
        url_relative="deny",
    )
    return Cleaned(made, hidden)
