"""Arguments that a declaration lets out: those whose values failures are searched by, and those a person may change.

`search` is a list of names; `edit` says what the new value must be: `{"model": {"enum": ["small", "large"]}}`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from eventbus.redaction import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 16
LONGEST_NAME: Final = 100
MOST_CHOICES: Final = 100
TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
RULES: Final = ("type", "enum", "minimum", "maximum", "max_length")
_ANY_MORE: Final = {inspect.Parameter.VAR_POSITIONAL: "args", inspect.Parameter.VAR_KEYWORD: "kwargs"}


def search_of(value: object) -> tuple[str, ...]:
    """Check what `search` says; raises ValueError or TypeError."""
    if not isinstance(value, list | tuple) or len(value) > MOST:
        raise ValueError(f"expected `search` as a list of at most {MOST} argument names, got {value!r}")
    return tuple(dict.fromkeys(_name("search", each) for each in value))


def edit_of(value: object) -> Mapping[str, Mapping[str, Any]]:
    """Check what `edit` says; raises ValueError or TypeError."""
    if not isinstance(value, Mapping) or len(value) > MOST:
        raise ValueError(f"expected `edit` as at most {MOST} argument names with a rule each, got {value!r}")
    return {_name("edit", name): _rule(name, rule) for name, rule in value.items()}


def _name(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier() or len(value) > LONGEST_NAME:
        raise ValueError(f"expected `{key}` to name arguments as the task's signature does, got {value!r}")
    return value


def _rule(name: str, rule: object) -> dict[str, Any]:
    if not isinstance(rule, Mapping) or not rule.keys() <= set(RULES) or not rule.keys() & {"type", "enum"}:
        raise ValueError(
            f"expected a rule with a `type` or an `enum`, and of {', '.join(RULES)} only, in `edit` of {name}; "
            f"got {rule!r}"
        )
    checked = dict(rule)
    kind = checked.get("type")
    if "type" in checked and (not isinstance(kind, str) or kind not in TYPES):
        raise ValueError(f"expected `type` as one of {', '.join(TYPES)} in `edit` of {name}, got {kind!r}")
    if "enum" in checked:
        checked["enum"] = _choices(name, checked["enum"], kind)
    for bound in ("minimum", "maximum"):
        if bound in checked and (kind not in ("integer", "number") or not _is(checked[bound], "number")):
            raise ValueError(f"expected `{bound}` as a number, beside type integer or number, in `edit` of {name}; "
                             f"got {rule!r}")  # fmt: skip
    if checked.get("minimum", -math.inf) > checked.get("maximum", math.inf):
        raise ValueError(f"expected a `minimum` up to the `maximum` in `edit` of {name}, got {rule!r}")
    if "max_length" in checked and (kind != "string" or not _is(checked["max_length"], "integer")):
        raise ValueError(f"expected `max_length` as a whole number, beside type string, in `edit` of {name}; "
                         f"got {rule!r}")  # fmt: skip
    return checked


def _choices(name: str, value: object, kind: str | None) -> list[Any]:
    fitting = [kind] if kind else list(TYPES)
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST_CHOICES:
        raise ValueError(f"expected `enum` as a list of 1 to {MOST_CHOICES} values in `edit` of {name}, got {value!r}")
    if not all(any(_is(each, one) for one in fitting) for each in value):
        raise ValueError(f"expected `enum` of {' or '.join(fitting)} only in `edit` of {name}, got {value!r}")
    return list(value)


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, TYPES[kind])


def parameters_of(task: Any) -> Parameters:  # noqa: ANN401 - a task, or what stands for one
    """Read the parameters of a task's function; of a task that is not known, any."""
    return _signature_of(task) or Parameters()


def _signature_of(task: Any) -> Parameters | None:  # noqa: ANN401 - as above
    run = getattr(task, "run", None)
    try:
        given = inspect.signature(run).parameters.values() if callable(run) else None
    except (TypeError, ValueError):
        given = None
    if given is None:
        return None
    more = {_ANY_MORE[each.kind] for each in given if each.kind in _ANY_MORE}
    names = [each.name for each in given if each.kind not in _ANY_MORE and each.kind is not each.KEYWORD_ONLY]
    only = [each.name for each in given if each.kind is each.KEYWORD_ONLY]
    return Parameters(tuple(names), tuple(only), args="args" in more, kwargs="kwargs" in more)


def positions_of(task: Any, names: Iterable[str]) -> dict[str, int | None]:  # noqa: ANN401 - as above
    """Tell for each of these names where it stands among positional arguments: None where it goes by name only.

    Nothing is told of a task whose signature is not known.
    """
    wanted = list(names)
    known = _signature_of(task) if wanted else None
    if known is None:
        return {}
    return {name: known.names.index(name) if name in known.names else None for name in wanted}
