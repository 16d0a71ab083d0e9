"""The loaded content and what requests changed of it: the one place that the rest reads it from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import loader
from orchestrator.stackstorm.embedded.content.source import Source
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.marks import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Content, Rule
    from orchestrator.stackstorm.embedded.store import Store

_READ_ONLY = ("id", "uid", "ref")


class Library:
    """Content from disk, with the rules that requests changed laid over it."""

    def __init__(self, folders: list[Path], configs: Path, store: Store) -> None:
        self._folders = folders
        self._configs = configs
        self._store = store
        self.content = loader.load(folders, configs)
        for ref, document in store.changed_rules().items():
            if ref in self.content.rules:
                self.content = replace(self.content, rules={**self.content.rules, ref: _rule(document)})

    def register(self, packs: list[str] | None) -> Content:
        """Read packs from disk again (all by default), as they are now; answers what was read.

        Raises ContentError, and then everything stays as it was; Fault 404 for a pack that is not there.
        """
        fresh = loader.load(self._folders, self._configs)
        for ref in packs or ():
            if ref not in fresh.packs:
                raise Fault(404, f'Pack "{ref}" not found on disk.')
        wanted = set(packs or fresh.packs)
        for rule in fresh.rules.values():
            if rule.pack in wanted:
                self._store.forget_rule(rule.ref)
        read = fresh.only(wanted)
        self.content = self.content.only(set(self.content.packs) - wanted).with_all(read)
        return read

    def change_rule(self, old: Rule, document: Mapping[str, Any]) -> Rule:
        """Replace a rule by what a request says of it; raises Fault 400, or ContentError."""
        data = {name: value for name, value in document.items() if name not in _READ_ONLY}
        rule = _rule(data)
        if rule.ref != old.ref:
            raise Fault(400, f'expected the rule "{old.ref}", got "{rule.ref}"')
        changed = replace(self.content, rules={**self.content.rules, rule.ref: rule})
        loader.check_references(changed)
        self._store.put_rule(rule.ref, data)
        self.content = changed
        return rule

    def template_names(self, pack: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """Give what templates outside of workflows may name besides parameters and trigger."""
        found = self.content.packs.get(pack)
        return {
            "config_context": dict(found.config) if found else {},
            "action_context": context,
            "st2kv": {"system": _Keys(self._store)},
        }


class _Keys:
    """The datastore's system scope as templates see it: st2kv.system.name; a key that is not there is empty."""

    def __init__(self, store: Store, prefix: str = "") -> None:
        self._store = store
        self._prefix = prefix

    def __getattr__(self, name: str) -> _Keys:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Keys(self._store, f"{self._prefix}.{name}" if self._prefix else name)

    __getitem__ = __getattr__

    def __str__(self) -> str:
        found = self._store.key("st2kv.system", self._prefix, timestamp())
        return str(found["value"]) if found else ""


def _rule(document: Mapping[str, Any]) -> Rule:
    data = dict(document)
    return loader.rule_from(
        str(data.get("pack", "default")), Source(Path("request"), data), data.get("metadata_file", "")
    )
