"""Choosing a target: constraints first, then what is down or was tried, then what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from orchestrator.domain.failures import Kind
from orchestrator.domain.routes.constraints import Classes, broken
from orchestrator.domain.routes.decisions import Considered, Decision
from orchestrator.domain.routes.measures import ordered
from orchestrator.domain.routes.targets import HOME, RouteTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.domain.routes.constraints import Constraints
    from orchestrator.domain.routes.measures import Measured
    from orchestrator.domain.routes.targets import Home

HOP_LIMIT: Final = 3
# Kinds that are their dependency's: another place that leans on it fails the same way.
OF_A_DEPENDENCY: Final = frozenset({Kind.TRANSIENT, Kind.RATE_LIMITED, Kind.DEPENDENCY_DOWN})
# Behind a dependency that recovers there is a ramp, which nothing else may fill; a person, a Retry-After or a spent
# budget hold it back as well.
CLOSED_HEALTH: Final = frozenset({"down", "recovering", "held", "out of budget"})
SAME_PLACE: Final = "it is where the task was published, unchanged"
RAN_OUT: Final = "it ran out of memory or time there"
UNKNOWN_PLACE: Final = "nothing is declared of it, and the table of routes demands"


@dataclass(frozen=True, slots=True)
class Case:
    """One failure to be sent somewhere: its kind, its home, what it demands, and the targets it was at since it was
    opened, home not counted.

    `arguments_fixed` says why keyword arguments of its message cannot be replaced, None where they can.
    """

    kind: Kind
    home: Home
    demands: tuple[Constraints, ...] = ()
    tried: tuple[RouteTarget, ...] = ()
    hop_limit: int = HOP_LIMIT
    arguments_fixed: str | None = None
    classes: Classes = field(default_factory=Classes)


@dataclass(frozen=True, slots=True)
class _Reason:
    text: str
    passes: bool = False


def choose(
    targets: Sequence[RouteTarget],
    case: Case,
    health_of: Callable[[str], str | None],
    measured: Mapping[str, Measured],
) -> Decision:
    """Choose where a failed task goes: home once that is healthy again, else the best target that is open.

    A failure is never sent twice to one place with the same arguments since it was opened, under whatever name, nor to
    more than `hop_limit` of them. `health_of` gives the health of a dependency, None for one of which nothing is known.
    """
    home = RouteTarget(HOME, dependency=case.home.dependency)
    reasons = {HOME: _at_home(case, health_of)} | {each.name: _against(each, case, health_of) for each in targets}
    open_ones = ordered([each for each in targets if not reasons[each.name]], measured)
    ranked = [*([] if reasons[HOME] else [home]), *open_ones]
    places = {each.name: place for place, each in enumerate(ranked, 1)}
    candidates = [
        _considered(each.name, reasons[each.name], places.get(each.name), measured) for each in (home, *targets)
    ]
    return Decision(ranked[0] if ranked else None, tuple(candidates), len(case.tried))


def against_place(target: RouteTarget, known: Sequence[RouteTarget], case: Case) -> str | None:
    """Say why a place that a plan or a person names is closed; None where it is open.

    What is demanded must hold of the first of the `known` targets that is this place with these arguments.
    """
    unchanged = case.kind is Kind.RESOURCE and not target.kwargs and case.home.takes(target)
    same = next((each for each in known if case.home.alike(each, target)), None)
    told = [reason for each in case.demands for reason in broken(same or target, each, case.classes)]
    if told and same is None:
        told = [f"{UNKNOWN_PLACE}: {'; '.join(told)}"]
    return "; ".join([*([f"{SAME_PLACE}, and {RAN_OUT}"] if unchanged else []), *told]) or None


def _considered(
    name: str, reasons: Sequence[_Reason], place: int | None, measured: Mapping[str, Measured]
) -> Considered:
    refused = "; ".join(each.text for each in reasons) or None
    waits = bool(reasons) and all(each.passes for each in reasons)
    return Considered(name, refused, waits, place, measured.get(name))


def _at_home(case: Case, health_of: Callable[[str], str | None]) -> list[_Reason]:
    if case.kind is Kind.RESOURCE:
        return [_Reason(RAN_OUT)]
    if case.kind not in OF_A_DEPENDENCY:
        return [
            _Reason(f"it failed there, and for a failure that is {case.kind} nothing tells that it would not again")
        ]
    if case.home.dependency is None:
        return [_Reason("it failed there, and what it leans on is not declared, so that nobody can tell its health")]
    if not case.home.recovered:
        known = health_of(case.home.dependency) or "unknown"
        return [_Reason(f"{case.home.dependency} is {known}, and its gate is shut", passes=True)]
    return []


def _against(target: RouteTarget, case: Case, health_of: Callable[[str], str | None]) -> list[_Reason]:
    lasting = [reason for each in case.demands for reason in broken(target, each, case.classes)]
    lasting += _too_little_memory(target, case) if case.kind is Kind.RESOURCE else []
    if case.home.takes(target) and not target.kwargs:
        lasting.append(SAME_PLACE)
    if target.kwargs and case.arguments_fixed:
        lasting.append(f"its keyword arguments cannot be set: {case.arguments_fixed}")
    if any(target.name == each.name or case.home.alike(target, each) for each in case.tried):
        lasting.append("it failed there before")
    if len(case.tried) >= case.hop_limit:
        lasting.append(f"it was at {len(case.tried)} other places, and the limit is {case.hop_limit}")
    return [*(_Reason(each) for each in lasting), *_of_dependency(target, case, health_of)]


def _of_dependency(target: RouteTarget, case: Case, health_of: Callable[[str], str | None]) -> list[_Reason]:
    leans_on = target.dependency or case.home.dependency
    if leans_on is None:
        return [_Reason("its dependency is not declared")] if case.kind in OF_A_DEPENDENCY else []
    if case.kind in OF_A_DEPENDENCY and leans_on == case.home.dependency:
        return [_Reason(f"it leans on {leans_on} as well")]
    health = health_of(leans_on)
    return [_Reason(f"{leans_on} is {health}", passes=True)] if health in CLOSED_HEALTH else []


def _too_little_memory(target: RouteTarget, case: Case) -> list[str]:
    """Say why a task that ran out of memory or time would do so again: only a larger class is a way out."""
    order = case.classes.memory
    was = [each for each in (case.home.memory_class, *(one.memory_class for one in case.tried)) if each is not None]
    if target.memory_class is None:
        return ["its memory_class is not declared"]
    if not was:
        least = any(each.memory_class for each in case.demands)
        return [] if least else ["the memory_class of the home is not declared"]
    unknown = [each for each in (target.memory_class, *was) if each not in order]
    if unknown:
        return [f"memory class {unknown[0]} is none of {', '.join(order)}"]
    largest = max(was, key=order.index)
    larger = order.index(target.memory_class) > order.index(largest)
    return [] if larger else [f"memory class {target.memory_class} is not larger than {largest}, which was too small"]
