"""Reads an alias: the words that people say for an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.content import checks, shapes
from orchestrator.stackstorm.embedded.content.actions import metadata_file, own_pack
from orchestrator.stackstorm.embedded.content.values import Alias

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.source import Source
    from orchestrator.stackstorm.embedded.content.values import Pack


def read_alias(pack: Pack, document: Source) -> Alias:
    """Read one file of aliases/; raises ContentError."""
    data = checks.expect(document, shapes.ALIAS)
    own_pack(pack, document, data)
    shown = {**data, "pack": pack.ref, "metadata_file": metadata_file(pack, document), "formats": data["formats"] or []}
    return Alias(pack.ref, data["name"], data["action_ref"], shown, data.get("enabled", True))
