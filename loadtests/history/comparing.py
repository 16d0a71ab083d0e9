"""Two runs side by side: each figure of both, and what about the runs is not alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.history.store import of

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_A_RUN: Final = ("run_id", "scenario", "engines", "started_at", "commit", "dirty", "seconds")


def compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Give both runs in short, what is `unlike` (name -> both values), and each figure that one of them has.

    `ratio` is the second to the first, where both are above 0; `apart` says that their 95 % intervals do not meet, None
    where one has no interval. That is no verdict on the code: two single runs differ by the machine's mood too.
    """
    names = dict.fromkeys(each["name"] for run in (first, second) for each in run["figures"])
    return {
        "first": _run(first),
        "second": _run(second),
        "unlike": unlike(first, second),
        "control": {name: _pair(first, second, name) for name in _controls(first, second)},
        "figures": [_figure(name, _of(first, name), _of(second, name)) for name in names],
    }


def unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Give what differs between two runs and may be why their figures do: scenario, machine, versions, settings."""
    pairs = {name: [first[name], second[name]] for name in ("scenario", "engines")}
    pairs["machine"] = [of(first), of(second)]
    for part in ("versions", "settings"):
        mine, theirs = _flat(first.get(part) or {}), _flat(second.get(part) or {})
        pairs |= {f"{part}.{name}": [mine.get(name), theirs.get(name)] for name in {**mine, **theirs}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flat(data: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        inner = _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
        found |= inner
    return found


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: run.get(name) for name in OF_A_RUN} | {"outcome": (run.get("verdict") or {}).get("outcome")}


def _controls(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    return [name for name in first.get("control") or {} if name in (second.get("control") or {})]


def _pair(first: Mapping[str, Any], second: Mapping[str, Any], name: str) -> dict[str, Any]:
    mine, theirs = first["control"][name], second["control"][name]
    return {"first": mine, "second": theirs, "ratio": ratio(mine, theirs)}


def _of(run: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((each for each in run["figures"] if each["name"] == name), {})


def _figure(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "figure": name,
        "unit": first.get("unit") or second.get("unit") or "",
        "first": _value(first),
        "second": _value(second),
        "ratio": ratio(first.get("value"), second.get("value")),
        "apart": _apart(first, second),
    }


def _value(figure: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: figure.get(name) for name in ("value", "low", "high", "why_not")}
    return told if figure else told | {"why_not": "this run has no such figure"}


def ratio(first: float | None, second: float | None) -> float | None:
    """Give the second to the first; None where one is missing or not above 0."""
    return second / first if first and second and first > 0 and second > 0 else None


def _apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool | None:
    ends = [each.get(end) for each in (first, second) for end in ("low", "high")]
    if any(end is None for end in ends):
        return None
    return bool(first["low"] > second["high"] or second["low"] > first["high"])
