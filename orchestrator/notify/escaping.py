"""Text of others made safe for where it is shown: task names and messages may hold anything."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Control characters, and those that turn the direction of text or are not seen (Unicode categories).
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKS: Final = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&:])")
# Keeps an @ and a name apart: no service takes that for somebody who is to be called.
APART: Final = "\u200b"


def plain(text: str) -> str:
    """Give text without what is not seen: it is shown as its code. Lines stay lines."""
    return "".join(each if each == "\n" or unicodedata.category(each) not in HIDDEN else _code(each) for each in text)


def line(text: str) -> str:
    """Give text as one line: a header of a mail must not begin another."""
    return " ".join(plain(text).split())


def without_mentions(text: str) -> str:
    """Give text that calls nobody: @everyone and @channel are words."""
    return text.replace("@", f"@{APART}")


def markdown(text: str) -> str:
    """Give text that Markdown shows as it is (CommonMark 0.31, section 2.4), and that calls nobody."""
    return without_mentions(_MARKS.sub(r"\\\1", text))


def _code(each: str) -> str:
    return f"\\x{ord(each):02x}" if ord(each) < 0x100 else f"\\u{ord(each):04x}"  # noqa: PLR2004 - two digits hold no more
