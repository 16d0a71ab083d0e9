"""The checks of what user code hands over: a wrong field is refused where it is given, by its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CHARACTERS: Final = 1_024
MOST_BYTES: Final = 65_536
LARGEST: Final = 2**63 - 1


def optional_text(name: str, value: object, most: int = MOST_CHARACTERS) -> str | None:
    """Take text that JSON and every database can hold, or None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"expected `{name}` as text or None, got {type(value).__name__}")
    if len(value) > most:
        raise ValueError(f"expected `{name}` as text of at most {most} characters, got {len(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"expected `{name}` as Unicode text, got half of a character: {value!r}") from None
    if "\0" in value:
        raise ValueError(f"expected `{name}` as text without NUL, got {value!r}")
    return value


def text(name: str, value: object, most: int = MOST_CHARACTERS) -> str:
    """Take text that is not empty."""
    given = optional_text(name, value, most)
    if not given:
        raise ValueError(f"expected `{name}` as text that is not empty, got {value!r}")
    return given


def flag(name: str, value: object) -> bool:
    """Take a boolean, and nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise TypeError(f"expected `{name}` as True or False, got {type(value).__name__}")
    return value


def tokens(name: str, value: object, most: int = LARGEST) -> int:
    """Take a number of tokens."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected `{name}` as a whole number, got {type(value).__name__}")
    if not 0 <= value <= most:
        raise ValueError(f"expected `{name}` from 0 to {most}, got {value}")
    return value


def seconds(name: str, value: object) -> float | None:
    """Take a length of time, or None."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"expected `{name}` as a number of seconds, got {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"expected `{name}` as a finite number of seconds, 0 or more, got {value}")
    return float(value)


def json_object(name: str, value: object) -> dict[str, Any]:
    """Take what JSON can hold as an object, up to 64 KiB of it; gives a copy."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected `{name}` as a mapping, got {type(value).__name__}")
    try:
        encoded = orjson.dumps(dict(value))
    except TypeError as error:
        raise TypeError(f"expected `{name}` as what JSON can hold, got: {error}") from None
    if len(encoded) > MOST_BYTES:
        raise ValueError(f"expected `{name}` of at most {MOST_BYTES} bytes as JSON, got {len(encoded)}")
    check_finite(value, name)
    copy: dict[str, Any] = orjson.loads(encoded)
    return copy


def known(given: Iterable[str], names: Iterable[str]) -> None:
    """Refuse what is named and unknown."""
    unknown = set(given) - set(names)
    if unknown:
        raise TypeError(f"expected of {', '.join(names)}; got {', '.join(sorted(unknown))}")
