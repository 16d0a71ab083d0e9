"""What a task demands of the place where it runs: hard constraints. What is not known does not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from decimal import Decimal

    from orchestrator.domain.routes.targets import RouteTarget

MEMORY_CLASSES: Final = ("small", "medium", "large", "xlarge")


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of memory, smallest first, and those of data, least protected first.

    A place takes data of its own class and of those before it; where no order of data classes is given, of its own.
    """

    memory: tuple[str, ...] = MEMORY_CLASSES
    data: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraints:
    """What must hold of a target; what is None or empty is not demanded.

    `regions` are those that are allowed, `memory_class` the least, `context_tokens` what the task needs, and
    `usd_per_million_tokens` the ceiling of the price. `arguments` names for a field the argument of the task that says
    it, as (field, path); `unknown` says what could not be read: then no target is known to fit.
    """

    regions: tuple[str, ...] | None = None
    data_class: str | None = None
    context_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    usd_per_million_tokens: Decimal | None = None
    memory_class: str | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()


class ArgumentUnknown(ValueError):
    """An argument of a task that a constraint names, and that cannot be read or holds something else."""


def with_arguments(constraints: Constraints, read: Callable[[str, str], Any]) -> Constraints:
    """Fill in what the arguments of a task say; `read` gives the value for a field and a path, or raises
    ArgumentUnknown.
    """
    values: dict[str, Any] = {}
    unknown = list(constraints.unknown)
    for name, path in constraints.arguments:
        try:
            values[name] = read(name, path)
        except ArgumentUnknown as error:
            unknown.append(f"{name} is demanded by {path}, and that is not known: {error}")
    return replace(constraints, arguments=(), unknown=tuple(unknown), **values)


def broken(target: RouteTarget, constraints: Constraints, classes: Classes) -> list[str]:
    """Say which constraints a target breaks, or is not known to keep."""
    return [*constraints.unknown, *_unread(constraints), *_each(target, constraints, classes)]


def _unread(constraints: Constraints) -> list[str]:
    return [f"{name} is demanded by {path}, which was not read" for name, path in constraints.arguments]


def _each(target: RouteTarget, demanded: Constraints, classes: Classes) -> Iterator[str]:
    checks: Mapping[str, tuple[Any, Any, Callable[[Any, Any], str | None]]] = {
        "region": (target.region, demanded.regions, _outside),
        "data_class": (target.data_class, demanded.data_class, _classed("data", classes.data)),
        "memory_class": (target.memory_class, demanded.memory_class, _classed("memory", classes.memory)),
        "context_tokens": (target.context_tokens, demanded.context_tokens, _too_small),
        "capabilities": (target.capabilities, demanded.capabilities or None, _lacking),
        "usd_per_million_tokens": (target.usd_per_million_tokens, demanded.usd_per_million_tokens, _too_dear),
    }
    for name, (offered, wanted, check) in checks.items():
        if wanted is None:
            continue
        reason = f"its {name} is not declared" if offered is None else check(offered, wanted)
        if reason:
            yield reason


def _outside(region: str, allowed: tuple[str, ...]) -> str | None:
    return None if region in allowed else f"region {region} is not allowed ({', '.join(allowed) or 'none is'})"


def _too_small(tokens: int, needed: int) -> str | None:
    return None if tokens >= needed else f"takes {tokens} tokens of context, and {needed} are needed"


def _lacking(capabilities: tuple[str, ...], needed: tuple[str, ...]) -> str | None:
    missing = [each for each in needed if each not in capabilities]
    return f"cannot do {', '.join(missing)}" if missing else None


def _too_dear(price: Decimal, ceiling: Decimal) -> str | None:
    return None if price <= ceiling else f"costs {price} USD per million tokens, over the ceiling of {ceiling}"


def _classed(what: str, order: tuple[str, ...]) -> Callable[[str, str], str | None]:
    def check(offered: str, least: str) -> str | None:
        if not order:
            return None if offered == least else f"{what} class {offered} is not {least}"
        unknown = [each for each in (offered, least) if each not in order]
        if unknown:
            return f"{what} class {unknown[0]} is none of {', '.join(order)}"
        if order.index(offered) < order.index(least):
            return f"{what} class {offered} is below {least}"
        return None

    return check
