"""Text that came from elsewhere, made so that whatever prints it only shows it; and times as people read them."""

from __future__ import annotations

import unicodedata
from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

# Control characters, and those that turn the direction of text or are not seen (Unicode categories Cc and Cf).
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters and marks that take no ink, which Unicode has in other categories: fillers of Hangul, a joiner, a blank.
BLANK: Final = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")


def shown_time(moment: datetime) -> str:
    """Give a time to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def safe(text: object) -> str:
    """Give text that came from elsewhere so that a terminal only shows it: what would steer it is shown as its code."""
    text = str(text)
    return text if text.isascii() and text.isprintable() else "".join(map(_seen, text))


def _seen(each: str) -> str:
    if unicodedata.category(each) not in HIDDEN and each not in BLANK:
        return each
    code = ord(each)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two digits hold no more
