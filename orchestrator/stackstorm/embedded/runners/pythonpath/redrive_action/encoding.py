"""The answer of a Python action as JSON, with what StackStorm's encoder (orjson) takes and refuses."""

from __future__ import annotations

import enum
import json
import sys
from typing import Any

DEEPEST = 254
INFINITE = float("inf")
SMALLEST, LARGEST = -(2**63), 2**64 - 1


def answered(status: Any, result: Any) -> str:
    """Give the JSON of a status and a result; what JSON cannot hold becomes text as StackStorm makes it."""
    try:
        return json.dumps({"status": status, "result": plain(result)})
    except (TypeError, ValueError):
        return json.dumps({"status": status, "result": str(result) if status is not None else shown(result)})


def shown(result: Any) -> str:
    """Give the text that StackStorm cuts out of the whole answer's when it has no status; its end is in it."""
    whole = str({"result": result, "status": None})
    # A dot of StackStorm's pattern is no end of line.
    _, found, rest = whole.partition("'result': ")
    return rest if found and "\n" not in rest else whole


def plain(value: Any, depth: int = 0) -> Any:
    """Give a value in JSON's types; raises TypeError for one that has none."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, int, float)) and not isinstance(value, enum.Enum):
        return scalar(value)
    if depth >= DEEPEST:
        raise TypeError("recursion limit reached")
    if isinstance(value, dict):
        return {name(key): plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list) or type(value) is tuple:
        return [plain(member, depth + 1) for member in value]
    return special(value, depth)


def scalar(value: Any) -> Any:
    """Give a text or a number; raises TypeError where UTF-8 or 64 bits cannot hold it."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, int):
        return bounded(value)
    return float(value) if abs(value) < INFINITE else None


def special(value: Any, depth: int) -> Any:
    """Give a value of a class that has a form in JSON; raises TypeError for any other."""
    if isinstance(value, enum.Enum):
        return plain(value.value, depth)
    if hasattr(type(value), "__dataclass_fields__"):
        names = [name for name in type(value).__dataclass_fields__ if not name.startswith("_")]
        return {name: plain(getattr(value, name), depth + 1) for name in names}
    if made_by(value, "datetime", ("datetime", "date", "time")):
        return value.isoformat()
    if made_by(value, "uuid", ("UUID",)):
        return str(value)
    raise TypeError(f"type is not JSON serializable: {type(value).__name__}")


def made_by(value: Any, module: str, classes: Any) -> bool:
    """Tell whether a value is of one of a module's classes; the module is not imported for that."""
    found = sys.modules.get(module)
    return found is not None and isinstance(value, tuple(getattr(found, name) for name in classes))


def name(key: Any) -> str:
    """Give a mapping's key; raises TypeError for one that is no text."""
    if type(key) is not str:
        raise TypeError(f"expected a text as key, got {type(key).__name__}")
    return encodable(key)


def encodable(text: str) -> str:
    """Give a text; raises TypeError where UTF-8 has no form for it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TypeError(str(error)) from None
    return str(text)


def bounded(number: int) -> int:
    """Give a whole number of 64 bits; raises TypeError for a larger one."""
    if not SMALLEST <= number <= LARGEST:
        raise TypeError("integer exceeds 64 bits")
    return int(number)
