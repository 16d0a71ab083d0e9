"""The normal form of a message: ids, numbers, addresses, times, paths and quoted text become marks, words stay.

Time grows with the length of the message and no faster: what is looked at is bounded, quotes are paired in one walk,
and no pattern can try the same text in two ways: repeats are possessive, or of a bounded number.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, normalize

from orchestrator.domain.identifiers import is_base64, without_digits, without_ids
from orchestrator.domain.quotes import without_quoted

LONGEST: Final = 300
# All that a worker sends of a message.
LOOKED_AT: Final = 4_200
# What one pass leaves may let the next see more; it settles in two, and is never asked for more than these.
MOST_PASSES: Final = 8
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? "
_CLOCK: Final = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d++)?+)?+(?: ?[AP]M\b)?+(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?+"
_BEFORE: Final = r"(?<![^\W_])"
_V6: Final = r"[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,8}(?:\.\d{1,3}){0,3}(?:%\w{1,16})?"


def _path(found: re.Match[str]) -> str:
    """Mark a path; base64 may begin with a slash."""
    return "<n>" if is_base64(found[0]) else "<path>"


_NOT_IN_URL: Final = r"\s<>\"'`"
# What a kind of place cannot be without, its pattern, its mark; in this order.
_PLACES: Final = (
    (("://",), re.compile(rf"{_BEFORE}[A-Za-z][A-Za-z0-9+.-]{{1,15}}://[^{_NOT_IN_URL}]++"), "<url>"),
    (("@",), re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "<email>"),
    ((".",), re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)(?:/\d{1,2}|:\d{1,5})?(?!\w)"), "<address>"),
    ((":",), re.compile(r"(?<![\w.-])(?:localhost|[A-Za-z][\w-]{0,62}(?:\.[\w-]{1,63}){1,8}):\d{2,5}(?![\w.])"),
     "<address>"),
    ((":", "-", "/", "0", "1"), re.compile(
        rf"{_BEFORE}(?:"
        rf"\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK})?+(?![^\W_])"
        rf"|\d{{4}}/\d\d/\d\d(?: {_CLOCK})?+(?![^\W_])"
        rf"|(?:{_DAY})?\d{{1,2}}[ -]{_MONTH}[ -]\d{{4}}(?: {_CLOCK})?+(?![^\W_])"
        rf"|(?:{_DAY})?{_MONTH} {{1,2}}\d{{1,2}},? (?:{_CLOCK} )?+\d{{4}}(?![^\W_])"
        rf"|{_CLOCK}(?![\w:]))"), "<time>"),
    ((":",), re.compile(rf"\[(?=[:.]*[0-9a-fA-F]|::\]:\d){_V6}\](?::\d{{1,5}})?"
                        rf"|(?<![\w:])(?=:{{0,2}}[0-9a-fA-F]){_V6}(?![\w:])"), "<address>"),
    (("/", "\\"), re.compile(
        rf"(?<![\w.>+/])(?:[A-Za-z]:\\|\\\\|(?:\.{{1,2}}|~)?/)[^{_NOT_IN_URL}()\[\]{{}}|;,:]++"), _path),
)  # fmt: skip
_REPEATED: Final = re.compile(r"(<(?:n|quoted|address|url|path|email|time)>)(?:(?:, ?| ?[.:/_' -]? ?|)\1)++")

# What a second pass might see once marks stand where other text stood.
_MORE: Final = re.compile(r"[\d@/\\\"'`]|[A-Za-z]{8}<|>[A-Za-z]{8}|[^\x00-\x7f]")


def normalise(message: str) -> str:
    """Take out of a message what differs from one run to the next; at most 300 characters remain, on one line."""
    normal = _settled(message[:LOOKED_AT])
    return normal if len(normal) <= LONGEST else _settled(normal[:LONGEST])[:LONGEST].rstrip()


def _settled(text: str) -> str:
    for _ in range(MOST_PASSES):
        before, text = text, _passed(text)
        if before == text or not _MORE.search(text):
            break
    return text


def _passed(text: str) -> str:
    text = without_quoted(" ".join(visible(text).split()))
    for needed, pattern, mark in _PLACES:
        if any(each in text for each in needed):
            text = pattern.sub(mark, text)
    return _REPEATED.sub(r"\1", without_digits(without_ids(text)))


def visible(text: str) -> str:
    """Give text in its compatibility form (NFKC): full-width digits are digits; without what nobody sees."""
    if text.isascii():
        return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)
    shown = "".join(_shown(each) for each in normalize("NFKC", text))
    return normalize("NFKC", shown)[:LOOKED_AT]


def _shown(character: str) -> str:
    if character.isspace() or category(character) == "Cc":
        return " "
    invisible = category(character) in {"Cf", "Cs", "Co", "Cn"} or "\ufe00" <= character <= "\ufe0f"
    return "" if invisible else character
