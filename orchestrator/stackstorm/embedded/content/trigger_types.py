"""Reads trigger types: those of triggers/, and those that a sensor's file declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import checks, shapes
from orchestrator.stackstorm.embedded.content.actions import metadata_file, own_pack
from orchestrator.stackstorm.embedded.content.source import dotted
from orchestrator.stackstorm.embedded.content.values import Finding, Refusal, TriggerType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.content.source import Key, Source
    from orchestrator.stackstorm.embedded.content.values import Pack


def read_trigger_type(pack: Pack, document: Source) -> TriggerType:
    """Read one file of triggers/; raises ContentError."""
    data = checks.expect(document, shapes.TRIGGER)
    own_pack(pack, document, data)
    shown = {**data, "pack": pack.ref, "metadata_file": metadata_file(pack, document)}
    return TriggerType(pack.ref, data["name"], shown)


def read_sensor(pack: Pack, document: Source) -> tuple[Refusal, tuple[TriggerType, ...]]:
    """Refuse one sensor; its trigger types are there, since rules name them. Raises ContentError."""
    data = checks.expect(document, shapes.SENSOR)
    own_pack(pack, document, data)
    reason = f"sensors are not supported by the embedded StackStorm; {data['class_name']} does not run"
    refusal = Refusal(pack.ref, str(document.path), "class_name", document.line(("class_name",)), reason)
    owned = {"pack": pack.ref, "metadata_file": metadata_file(pack, document)}
    kinds = [{**kind, **owned} for kind in data.get("trigger_types", ())]
    return refusal, tuple(TriggerType(pack.ref, kind["name"], kind) for kind in kinds)


def left_out(pack: Pack, document: Source) -> Iterator[Finding]:
    """Name the keys of a trigger type or a sensor that StackStorm leaves out, which may be a slip of the pen."""
    data: dict[str, Any] = document.data
    sensor = "class_name" in data
    yield from _left_out(pack, document, (), data, shapes.SENSOR if sensor else shapes.TRIGGER)
    for index, kind in enumerate((data.get("trigger_types") or ()) if sensor else ()):
        yield from _left_out(pack, document, ("trigger_types", index), kind, shapes.TRIGGER)


def _left_out(pack: Pack, document: Source, key: Key, data: dict[str, Any], shape: shapes.Shape) -> Iterator[Finding]:
    for name in [name for name in data if name not in shape["properties"]]:
        where = (*key, name)
        reason = f"expected one of {', '.join(sorted(shape['properties']))}, got {name!r}, which StackStorm leaves out"
        yield Finding(pack.ref, str(document.path), dotted(where), document.line(where), reason)
