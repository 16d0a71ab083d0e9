"""Text that came from elsewhere, made so that Markdown only shows it: no tag, no link, no picture, no layout of it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Control characters and what is not seen, or turns the direction of text: shown as codes, as terminals show them.
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# An item of a list with nothing in it makes a heading of the line above.
EMPTY: Final = "(empty)"
# HTML, tables and code: an entity means the character itself in every dialect, where a backslash is shown in some.
_ENTITIES: Final = {each: f"&#{ord(each)};" for each in "<>&|`~$@"}
_BACKSLASHED: Final = {each: f"\\{each}" for each in "\\*_{}[]()#!"}
_MEANS: Final = str.maketrans(_ENTITIES | _BACKSLASHED)
# What some dialects make links of where it stands alone: `https://...`, `www...`.
_BARE_LINK: Final = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
# What begins a list, a quotation, a rule or a heading at the beginning of a line.
_BEGINS: Final = re.compile(r"^(\s*\d*)([-+=.:])")


def escaped(text: object) -> str:
    """Give text on one line so that it is shown as it is, wherever in a line of Markdown it stands."""
    line = " ".join(str(text).split()) or EMPTY
    shown = "".join(each if unicodedata.category(each) not in HIDDEN else _code(each) for each in line)
    unlinked = _BARE_LINK.sub(lambda found: f"\0{ord(found[0])}\0", shown)
    meaning = unlinked.translate(_MEANS)
    linked = re.sub(r"\0(\d+)\0", r"&#\1;", meaning)
    return _BEGINS.sub(lambda found: f"{found[1]}&#{ord(found[2])};", linked)


def quoted(text: str) -> list[str]:
    """Give lines of text as lines of an indented block of code: nothing in them means anything, and none ends it."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [f"    {_plain(line)}".rstrip() or "    ." for line in lines]


def _plain(line: str) -> str:
    return "".join(each if unicodedata.category(each) not in HIDDEN else _code(each) for each in line)


def _code(each: str) -> str:
    return f"\\x{ord(each):02x}" if ord(each) < 0x100 else f"\\u{ord(each):04x}"  # noqa: PLR2004 - two digits hold no more
