"""HTML and SVG that is built, not pasted: whatever is no markup of ours is escaped."""

from __future__ import annotations

from html import escape
from typing import Final

VOID: Final = frozenset({"meta", "br", "hr", "col"})


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | float | None) -> Markup:
    """Give an element. `class_` is `class`, `stroke_width` is `stroke-width`; an attribute of None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: str | None) -> Markup:
    """Put pieces together, escaping those that are no markup."""
    return Markup("".join(each if isinstance(each, Markup) else escape(each) for each in children if each is not None))


def svg(width: float, height: float, label: str, *children: str | None, class_: str = "plot") -> Markup:
    """Give a picture that fills its place in width; `label` says what it shows to those who cannot see it."""
    box = f"0 0 {_text(width)} {_text(height)}"
    return tag("svg", *children, class_=class_, viewBox=box, width=width, height=height, role="img", aria_label=label)


def _text(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
