"""Reading routes: from the settings and from what tasks declare. What is not understood is an error, never left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.routes import fields
from orchestrator.domain.routes.constraints import Classes, Constraints
from orchestrator.domain.routes.fields import LONGEST, Readers, RouteInvalid
from orchestrator.domain.routes.table import RouteRule, RouteTable
from orchestrator.domain.routes.targets import HOME, RouteTarget

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_TARGETS: Final = 32
LARGEST_HOP_LIMIT: Final = 100
_FROM: Final = "argument"
_TEXTS: Final = ("queue", "exchange", "routing_key", "dependency", "region", "data_class", "memory_class")
_ROOTS: Final = ("args", "kwargs")


def target_of(document: object, where: str = "route") -> RouteTarget:
    """Read one target, as a declaration or the settings have it; raises RouteInvalid.

    Without a name it is called by what it is.
    """
    given = {"queue": document} if isinstance(document, str) else fields.mapping(document, where)
    values = fields.read(given, _TARGET, where)
    _check_place(given, where)
    queue, exchange, key = (values.get(each) for each in ("queue", "exchange", "routing_key"))
    name = values.pop("name", None) or name_of(queue, exchange, key, values.get("kwargs", {}))
    if name == HOME:
        raise RouteInvalid(f"{where}.name: expected another name than {HOME!r}, which is where the task was published")
    return RouteTarget(name, **values)


def constraints_of(document: object, where: str = "constraints") -> Constraints:
    """Read constraints; one may name an argument, {"argument": "kwargs.tokens"}, that says it; raises RouteInvalid."""
    given = dict(fields.mapping(document, where))
    arguments = {name: given.pop(name)[_FROM] for name in list(given) if _names_argument(given[name])}
    for name, path in arguments.items():
        _check_argument(name, path, where)
    values = fields.read(given, _CONSTRAINTS, where)
    return Constraints(**values, arguments=tuple(arguments.items()))


def table_of(documents: object, classes: Classes | None = None) -> RouteTable:
    """Read the table; raises RouteInvalid."""
    if not isinstance(documents, list | tuple):
        raise RouteInvalid(f"routes: expected a list of entries, got {fields.short(documents)}")
    classes = classes or Classes()
    return RouteTable(tuple(_rule(each, f"routes[{place}]", classes) for place, each in enumerate(documents)), classes)


def _rule(document: object, where: str, classes: Classes) -> RouteRule:
    values = fields.read(fields.mapping(document, where), _RULE, where)
    if not values.keys() & {"task", "dependency"}:
        raise RouteInvalid(f"{where}: expected `task` (a name pattern), `dependency`, or both, got neither")
    if not values.keys() & {"targets", "constraints", "hop_limit", "home_memory_class"}:
        raise RouteInvalid(f"{where}: expected targets, constraints, hop_limit or home_memory_class, got none of them")
    rule = RouteRule(**values)
    for target in rule.targets:
        _check_classes(target.memory_class, target.data_class, f"{where}.targets[{target.name}]", classes)
    demanded = rule.constraints or Constraints()
    _check_classes(demanded.memory_class, demanded.data_class, f"{where}.constraints", classes)
    if rule.home_memory_class and rule.home_memory_class not in classes.memory:
        got = f"got {rule.home_memory_class!r}"
        raise RouteInvalid(f"{where}.home_memory_class: expected one of {', '.join(classes.memory)}, {got}")
    return rule


def _check_classes(memory: str | None, data: str | None, where: str, classes: Classes) -> None:
    for name, value, order in (("memory_class", memory, classes.memory), ("data_class", data, classes.data)):
        if value is not None and order and value not in order:
            raise RouteInvalid(f"{where}.{name}: expected one of {', '.join(order)}, got {value!r}")


def _check_place(given: Mapping[str, Any], where: str) -> None:
    if ("exchange" in given) != ("routing_key" in given) or ("queue" in given and "exchange" in given):
        raise RouteInvalid(
            f"{where}: expected a queue, or an exchange with a routing_key, got {fields.short(dict(given))}"
        )
    if not given.keys() & {"queue", "exchange", "kwargs"}:
        raise RouteInvalid(f"{where}: expected a queue, an exchange or kwargs, got {fields.short(dict(given))}")


def name_of(queue: str | None, exchange: str | None, routing_key: str | None, kwargs: Mapping[str, Any]) -> str:
    """Give the name of a target that has none: what it is, or a digest of that where it is long."""
    place = queue or "/".join(each for each in (exchange, routing_key) if each is not None)
    said = [f"{key}={json.dumps(value, sort_keys=True)}" for key, value in sorted(kwargs.items())]
    name = " ".join([*([place] if place else []), *said]) or "/"
    return name if len(name) <= LONGEST and name != HOME else f"route {sha256(name.encode()).hexdigest()[:16]}"


def _names_argument(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {_FROM}


def _check_argument(name: str, path: object, where: str) -> None:
    if name not in _CONSTRAINTS:
        raise RouteInvalid(
            f"{where}: expected one of {', '.join(_CONSTRAINTS)}, got {name}{fields.meant(name, _CONSTRAINTS)}"
        )
    steps = path.split(".") if isinstance(path, str) else []
    if len(steps) < 2 or steps[0] not in _ROOTS or not all(steps):  # noqa: PLR2004 - a root and a name
        raise RouteInvalid(f"{where}.{name}.{_FROM}: expected a path such as kwargs.tokens or args.0, got {path!r}")


def _hop_limit(value: object, where: str) -> int:
    limit = fields.number(value, where)
    if limit > LARGEST_HOP_LIMIT:
        raise RouteInvalid(f"{where}: expected a number from 1 to {LARGEST_HOP_LIMIT}, got {limit}")
    return limit


def _targets(value: object, where: str) -> tuple[RouteTarget, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_TARGETS:
        raise RouteInvalid(f"{where}: expected a list of at most {MOST_TARGETS} targets, got {fields.short(value)}")
    targets = [target_of(each, f"{where}[{place}]") for place, each in enumerate(value)]
    _refuse_twins(targets, where)
    return tuple(targets)


def _refuse_twins(targets: Sequence[RouteTarget], where: str) -> None:
    names = [each.name for each in targets]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin:
        raise RouteInvalid(f"{where}: expected each target under a name of its own, got {twin!r} twice")


_TARGET: Final[Readers] = {
    "name": fields.text,
    **dict.fromkeys(_TEXTS, fields.text),
    "routing_key": fields.text_or_empty,
    "kwargs": fields.arguments,
    "capabilities": fields.names,
    "context_tokens": fields.number,
    "usd_per_million_tokens": fields.price,
}
_CONSTRAINTS: Final[Readers] = {
    "regions": fields.names,
    "data_class": fields.text,
    "context_tokens": fields.number,
    "capabilities": fields.names,
    "usd_per_million_tokens": fields.price,
    "memory_class": fields.text,
}
_RULE: Final[Readers] = {
    "task": fields.text,
    "dependency": fields.text,
    "targets": _targets,
    "constraints": constraints_of,
    "hop_limit": _hop_limit,
    "home_memory_class": fields.text,
}
