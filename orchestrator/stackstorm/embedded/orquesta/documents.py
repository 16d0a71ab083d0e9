"""Functions that read and write JSON and YAML, query by JSONPath, and stand in for None; the names are StackStorm's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jsonpath_rw
import orjson
import yaml

NONE_MARK = "%*****__%NONE%__*****%"
_SEPARATORS = (",", ": ")


def from_json_string(value: Any) -> Any:
    """Read a JSON text; raises ValueError."""
    return orjson.loads(str(value))


def from_yaml_string(value: Any) -> Any:
    """Read a YAML text; raises yaml.YAMLError."""
    return yaml.load(str(value), Loader=yaml.CSafeLoader)


def to_json_string(
    value: Any,
    indent: int | None = None,
    sort_keys: bool | None = False,  # noqa: FBT001, FBT002 packs call it so
    separators: tuple[str, str] | None = _SEPARATORS,
) -> str:
    """Write a value as JSON; raises TypeError."""
    return json.dumps(plain(value), indent=indent, sort_keys=bool(sort_keys), separators=separators)


def to_yaml_string(
    value: Any,
    indent: int | None = None,
    allow_unicode: bool | None = True,  # noqa: FBT001, FBT002 packs call it so
) -> str:
    """Write a value as YAML in block style; raises yaml.YAMLError."""
    written: str = yaml.dump(
        plain(value),
        Dumper=yaml.CSafeDumper,
        default_flow_style=False,
        indent=indent,
        allow_unicode=bool(allow_unicode),
    )
    return written


def json_escape(value: Any) -> str:
    """Escape a text for a place inside the quotes of a JSON string."""
    return json.dumps(value).strip('"')


def to_complex(value: Any) -> str:
    """Write a value as JSON, so that a template's text keeps its type."""
    return json.dumps(value)


def jsonpath_query(value: Any, query: str) -> list[Any] | None:
    """Give everything that a JSONPath finds in a value; None where there is nothing."""
    return [match.value for match in _path(query).find(value)] or None


@lru_cache(maxsize=256)
def _path(query: str) -> Any:
    return jsonpath_rw.parse(query)


def use_none(value: Any) -> Any:
    """Stand for None where a template can give only text."""
    return NONE_MARK if value is None else value


def plain(value: Any) -> Any:
    """Give mappings of any kind as dict, at any depth of mappings and lists; YAQL has kinds of its own."""
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "from_json_string": from_json_string,
    "from_yaml_string": from_yaml_string,
    "json_escape": json_escape,
    "jsonpath_query": jsonpath_query,
    "to_json_string": to_json_string,
    "to_yaml_string": to_yaml_string,
    "use_none": use_none,
}
