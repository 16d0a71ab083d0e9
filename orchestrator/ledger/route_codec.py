"""Between JSON and values: routes of plans, and the decisions of attempts. Rows of former versions stay readable."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.plan import Route
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.routes.decisions import Considered, Decision
from orchestrator.domain.routes.measures import Measured
from orchestrator.domain.routes.targets import RouteTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRICE: Final = "usd_per_million_tokens"


def route_to_json(route: Route) -> dict[str, Any]:
    """Give the route of a plan as JSON."""
    document = asdict(route)
    return document | {"constraints": _priced(document["constraints"]) if route.constraints else None}


def route_from_json(document: Mapping[str, Any]) -> Route:
    """Read the route of a plan back; one that only names a queue is of a former version."""
    demanded = document.get("constraints")
    return Route(**{**document, "constraints": _constraints(demanded) if demanded else None})


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """Give a decision as JSON."""
    document = asdict(decision)
    return document | {"chosen": _priced(document["chosen"]) if decision.chosen else None}


def decision_from_json(document: Mapping[str, Any]) -> Decision:
    """Read a decision back."""
    chosen = document["chosen"]
    candidates = tuple(_considered(each) for each in document["candidates"])
    return Decision(_target(chosen) if chosen else None, candidates, document["hops"])


def _priced(document: dict[str, Any]) -> dict[str, Any]:
    """Write a price as text: money is no float."""
    return document | {_PRICE: None if document[_PRICE] is None else str(document[_PRICE])}


def _price_of(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, _PRICE: None if document[_PRICE] is None else Decimal(document[_PRICE])}


def _constraints(document: Mapping[str, Any]) -> Constraints:
    values = _price_of(document)
    regions = values["regions"]
    return Constraints(
        **values
        | {
            "regions": None if regions is None else tuple(regions),
            "capabilities": tuple(values["capabilities"]),
            "arguments": tuple((name, path) for name, path in values["arguments"]),
            "unknown": tuple(values["unknown"]),
        }
    )


def _target(document: Mapping[str, Any]) -> RouteTarget:
    values = _price_of(document)
    capabilities = values["capabilities"]
    return RouteTarget(**values | {"capabilities": None if capabilities is None else tuple(capabilities)})


def _considered(document: Mapping[str, Any]) -> Considered:
    measured = document["measured"]
    return Considered(**{**document, "measured": Measured(**measured) if measured else None})
