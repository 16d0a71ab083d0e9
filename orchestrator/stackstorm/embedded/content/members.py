"""The schema of one member of a mapping, or of one item of a list: for defaults, secrets and templates alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def of_member(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give a member's own schema, else those of all patterns that it matches as one, else that of all others."""
    properties, patterns = _mapping(schema.get("properties")), _mapping(schema.get("patternProperties"))
    if name in properties:
        return _mapping(properties[name])
    matching = [_mapping(member) for pattern, member in patterns.items() if re.search(pattern, name)]
    if matching:
        return {attribute: value for member in matching for attribute, value in member.items()}
    return _mapping(schema.get("additionalProperties"))


def of_item(schema: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    """Give the schema of the item at a place."""
    items = schema.get("items")
    if isinstance(items, list):
        return _mapping(items[index] if index < len(items) else schema.get("additionalItems"))
    return _mapping(items)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
