"""Gates as a file: read once, refused with the key's name."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from loadtests.scenarios.scenario import Bus, PhaseKind
from loadtests.verdict.gate import STRICT, Gate, JudgedBy, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum
    from importlib.resources.abc import Traversable

Word = TypeVar("Word", bound="StrEnum")
SHIPPED: Final = "gates"
KEYS: Final = ("figure", *Rule, "judged_by", "widest", "fewest", "only", "where", "search", "reason")
WHERE_KEYS: Final = ("kind", "bus", "traced", "faults")


class GatesInvalid(ValueError):
    """A file of gates that cannot be used: names the key, what was expected and what came."""


def load(source: str | Path | None = None, beside: Path | None = None) -> tuple[Gate, ...]:
    """Read gates from a file, or the shipped ones by their name; raises GatesInvalid.

    A path that is not absolute is one from the folder `beside` on, or from the current one.
    """
    path = _found(source or SHIPPED, beside or Path())
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise GatesInvalid(f"gates: expected {SHIPPED}, or a file that can be read, got: {error}") from error
    except GatesInvalid as error:
        raise GatesInvalid(f"{path.name}: {error}") from None
    except ValueError as error:
        raise GatesInvalid(f"{path.name}: expected TOML, got {error}") from error


def _found(source: str | Path, beside: Path) -> Path | Traversable:
    shipped = files("loadtests").joinpath(f"data/{source}.toml")
    return shipped if isinstance(source, str) and source.isidentifier() and shipped.is_file() else beside / source


def parse(content: Mapping[str, Any]) -> tuple[Gate, ...]:
    """Check the content of a file of gates; raises GatesInvalid. A file without gates would pass everything."""
    _known(content, ("gate",), "")
    tables = content.get("gate", [])
    if not isinstance(tables, list) or not tables:
        raise GatesInvalid(f"gate: expected one table [[gate]] or more, got {tables!r}")
    return tuple(_gate(f"gate[{number}]", table) for number, table in enumerate(tables))


def _gate(place: str, table: Any) -> Gate:  # noqa: ANN401 - whatever the file holds
    if not isinstance(table, dict):
        raise GatesInvalid(f"{place}: expected a table, got {type(table).__name__}")
    _known(table, KEYS, f"{place}.")
    figure = _text(place, table, "figure")
    place = f"{place} ({figure})"
    rule, limit = _rule(place, table)
    judged_by = _judged_by(f"{place}.judged_by", table, rule)
    return Gate(
        figure,
        rule,
        limit,
        _text(place, table, "reason"),
        judged_by,
        _widest(place, table, judged_by, limit),
        _fewest(place, table),
        _only(place, table),
        _where(f"{place}.where", table["where"]) if "where" in table else None,
        _flag(f"{place}.search", table.get("search")),
    )


def _rule(place: str, table: Mapping[str, Any]) -> tuple[Rule, float | None]:
    given = [rule for rule in Rule if rule.value in table]
    if len(given) != 1:
        raise GatesInvalid(f"{place}: expected exactly one of {', '.join(Rule)}, got {', '.join(given) or 'none'}")
    rule, limit = given[0], table[given[0].value]
    if rule is not Rule.ALL:
        return rule, _number(f"{place}.{rule}", limit)
    if limit is not True:
        raise GatesInvalid(f"{place}.all: expected true, got {limit!r}")
    return rule, None


def _judged_by(place: str, table: Mapping[str, Any], rule: Rule) -> JudgedBy:
    judged_by = _word(place, table.get("judged_by", JudgedBy.VALUE), JudgedBy)
    if judged_by not in (JudgedBy.VALUE, STRICT.get(rule, judged_by)):
        raise GatesInvalid(f"{place}: expected value or {STRICT[rule]} for {rule}, got its lenient end {judged_by}")
    return judged_by


def _widest(place: str, table: Mapping[str, Any], judged_by: JudgedBy, limit: float | None) -> float | None:
    """Give the widest interval: that of the file; else the limit itself, of a gate that is judged by a bound."""
    if "widest" in table:
        widest = _number(f"{place}.widest", table["widest"])
        if widest <= 0:
            raise GatesInvalid(f"{place}.widest: expected more than 0, got {widest:g}")
        return widest
    if judged_by is JudgedBy.VALUE:
        return None
    if not limit:
        raise GatesInvalid(f"{place}.widest: expected the widest interval that still tells something, got none")
    return abs(limit)


def _fewest(place: str, table: Mapping[str, Any]) -> int | None:
    fewest = table.get("fewest")
    if fewest is not None and (not isinstance(fewest, int) or isinstance(fewest, bool) or fewest < 1):
        raise GatesInvalid(f"{place}.fewest: expected a whole number of 1 or more, got {fewest!r}")
    return fewest


def _only(place: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    if "only" not in table:
        return ()
    names = table["only"]
    if not isinstance(names, list) or not names or not all(isinstance(each, str) and each for each in names):
        raise GatesInvalid(f"{place}.only: expected a list of scenarios by name, got {names!r}")
    return tuple(names)


def _where(place: str, table: Any) -> Where:  # noqa: ANN401 - whatever the file holds
    if not isinstance(table, dict) or not table:
        raise GatesInvalid(f"{place}: expected a table with some of {', '.join(WHERE_KEYS)}, got {table!r}")
    _known(table, WHERE_KEYS, f"{place}.")
    return Where(
        _word(f"{place}.kind", table["kind"], PhaseKind) if "kind" in table else None,
        _word(f"{place}.bus", table["bus"], Bus) if "bus" in table else None,
        _flag(f"{place}.traced", table.get("traced")),
        _flag(f"{place}.faults", table.get("faults")),
    )


def _flag(place: str, value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise GatesInvalid(f"{place}: expected true or false, got {value!r}")
    return value


def _word(place: str, value: object, words: type[Word]) -> Word:
    try:
        return words(str(value))
    except ValueError:
        raise GatesInvalid(f"{place}: expected one of {', '.join(words)}, got {value!r}") from None


def _text(place: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise GatesInvalid(f"{place}.{key}: expected a text, got {value!r}")
    return value.strip()


def _number(place: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value):
        raise GatesInvalid(f"{place}: expected a number, got {value!r}")
    return float(value)


def _known(table: Mapping[str, Any], keys: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in keys:
            raise GatesInvalid(f"{place}{key}: expected one of {', '.join(keys)}, got an unknown key")
