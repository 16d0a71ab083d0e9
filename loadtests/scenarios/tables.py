"""Reading one table of a scenario file: known keys alone, each value checked, errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from random import Random

LONGEST_SECONDS: Final = 86_400.0
Choice = TypeVar("Choice", bound=StrEnum)
PAIR: Final = 2


class ScenarioInvalid(ValueError):
    """A scenario that cannot be played: names the key, what was expected and what came."""


@dataclass(slots=True)
class Table:
    """A table of the file at `place` (`phases[2]`); all keys are to be read before `end`. It raises ScenarioInvalid."""

    place: str
    content: Mapping[str, Any]
    _read: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, place: str, content: object) -> Table:
        """Take what stands at a place for a table."""
        if not isinstance(content, Mapping):
            raise ScenarioInvalid(f"{place}: expected a table, got {type(content).__name__}")
        return cls(place, content)

    def name_of(self, key: str) -> str:
        """Give the whole name of a key."""
        return f"{self.place}.{key}" if self.place else key

    def invalid(self, key: str, expected: str, got: object) -> ScenarioInvalid:
        """Make the error of a key."""
        return ScenarioInvalid(f"{self.name_of(key)}: expected {expected}, got {got!r}")

    def _value(self, key: str, default: object) -> Any:  # noqa: ANN401 - whatever the file holds
        self._read.append(key)
        if key in self.content:
            return self.content[key]
        if default is ...:
            raise ScenarioInvalid(f"{self.name_of(key)}: expected it to be there, got nothing; add it")
        return default

    def text(self, key: str, default: object = ...) -> str:
        """Read a text that is not empty."""
        value = self._value(key, default)
        if not isinstance(value, str) or not value:
            raise self.invalid(key, "a text", value)
        return value

    def flag(self, key: str) -> bool:
        """Read true or false; false where it is not there."""
        value = self._value(key, default=False)
        if not isinstance(value, bool):
            raise self.invalid(key, "true or false", value)
        return value

    def whole(self, key: str, default: object = ..., least: int = 0) -> int:
        """Read a whole number from `least` on."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.invalid(key, f"a whole number from {least} on", value)
        return value

    def number(self, key: str, default: object = ..., *, above: float = -inf, most: float = LONGEST_SECONDS) -> float:
        """Read a number of more than `above` and at most `most`; with neither, from 0 on."""
        return self._number(key, self._value(key, default), above, most)

    def drawn(self, key: str, dice: Random, *, above: float = -inf) -> float:
        """Read a number, or two between which the dice draw one."""
        value = self._value(key, ...)
        if not isinstance(value, list):
            return self._number(key, value, above, LONGEST_SECONDS)
        if len(value) != PAIR:
            raise self.invalid(key, "a number, or the least and the most of what is drawn", value)
        least, most = (self._number(key, each, above, LONGEST_SECONDS) for each in value)
        if least > most:
            raise self.invalid(key, "the least before the most", value)
        return round(dice.uniform(least, most), 2)

    def maybe(self, key: str, *, above: float = -inf, most: float = LONGEST_SECONDS) -> float | None:
        """Read a number that may be left out."""
        return self.number(key, above=above, most=most) if key in self.content else None

    def one_of(self, key: str, choices: type[Choice], default: object = ...) -> Choice:
        """Read one of the names of an enumeration."""
        value = self._value(key, default)
        try:
            return choices(value)
        except ValueError:
            raise self.invalid(key, f"one of {', '.join(choices)}", value) from None

    def maybe_one_of(self, key: str, choices: type[Choice]) -> Choice | None:
        """Read one of the names of an enumeration that may be left out."""
        return self.one_of(key, choices) if key in self.content else None

    def tables(self, key: str) -> Sequence[Table]:
        """Read a list of tables; empty where it is not there."""
        value = self._value(key, [])
        if not isinstance(value, list):
            raise self.invalid(key, "a list of tables", value)
        return [Table.of(f"{self.name_of(key)}[{number}]", each) for number, each in enumerate(value)]

    def table(self, key: str) -> Table | None:
        """Read a table that may be left out."""
        value = self._value(key, None)
        return None if value is None else Table.of(self.name_of(key), value)

    def end(self) -> None:
        """Refuse keys that nobody has read."""
        for key in self.content:
            if key not in self._read:
                known = ", ".join(sorted(set(self._read)))
                raise ScenarioInvalid(f"{self.name_of(key)}: expected one of {known}, got an unknown key")

    def _number(self, key: str, value: object, above: float, most: float) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value):
            raise self.invalid(key, "a number", value)
        if above == -inf and not 0 <= value <= most:
            raise self.invalid(key, f"from 0 to {most:g}", value)
        if not above < value <= most:
            raise self.invalid(key, f"more than {above:g} and at most {most:g}", value)
        return float(value)
