"""Functions on semantic versions (semver.org, 2.0.0); every text that is none raises ValueError."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = r"0|[1-9]\d*"
_LABEL = rf"(?:{_NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = re.compile(
    rf"^({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_LABEL}(?:\.{_LABEL})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$"
)
_OUTCOMES: Final = {">=": (0, 1), "<=": (-1, 0), "==": (0,), "!=": (-1, 1), ">": (1,), "<": (-1,)}
_NO_VERSION = "Expected str, bytes, dict, tuple, list, or Version instance, but got {}"
_NO_RELATION = (
    "match_expr parameter should be in format <op><ver>, where <op> is one of "
    "['<', '>', '==', '<=', '>=', '!=']. You provided: {!r}"
)


@dataclass(frozen=True, slots=True)
class _Version:
    """What decides the order of versions; build metadata does not."""

    major: int
    minor: int
    patch: int
    labels: tuple[str, ...]

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts as versions do: numbers before words, a release after its pre-releases."""
        labels = tuple((0, int(label), "") if label.isdigit() else (1, 0, label) for label in self.labels)
        return self.major, self.minor, self.patch, not labels, labels


def _parsed(text: Any) -> _Version:
    if not isinstance(text, str):
        raise TypeError(f"not expecting type '{type(text)}'")
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"{text} is not valid SemVer string")
    major, minor, patch, labels = match.groups()
    return _Version(int(major), int(minor), int(patch), tuple(labels.split(".")) if labels else ())


def version_compare(value: str, pattern: str) -> int:
    """Give -1, 0 or 1: the first version is older, as old, or newer."""
    left = _parsed(value).order
    if not isinstance(pattern, str):
        raise TypeError(_NO_VERSION.format(type(pattern)))
    right = _parsed(pattern).order
    return (left > right) - (left < right)


def version_more_than(value: str, pattern: str) -> bool:
    """Tell whether the first version is newer."""
    return version_compare(value, pattern) > 0


def version_less_than(value: str, pattern: str) -> bool:
    """Tell whether the first version is older."""
    return version_compare(value, pattern) < 0


def version_equal(value: str, pattern: str) -> bool:
    """Tell whether both are the same version, builds aside."""
    return version_compare(value, pattern) == 0


def version_match(value: str, pattern: str) -> bool:
    """Tell whether a version stands in a relation such as >=1.2.0; a bare version means ==."""
    _parsed(value)
    relation = next((sign for sign in (pattern[:2], pattern[:1]) if sign in _OUTCOMES), "")
    if not relation and pattern[:1] not in tuple("0123456789"):
        raise ValueError(_NO_RELATION.format(pattern))
    return version_compare(value, pattern.removeprefix(relation)) in _OUTCOMES[relation or "=="]


def version_bump_major(value: str) -> str:
    """Give the next major version."""
    return f"{_parsed(value).major + 1}.0.0"


def version_bump_minor(value: str) -> str:
    """Give the next minor version."""
    version = _parsed(value)
    return f"{version.major}.{version.minor + 1}.0"


def version_bump_patch(value: str) -> str:
    """Give the next patch version."""
    version = _parsed(value)
    return f"{version.major}.{version.minor}.{version.patch + 1}"


def version_strip_patch(value: str) -> str:
    """Give major and minor alone."""
    version = _parsed(value)
    return f"{version.major}.{version.minor}"


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "version_compare": version_compare,
    "version_more_than": version_more_than,
    "version_less_than": version_less_than,
    "version_equal": version_equal,
    "version_match": version_match,
    "version_bump_major": version_bump_major,
    "version_bump_minor": version_bump_minor,
    "version_bump_patch": version_bump_patch,
    "version_strip_patch": version_strip_patch,
}
