"""The loaded content and what requests changed of it: the one place that the rest reads it from."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import loader
from orchestrator.stackstorm.embedded.content.configs import Config
from orchestrator.stackstorm.embedded.content.requested import RequestedActions
from orchestrator.stackstorm.embedded.content.rules import DEFAULT_PACK, check_trigger, rule_from
from orchestrator.stackstorm.embedded.content.source import Source
from orchestrator.stackstorm.embedded.content.triggers import CORE_TYPES
from orchestrator.stackstorm.embedded.content.values import Content
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.executions import USER
from orchestrator.stackstorm.embedded.lookups import Lookups, StoredKeys, outside, user_of
from orchestrator.stackstorm.embedded.rules.criteria import CriterionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.stackstorm.embedded.apart import Apart
    from orchestrator.stackstorm.embedded.content.values import Action, Pack, Rule
    from orchestrator.stackstorm.embedded.datastore import Datastore
    from orchestrator.stackstorm.embedded.orquesta.scope import Outside
    from orchestrator.stackstorm.embedded.store import Store

log = logging.getLogger(__name__)
_READ_ONLY = ("id", "uid", "ref")


class Library:
    """Content from disk, with the rules that requests changed laid over it.

    `apart` is where costly expressions and templates are evaluated; without it they are where they are met.
    """

    def __init__(
        self, folders: list[Path], configs: Path, store: Store, keys: Datastore, apart: Apart | None = None
    ) -> None:
        self._folders = folders
        self._configs = configs
        self._store = store
        self._keys = keys
        self._apart = apart
        self._actions = RequestedActions(store)
        self._changing = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.content = self._with_changed_rules(self._actions.laid_over(loader.load(folders, configs)))
        _tell(self.content)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this after the content has changed, on the thread that changed it."""
        self._listeners.append(listener)

    def register(self, packs: list[str] | None) -> Content:
        """Read packs from disk again (all by default), as they are now; answers what was read.

        Raises ContentError, and then everything stays as it was; Fault 404 for a pack that is not there.
        """
        fresh = loader.load(self._folders, self._configs)
        for ref in packs or ():
            if ref not in fresh.packs:
                raise Fault(404, f'Pack "{ref}" not found on disk.')
        wanted = set(packs or fresh.packs)
        read = fresh.only(wanted)
        with self._changing:
            for ref in read.rules:
                self._store.rules.forget(ref)
            self._actions.forget(read)
            left = self.content.only(set(self.content.packs) - wanted)
            whole = Content(triggers=CORE_TYPES).with_all(left).with_all(read)
            self.content = self._with_changed_rules(self._actions.laid_over(whole))
        _tell(read)
        self._changed()
        return read

    def add_rule(self, document: Mapping[str, Any]) -> Rule:
        """Add a rule as a request describes it; raises Fault 400 or 409, or ContentError."""
        rule, data = _asked(document)
        with self._changing:
            if rule.ref in self.content.rules:
                raise Fault(409, f'expected the name of a rule that is not there yet, got "{rule.ref}"')
            self._put(rule, data)
        self._changed()
        return rule

    def change_rule(self, old: Rule, document: Mapping[str, Any]) -> Rule:
        """Replace a rule by what a request says of it; raises Fault 400, or ContentError."""
        rule, data = _asked(document)
        if rule.ref != old.ref:
            raise Fault(400, f'expected the rule "{old.ref}", got "{rule.ref}"')
        with self._changing:
            self._put(rule, data)
        self._changed()
        return rule

    def remove_rule(self, rule: Rule) -> None:
        """Remove a rule; a pack's own comes back when the pack is registered again."""
        with self._changing:
            self._store.rules.put(rule.ref, None)
            left = {ref: other for ref, other in self.content.rules.items() if ref != rule.ref}
            self.content = replace(self.content, rules=left)
        self._changed()

    def put_action(self, pack: str, document: Mapping[str, Any]) -> Action:
        """Make or replace an action as a request wants it; raises Fault 400, or ContentError."""
        with self._changing:
            action = self._actions.put(self.content, pack, document)
            self.content = self._actions.laid_over(self.content)
        self._changed()
        return action

    def delete_action(self, action: Action) -> None:
        """Delete an action until its pack is registered again; raises Fault 400 for one of the system's."""
        with self._changing:
            self._actions.delete(action)
            self.content = self._actions.laid_over(self.content)
        self._changed()

    def template_names(self, pack: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """Give what templates outside of workflows may name besides parameters and trigger."""
        user = user_of(context)
        return {"config_context": self.config(pack, user), "action_context": context, "st2kv": self.stored(user)}

    def outside(self, task: Callable[[str, int], Mapping[str, Any] | None]) -> Outside:
        """Give what the expressions of a workflow may ask; `task` tells of the workflow's own tasks."""
        return outside(self._keys, self._apart, task)

    def config(self, pack: str, user: str = USER) -> dict[str, Any]:
        """Give the configuration that a pack's actions get now; raises ParameterError, and no action can run then."""
        found = self.content.packs.get(pack)
        if found is None or found.configuration.empty:
            return {}
        return found.configuration.resolved(pack, {"st2kv": self.stored(user)}, self._keys.decrypt)

    def stored(self, user: str = USER) -> Lookups:
        """Give the datastore as templates name it: st2kv."""
        return Lookups(StoredKeys(self._keys), user, self._apart)

    def ready(self, pack: str) -> Pack:
        """Give a pack with the configuration that its actions get now; raises ParameterError."""
        found = self.content.packs[pack]
        return replace(found, configuration=Config(self.config(pack), found.configuration.properties))

    def _put(self, rule: Rule, data: Mapping[str, Any]) -> None:
        check_trigger(self.content, rule)
        self._store.rules.put(rule.ref, data)
        self.content = replace(self.content, rules={**self.content.rules, rule.ref: rule})

    def _with_changed_rules(self, content: Content) -> Content:
        """Lay the rules that requests changed over those of files; one that cannot be any more is told of."""
        rules = dict(content.rules)
        for ref, document in self._store.rules.all().items():
            rules.pop(ref, None)
            if document is None:
                continue
            try:
                rule, _ = _asked(document)
                check_trigger(content, rule)
            except (ContentError, Fault) as error:
                log.warning("rule.unusable rule=%s reason=%s", ref, error)
            else:
                rules[ref] = rule
        return replace(content, rules=rules)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _tell(content: Content) -> None:
    for refusal in content.refused:
        if Path(refusal.file).is_relative_to(loader.BUILT_IN):
            continue  # every start would say so; who asks for the action is told
        log.warning("content.refused %s", refusal)
    for finding in content.findings:
        log.warning("content.broken %s", finding)


def _asked(document: Mapping[str, Any]) -> tuple[Rule, dict[str, Any]]:
    """Read a rule as a request describes it; raises Fault 400 in StackStorm's words, or ContentError."""
    data = {name: value for name, value in document.items() if name not in _READ_ONLY}
    try:
        rule = rule_from(str(data.get("pack") or DEFAULT_PACK), Source(Path("request"), data))
    except CriterionError as error:
        raise Fault(400, error.faultstring) from None
    return rule, data
