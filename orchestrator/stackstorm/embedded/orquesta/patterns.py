"""Functions on regular expressions; anything that is no text is taken as Python writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def regex_match(value: Any, pattern: str, ignorecase: bool = False) -> bool:  # noqa: FBT001, FBT002 packs call it so
    """Tell whether a text begins with a pattern."""
    return bool(re.match(pattern, str(value), _flags(ignorecase)))


def regex_search(value: Any, pattern: str, ignorecase: bool = False) -> bool:  # noqa: FBT001, FBT002 packs call it so
    """Tell whether a pattern is anywhere in a text."""
    return bool(re.search(pattern, str(value), _flags(ignorecase)))


def regex_replace(value: Any, pattern: str, replacement: str, ignorecase: bool = False) -> str:  # noqa: FBT001, FBT002 packs call it so
    """Replace every match of a pattern."""
    return re.sub(pattern, replacement, str(value), flags=_flags(ignorecase))


def regex_substring(value: Any, pattern: str, result_index: int = 0, ignorecase: bool = False) -> Any:  # noqa: FBT001, FBT002 packs call it so
    """Give the match of that index, or the groups of it; raises IndexError."""
    return re.findall(pattern, str(value), _flags(ignorecase))[result_index]


def _flags(ignorecase: bool) -> re.RegexFlag:  # noqa: FBT001 internal
    return re.IGNORECASE if ignorecase else re.NOFLAG


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "regex_match": regex_match,
    "regex_replace": regex_replace,
    "regex_search": regex_search,
    "regex_substring": regex_substring,
}
