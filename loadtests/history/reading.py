"""What the regression test reads of a run: its figures that carry little noise, and the control beside each."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Medians and processor time per call: tails and single seconds of a shared machine say more about the machine. Less is
# better in all of them.
TESTED: Final = ("orchestrator_cpu_us_per_call", "api_p50_ms", "worker_overhead_p50_ms", "worker_cpu_overhead_us")
# The part of the control that they are held against.
CONTROL: Final = "tick_cpu_s"
# What may differ between two runs that are compared: it does not change what is measured, or is compared itself.
INDIFFERENT: Final = frozenset({"seed", "about", "gates"})


@dataclass(frozen=True, slots=True)
class Reading:
    """One run: the values of its figures that are above 0, how wide their own 95 % intervals are, and its control."""

    run_id: str
    started_at: str
    commit: str | None
    comparable: str
    sabotage: str | None
    values: Mapping[str, float]
    control: Mapping[str, float]
    widths: Mapping[str, float] = field(default_factory=dict)
    dirty: bool = False


def reading_of(document: Mapping[str, Any]) -> Reading:
    """Read a run's report."""
    settings = document.get("settings") or {}
    return Reading(
        run_id=document["run_id"],
        started_at=document["started_at"],
        commit=document.get("commit"),
        comparable=comparable_of(document),
        sabotage=settings.get("sabotage"),
        values=_positive({name: value_of(document, name) for name in TESTED}),
        control=_positive(document.get("control") or {}),
        widths=_positive({name: _width(document, name) for name in TESTED}),
        dirty=bool(document.get("dirty")),
    )


def comparable_of(document: Mapping[str, Any]) -> str:
    """Give what two runs must have in common: scenario with its load and faults, engines, kind of machine."""
    scenario = (document.get("settings") or {}).get("scenario") or {}
    told = {name: value for name, value in scenario.items() if name not in INDIFFERENT}
    kind = document["machine"]["kind"]
    return json.dumps([document["scenario"], document["engines"], kind, _without_moments(told)], sort_keys=True)


def value_of(document: Mapping[str, Any], name: str) -> float | None:
    """Give a figure's value; None where it was not measured, or something speaks against it."""
    found = [each for each in document["figures"] if each["name"] == name]
    return found[0]["value"] if len(found) == 1 and not found[0].get("why_not") else None


def _width(document: Mapping[str, Any], name: str) -> float | None:
    found = [each for each in document["figures"] if each["name"] == name]
    ends = (found[0].get("low"), found[0].get("high")) if len(found) == 1 else (None, None)
    return None if ends[0] is None or ends[1] is None else float(ends[1] - ends[0])


def _without_moments(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Leave out when in its phase a fault came: the seed drew it."""
    if isinstance(value, dict):
        return {name: _without_moments(each) for name, each in value.items() if name not in ("at", "lasts")}
    return [_without_moments(each) for each in value] if isinstance(value, list) else value


def _positive(numbers: Mapping[str, object]) -> dict[str, float]:
    """Keep numbers that have a logarithm."""
    return {
        name: float(value)
        for name, value in numbers.items()
        if isinstance(value, int | float) and math.isfinite(value) and value > 0
    }
