"""Rules: listed, shown, made, changed, removed; and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.bodies import WHOLE_CHARACTERS, checked
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.content.shapes import RULE_TYPES
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.marks import stable_id
from orchestrator.stackstorm.embedded.masking import MASK, masked

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Rule

Document = dict[str, Any]
_TEXT: Final = {"type": ["string", "null"], "pattern": WHOLE_CHARACTERS}
_ASKED: Final = {"type": "object", "properties": {"name": {"pattern": WHOLE_CHARACTERS}, "pack": _TEXT}}
_TYPES: Final[list[Document]] = [
    {"id": stable_id(f"rule_type:{name}"), "name": name, "enabled": True, "parameters": {}} for name in RULE_TYPES
]


class RuleRoutes:
    """Rules and their types."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/rules", self.page),
            ("POST", "/rules", self.add),
            ("GET", "/rules/views", self.views),
            ("GET", "/rules/views/{}", self.view),
            ("GET", "/rules/{}", self.one),
            ("PUT", "/rules/{}", self.change),
            ("DELETE", "/rules/{}", self.remove),
            ("GET", "/ruletypes", lambda _: Response(200, _TYPES)),
            ("GET", "/ruletypes/{}", self.type),
        ]

    def page(self, request: Request) -> Response:
        """Answer the rules, by ref."""
        return lists.paged([self._shown(rule) for rule in self._wanted(request)], request.query)

    def one(self, _request: Request, ref: str) -> Response:
        """Answer one rule, by ref or id."""
        return Response(200, self._shown(self._find(ref)))

    def views(self, request: Request) -> Response:
        """Answer the rules, by ref, with the descriptions of their triggers and actions."""
        return lists.paged([self._described(rule) for rule in self._wanted(request)], request.query)

    def view(self, _request: Request, ref: str) -> Response:
        """Answer one rule with the descriptions of its trigger and action."""
        return Response(200, self._described(self._find(ref)))

    def add(self, request: Request) -> Response:
        """Make a rule."""
        rule = self._library.add_rule(_asked(request))
        return Response(201, _view(rule))

    def change(self, request: Request, ref: str) -> Response:
        """Replace a rule by the one in the body; this is how a rule is enabled or disabled."""
        rule = self._find(ref)
        return Response(200, _view(self._library.change_rule(rule, _unmasked(_asked(request), rule))))

    def remove(self, _request: Request, ref: str) -> Response:
        """Remove a rule."""
        self._library.remove_rule(self._find(ref))
        return Response(204)

    def type(self, _request: Request, id_: str) -> Response:
        """Answer one type of rules, by id or name."""
        found = next((kind for kind in _TYPES if id_ in (kind["id"], kind["name"])), None)
        if found is None:
            raise Fault(404, f'Unable to identify resource with id "{id_}".')
        return Response(200, found)

    def _wanted(self, request: Request) -> list[Rule]:
        query = request.query
        tests: dict[str, Callable[[Rule], bool]] = {
            "name": lambda rule: rule.name == query["name"],
            "pack": lambda rule: rule.pack == query["pack"],
            "action": lambda rule: rule.action == query["action"],
            "trigger": lambda rule: rule.trigger.ref == query["trigger"],
            "enabled": lambda rule: rule.enabled == lists.truth(query["enabled"]),
            "user": lambda rule: rule.document["context"].get("user") == query["user"],
        }
        wanted = [test for name, test in tests.items() if name in query]
        rules = [rule for _, rule in sorted(self._library.content.rules.items())]
        return [rule for rule in rules if all(test(rule) for test in wanted)]

    def _find(self, ref: str) -> Rule:
        rules = self._library.content.rules
        found = rules.get(ref) or next((rule for rule in rules.values() if rule.id == ref), None)
        if found is None:
            raise Fault(404, f'Resource with a reference or id "{ref}" not found')
        return found

    def _shown(self, rule: Rule) -> Document:
        """Give a rule with its action's secret parameters masked."""
        shown = _view(rule)
        action = self._library.content.actions.get(rule.action)
        if action is not None:
            shown["action"] = {**shown["action"], "parameters": masked(action.parameters, rule.parameters)}
        return shown

    def _described(self, rule: Rule) -> Document:
        shown, content = self._shown(rule), self._library.content
        action, kind = content.actions.get(rule.action), content.triggers.get(rule.trigger.type)
        shown["action"]["description"] = action.document.get("description") or "" if action else ""
        shown["trigger"] = {**shown["trigger"], "description": kind.document.get("description") or "" if kind else ""}
        return shown


def _view(rule: Rule) -> Document:
    document = rule.document
    return {**document, "action": dict(document["action"]), "enabled": rule.enabled, "id": rule.id}


def _asked(request: Request) -> Document:
    """Give the rule that a request describes, as one of the user who asks."""
    if request.body is None:
        raise Fault(400, "expected a rule, got no JSON object")
    asked = checked(request.body, _ASKED)
    context = asked.get("context")
    return {**asked, "context": {**(context if isinstance(context, dict) else {}), "user": request.user}}


def _unmasked(document: Document, old: Rule) -> Document:
    """Put the values back that an answer had masked, so that showing a rule and sending it back loses none."""
    action = document.get("action")
    given = action.get("parameters") if isinstance(action, dict) else None
    if not isinstance(given, dict):
        return document
    kept = {name: old.parameters[name] for name, value in given.items() if value == MASK and name in old.parameters}
    return {**document, "action": {**document["action"], "parameters": {**given, **kept}}}
