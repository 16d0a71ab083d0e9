"""Secrets in what is shown: `secret: true` in a schema, at any depth, hides the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.stackstorm.embedded.content.members import of_item, of_member

MASK = "********"


def masked(schemas: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Hide the secret ones of named values, and the secret members of those that are mappings or lists."""
    return {name: hidden(schemas.get(name), value) for name, value in values.items()}


def hidden(schema: Any, value: Any) -> Any:
    """Hide a value that its schema calls secret, and the secret members of one that is a mapping or a list."""
    if not isinstance(schema, Mapping):
        return value
    if schema.get("secret"):
        return MASK
    if isinstance(value, Mapping):
        return {name: hidden(of_member(schema, name), member) for name, member in value.items()}
    if isinstance(value, list):
        return [hidden(of_item(schema, place), member) for place, member in enumerate(value)]
    return value


def masked_result(output_key: str | None, schema: Mapping[str, Any], result: Any) -> Any:
    """Hide what an action's output schema calls secret in the part of its result that the schema is about."""
    if not schema or not isinstance(result, Mapping) or output_key not in result:
        return result
    return {**result, output_key: hidden(_as_whole(schema), result[output_key])}


def masked_response(result: Any) -> Any:
    """Hide what an inquiry's schema calls secret in the response to it."""
    if not isinstance(result, Mapping) or "response" not in result:
        return result
    return {**result, "response": hidden(result.get("schema"), result["response"])}


def _as_whole(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the schema of the whole output; StackStorm takes one without a type for the properties of an object."""
    return schema if isinstance(schema.get("type"), str) else {"type": "object", "properties": schema}
