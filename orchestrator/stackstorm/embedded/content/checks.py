"""The shape of each kind of file: which keys there are, which of them are needed, and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content.schemas import ATTRIBUTES, TYPES

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.source import Key, Source

Shape = dict[str, type | tuple[type, ...]]

ACTION: Shape = {
    "name": str,
    "runner_type": str,
    "description": str,
    "enabled": bool,
    "entry_point": str,
    "pack": str,
    "parameters": dict,
    "output_schema": dict,
    "tags": list,
    "notify": dict,
    "metadata_file": str,
    "id": str,
    "ref": str,
    "uid": str,
}
TRIGGER: Shape = {
    "name": str,
    "pack": str,
    "description": str,
    "payload_schema": dict,
    "parameters_schema": dict,
    "tags": list,
    "metadata_file": str,
}
RULE: Shape = {
    "name": str,
    "pack": str,
    "description": str,
    "enabled": bool,
    "trigger": dict,
    "criteria": dict,
    "action": dict,
    "type": dict,
    "tags": list,
    "context": dict,
    "metadata_file": str,
    "id": str,
    "ref": str,
    "uid": str,
}
RULE_ACTION: Shape = {"ref": str, "description": str, "parameters": dict}
RULE_TRIGGER: Shape = {"type": str, "description": str, "parameters": dict, "ref": str}
PACK: Shape = {"name": str, "description": str, "version": str, "author": str, "ref": str}


def shape(source: Source, key: Key, value: Any, allowed: Shape, needed: tuple[str, ...]) -> dict[str, Any]:
    """Check a mapping's keys and types; raises ContentError naming file, key and line."""
    if not isinstance(value, dict):
        raise source.error(key, f"expected a mapping, got {type(value).__name__}")
    for name in value:
        if name not in allowed:
            raise source.error((*key, name), f"expected one of {', '.join(sorted(allowed))}, got {name!r}")
    types(source, key, value, allowed, needed)
    return value


def types(source: Source, key: Key, value: dict[str, Any], allowed: Shape, needed: tuple[str, ...]) -> None:
    """Check that the needed keys are there and that those with a known type have it."""
    for name in needed:
        if name not in value:
            raise source.error(key, f"expected the key {name!r}, got none")
    for name, kind in allowed.items():
        if name in value and not isinstance(value[name], kind):
            wanted = kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
            raise source.error((*key, name), f"expected {wanted}, got {type(value[name]).__name__}")


def parameters(source: Source, key: Key, value: dict[str, Any]) -> None:
    """Check the schemas of named parameters, at any depth of `properties`."""
    for name, schema in value.items():
        where = (*key, name)
        if not isinstance(name, str) or not name.isidentifier():
            raise source.error(where, f"expected a name of letters, digits and underscores, got {name!r}")
        if not isinstance(schema, dict):
            raise source.error(where, f"expected a mapping, got {type(schema).__name__}")
        for attribute in schema:
            if attribute not in ATTRIBUTES:
                raise source.error(
                    (*where, attribute),
                    f"expected an attribute of JSON Schema draft 4 or secret, position, immutable, got {attribute!r}",
                )
        _attribute_types(source, where, schema)
        if isinstance(schema.get("properties"), dict):
            parameters(source, (*where, "properties"), schema["properties"])


def _attribute_types(source: Source, key: Key, schema: dict[str, Any]) -> None:
    if "type" in schema and (not isinstance(schema["type"], str) or schema["type"] not in TYPES):
        raise source.error((*key, "type"), f"expected one of {', '.join(sorted(TYPES))}, got {schema['type']!r}")
    for name in ("required", "secret", "immutable"):
        if name in schema and not isinstance(schema[name], bool):
            raise source.error((*key, name), f"expected true or false, got {schema[name]!r}")
