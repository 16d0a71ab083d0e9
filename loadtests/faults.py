"""The faults of a demo: which call meets which, and when; the same for the same file, in every process that asks.

A fault by share chooses calls by the seed: of each 1/share calls in a row, one. A fault by time meets all who ask then.
"""

from __future__ import annotations

import json
import random
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT: Final = "data/faults_default.toml"
LONGEST_SECONDS: Final = 86_400
KEYS: Final = ("kind", "share", "at_seconds", "for_seconds", "retry_after_seconds", "slow_seconds")


class FaultsInvalid(ValueError):
    """A fault file that cannot be used: names the key, what was expected and what came."""


class FaultKind(StrEnum):
    """What can go wrong with a call. `outage`: 503. `timeout`: an answer that comes after the client has gone."""

    OUTAGE = "outage"
    RATE_LIMITED = "rate_limited"
    SLOW = "slow"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    KILLED = "killed"


# A prompt is malformed, and a worker is killed, whatever the time: these are told by share alone.
BY_SHARE: Final = frozenset({FaultKind.MALFORMED, FaultKind.KILLED})


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry: `share` of calls, or from `at` for `lasts` seconds. `retry_after` and `slow` are seconds as well."""

    kind: FaultKind
    share: float | None = None
    at: float | None = None
    lasts: float | None = None
    retry_after: float = 1.0
    slow: float = 0.5

    def holds(self, seconds: float) -> bool:
        """Tell whether a fault by time holds so many seconds after the first call."""
        return self.at is not None and self.lasts is not None and self.at <= seconds < self.at + self.lasts


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults of one run."""

    seed: int
    entries: tuple[Fault, ...] = ()

    @property
    def kinds(self) -> list[FaultKind]:
        """List the kinds that are named, in their order."""
        return [kind for kind in FaultKind if any(each.kind is kind for each in self.entries)]

    def of_call(self, call: int) -> Fault | None:
        """Give the fault that a call has by its share; the first of the file where two would."""
        shares = (each for each in enumerate(self.entries) if each[1].share)
        return next((entry for place, entry in shares if self._chosen(place, entry, call)), None)

    def at(self, seconds: float) -> Fault | None:
        """Give the fault that holds at a time; the first of the file where two would."""
        return next((entry for entry in self.entries if entry.holds(seconds)), None)

    def _chosen(self, place: int, entry: Fault, call: int) -> bool:
        period = max(1, round(1 / (entry.share or 1)))
        block = call // period
        return random.Random(f"{self.seed}/{place}/{entry.kind}/{block}").randrange(period) == call % period


def load(path: Path | None = None) -> Faults:
    """Read a fault file, TOML or (by its ending) JSON, by default the shipped one; raises FaultsInvalid, OSError."""
    source = files("loadtests").joinpath(DEFAULT) if path is None else path
    try:
        text = source.read_text(encoding="utf-8")
        return parse(json.loads(text) if source.name.endswith(".json") else tomllib.loads(text))
    except FaultsInvalid as error:
        raise FaultsInvalid(f"{source.name}: {error}") from None
    except ValueError as error:
        raise FaultsInvalid(f"{source.name}: expected TOML, or JSON in a .json file, got {error}") from error


def parse(content: Any) -> Faults:  # noqa: ANN401 - whatever the file holds
    """Check the content of a fault file; raises FaultsInvalid."""
    if not isinstance(content, dict):
        raise FaultsInvalid(f"expected a table with seed and faults, got {type(content).__name__}")
    _known(content, ("seed", "faults"), "")
    seed, entries = content.get("seed", 0), content.get("faults", [])
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise FaultsInvalid(f"seed: expected a whole number, got {seed!r}")
    if not isinstance(entries, list):
        raise FaultsInvalid(f"faults: expected a list of tables, got {type(entries).__name__}")
    return Faults(seed, tuple(_fault(f"faults[{place}]", each) for place, each in enumerate(entries)))


def _known(table: Mapping[str, Any], keys: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in keys:
            raise FaultsInvalid(f"{place}{key}: expected one of {', '.join(keys)}, got an unknown key")


def _fault(place: str, table: Any) -> Fault:  # noqa: ANN401 - whatever the file holds
    if not isinstance(table, dict):
        raise FaultsInvalid(f"{place}: expected a table, got {type(table).__name__}")
    _known(table, KEYS, f"{place}.")
    try:
        kind = FaultKind(table.get("kind", ""))
    except ValueError:
        wanted = ", ".join(FaultKind)
        raise FaultsInvalid(f"{place}.kind: expected one of {wanted}, got {table.get('kind')!r}") from None
    when = _by_share(place, table) if "share" in table else _by_time(place, table, kind)
    pauses = {"retry_after": ("retry_after_seconds", 1), "slow": ("slow_seconds", 0.5)}
    return Fault(kind, **when, **{name: _seconds(place, table, *key) for name, key in pauses.items()})


def _by_share(place: str, table: Mapping[str, Any]) -> dict[str, float]:
    share = _number(f"{place}.share", table["share"])
    if not 0 < share <= 1:
        raise FaultsInvalid(f"{place}.share: expected more than 0 and at most 1, got {share:g}")
    for key in ("at_seconds", "for_seconds"):
        if key in table:
            raise FaultsInvalid(f"{place}.{key}: expected either a share or a time, got both")
    return {"share": share}


def _by_time(place: str, table: Mapping[str, Any], kind: FaultKind) -> dict[str, float]:
    if kind in BY_SHARE:
        raise FaultsInvalid(f"{place}.share: expected a share of calls for {kind}, got none")
    for key in ("at_seconds", "for_seconds"):
        if key not in table:
            raise FaultsInvalid(f"{place}.{key}: expected a number of seconds (or a share), got none")
    return {"at": _seconds(place, table, "at_seconds"), "lasts": _seconds(place, table, "for_seconds")}


def _seconds(place: str, table: Mapping[str, Any], key: str, default: float = 0) -> float:
    seconds = _number(f"{place}.{key}", table.get(key, default))
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise FaultsInvalid(f"{place}.{key}: expected from 0 to {LONGEST_SECONDS} seconds, got {seconds:g}")
    return seconds


def _number(place: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value):
        raise FaultsInvalid(f"{place}: expected a number, got {value!r}")
    return float(value)
