"""Where else a task may run: what `route` of a declaration lists, as the orchestrator compares it.

A route is a queue's name, or a mapping:

| key | shape | meaning |
|---|---|---|
| queue | text | the queue; or |
| exchange, routing_key | text | the exchange, and the key that it is published with |
| kwargs | mapping with JSON values | keyword arguments that the run gets instead of its own, such as a model |
| dependency | text | what the task leans on there; the task's own where it is left out |
| region, data_class, memory_class | text | what a task's constraints are held against |
| capabilities | list of text | likewise |
| context_tokens | positive number | the largest context that it takes, in tokens |
| usd_per_million_tokens | number from 0 | what a million tokens cost there, in USD |

A route needs a place or `kwargs`; without a place the task stays where it was published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from math import inf
from typing import Any, Final

LONGEST_TEXT: Final = 200
TEXTS: Final = ("queue", "exchange", "routing_key", "dependency", "region", "data_class", "memory_class")
KEYS: Final = (*TEXTS, "kwargs", "capabilities", "context_tokens", "usd_per_million_tokens")


def route_of(given: object) -> Mapping[str, Any]:
    """Give a route as a mapping; raises ValueError or TypeError, which say what was expected."""
    route = {"queue": given} if isinstance(given, str) else given
    if not isinstance(route, Mapping):
        raise TypeError(f"expected each `route` as a queue's name or a mapping, got {given!r}")
    _check_keys(route)
    return {key: _value(key, route[key]) for key in KEYS if key in route}


def _check_keys(route: Mapping[str, Any]) -> None:
    for key in route:
        if key not in KEYS:
            close = get_close_matches(str(key), KEYS, n=1)
            meant = f" (meant: {close[0]}?)" if close else ""
            raise ValueError(f"expected in a `route` only the keys {', '.join(KEYS)}; got {key}{meant}")
    if ("exchange" in route) != ("routing_key" in route) or ("queue" in route and "exchange" in route):
        raise ValueError(f"expected in a `route` a queue, or an exchange with a routing_key; got {dict(route)!r}")
    if not route.keys() & {"queue", "exchange", "kwargs"}:
        raise ValueError(f"expected in a `route` a queue, an exchange or kwargs; got {dict(route)!r}")


def _value(key: str, value: object) -> object:
    if key == "kwargs":
        return _kwargs(value)
    if key == "capabilities":
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected `capabilities` of a route as a list of names, got {value!r}")
        return [_text(key, each) for each in value]
    if key == "context_tokens":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"expected `context_tokens` of a route as a number from 1, got {value!r}")
        return value
    if key == "usd_per_million_tokens":
        return _price(value)
    return _text(key, value, least=0 if key == "routing_key" else 1)


def _price(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < inf:
        raise ValueError(f"expected `usd_per_million_tokens` of a route as a number from 0, got {value!r}")
    return value


def _kwargs(value: object) -> dict[str, Any]:
    """Give keyword arguments as JSON holds them: what comes back from it otherwise would run otherwise."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        kept = {}
    if not isinstance(value, Mapping) or not value or kept != dict(value):
        raise ValueError(f"expected `kwargs` of a route as keyword arguments with JSON values, got {value!r}")
    return kept


def _text(key: str, value: object, *, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= len(value) <= LONGEST_TEXT or "\0" in value:
        raise ValueError(f"expected `{key}` of a route as text of {least} to {LONGEST_TEXT} characters, got {value!r}")
    return value
