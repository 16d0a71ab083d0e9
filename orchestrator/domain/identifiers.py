"""Ids and numbers in messages: UUIDs, hexadecimal, base64 and other random words, numbers of every script.

All have one mark: of hexadecimal ids some have digits only, and what is a number for one caller is an id for another.
"""

from __future__ import annotations

import re
from itertools import groupby, pairwise
from typing import Final

MARK: Final = "<n>"
SHORTEST_HEX: Final = 8
# No word of this length is made of the letters a to f alone.
SHORTEST_HEX_WORD: Final = 10
SHORTEST_RANDOM: Final = 12
# Of random text in both cases and digits two neighbours in three are of different sorts, of names one in five.
RANDOM_SHARE: Final = 0.35
_OF_BASE64: Final = re.compile(r"[A-Za-z0-9+/_=-]{20,}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)
_DIGITS: Final = re.compile(r"\d++(?:[.,'\u2019_]\d++)*+")
# A run of letters and digits; between digits there may be what groups them, and an exponent's sign.
_RUN: Final = r"(?:[A-Za-z\d]|(?<=\d)[.,'\u2019_](?=\d)|(?<=\d[eE])[+-](?=\d))++"
_UUID: Final = (
    r"(?P<uuid>(?:urn:uuid:)?\{?(?<![A-Za-z0-9])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![A-Za-z0-9])\}?)"
)
_MEMORY: Final = r"(?P<memory>(?<![A-Za-z0-9])0[xX][0-9a-fA-F]++)"
_BASE64: Final = r"(?P<base64>(?<![\w+/=-])[A-Za-z0-9+/_=-]{20,}+)"
# Of words those that are looked at twice: with a digit, or long.
_SIGNED_RUN: Final = (
    rf"(?P<run>(?:(?<![\w)\]>}}.])[+\-\u2212]?\.?(?=\d))?(?<![A-Za-z\d])(?=[A-Za-z]*+\d|[A-Za-z]{{10}}){_RUN})"
)
_IDS: Final = re.compile(f"{_UUID}|{_MEMORY}|{_BASE64}|{_SIGNED_RUN}")
# What a long token that is not random may be made of.
_PARTS: Final = re.compile(f"{_UUID}|{_MEMORY}|{_SIGNED_RUN}")


def without_ids(text: str) -> str:
    """Put a mark in the place of each id and each number."""
    return _IDS.sub(_judged, text)


def without_digits(text: str) -> str:
    """Put a mark in the place of the digits that other scripts' letters surround."""
    return _DIGITS.sub(MARK, text)


def _judged(found: re.Match[str]) -> str:
    kind, text = found.lastgroup, found[0]
    if kind == "run":
        return _run(text)
    if kind == "base64" and not is_base64(text):
        return _PARTS.sub(_judged, text)
    return MARK


def _run(text: str) -> str:
    digits = _DIGITS.findall(text)
    if _is_hex(text) or len(digits) > 1 or _is_random(text):
        return MARK
    if not digits:
        return text
    return _DIGITS.sub(MARK, text.lstrip("+-\u2212."))


def _is_hex(text: str) -> bool:
    if len(text) < SHORTEST_HEX or not _HEX.fullmatch(text):
        return False
    return len(text) >= SHORTEST_HEX_WORD or any(each.isdigit() for each in text)


def _is_random(text: str) -> bool:
    # Letters and digits change too often for a name that people gave.
    if len(text) < SHORTEST_RANDOM:
        return False
    changes = sum(one != another for one, another in pairwise(map(_sort, text)))
    return changes >= RANDOM_SHARE * (len(text) - 1) and len({_sort(each) for each in text}) > 1


def is_base64(token: str) -> bool:
    """Tell whether a token of base64's characters, in one of its alphabets, is too random for words."""
    if not _OF_BASE64.fullmatch(token):
        return False
    sorts = [key for key, _ in groupby(token, _sort)]
    return {"a", "A", "0"} <= set(sorts) and len(sorts) > RANDOM_SHARE * len(token)


def _sort(character: str) -> str:
    if character.isdigit():
        return "0"
    if not character.isalpha():
        return "-"
    return "A" if character.isupper() else "a"
