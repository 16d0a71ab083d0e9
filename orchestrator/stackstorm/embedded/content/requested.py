"""Actions as requests want them, laid over those of the packs' files; no file is ever written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.content.actions import read_action
from orchestrator.stackstorm.embedded.content.source import Source
from orchestrator.stackstorm.embedded.content.values import Action
from orchestrator.stackstorm.embedded.errors import ContentError, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Content
    from orchestrator.stackstorm.embedded.store import Store

SYSTEM_PACK: Final = "core"
# What StackStorm makes of an action that says nothing of its output.
ANY_OUTPUT: Final[Mapping[str, Any]] = {
    "additionalItems": {},
    "items": {},
    "uniqueItems": False,
    "required": False,
    "secret": False,
    "additionalProperties": {},
    "definitions": {},
    "properties": {},
    "patternProperties": {},
    "immutable": False,
}
_READ_ONLY = ("id", "uid", "ref", "pack", "metadata_file", "tags", "notify")


class RequestedActions:
    """Remembers what requests say of actions."""

    def __init__(self, store: Store) -> None:
        self._rows = store.actions

    def laid_over(self, content: Content) -> Content:
        """Give the content with every requested action in its place; one that fits it no more is left out."""
        actions = dict(content.actions)
        for ref, document in self._rows.all().items():
            pack = ref.split(".", 1)[0]
            if document is None:
                actions.pop(ref, None)
            elif pack in content.packs:
                try:
                    actions[ref] = read(content, pack, document)
                except (ContentError, Fault):
                    continue
        return replace(content, actions=actions)

    def put(self, content: Content, pack: str, document: Mapping[str, Any]) -> Action:
        """Remember an action; raises ContentError, Fault 400."""
        action = read(content, pack, {"output_schema": dict(ANY_OUTPUT), **document})
        self._rows.put(action.ref, dict(action.document))
        return action

    def delete(self, action: Action) -> None:
        """Remember that an action is gone; raises Fault 400 for one of the system's."""
        _check_pack(action.pack)
        self._rows.put(action.ref, None)

    def forget(self, registered: Content) -> None:
        """Let the files of registered packs speak again."""
        for ref in self._rows.all():
            if ref in registered.actions:
                self._rows.forget(ref)


def read(content: Content, pack: str, document: Mapping[str, Any]) -> Action:
    """Read an action as a file of its pack would be read; raises ContentError, Fault 400."""
    _check_pack(pack)
    if pack not in content.packs:
        raise Fault(400, f'Content pack "{pack}" is not found or doesn\'t contain actions directory.')
    given = {name: value for name, value in document.items() if name not in _READ_ONLY}
    found = read_action(content.packs[pack], Source(content.packs[pack].path / "request", given))
    if not isinstance(found, Action):
        raise Fault(400, str(found))
    about = {name: document[name] for name in ("tags", "notify", "metadata_file") if document.get(name)}
    return replace(found, document={**found.document, "metadata_file": "", **about})


def _check_pack(pack: str) -> None:
    if pack == SYSTEM_PACK:
        raise Fault(400, "Resources belonging to system level packs can't be manipulated")
