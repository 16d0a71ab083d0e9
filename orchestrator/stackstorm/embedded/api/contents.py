"""What packs hold: actions, trigger types, rules and packs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Action
    from orchestrator.stackstorm.embedded.runners.warm_processes import WarmProcesses


class ContentRoutes:
    """Actions, trigger types, rules and packs."""

    def __init__(self, library: Library, processes: WarmProcesses) -> None:
        self._library = library
        self._processes = processes

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/runnertypes", self.runners),
            ("GET", "/actions", self.actions),
            ("GET", "/actions/{}", self.action),
            ("GET", "/actions/views/entry_point/{}", self.entry_point),
            ("GET", "/triggertypes", self.triggers),
            ("GET", "/triggertypes/{}", self.trigger),
            ("GET", "/rules", self.rules),
            ("GET", "/rules/{}", self.rule),
            ("PUT", "/rules/{}", self.change_rule),
            ("GET", "/packs", self.packs),
            ("GET", "/packs/{}", self.pack),
            ("POST", "/packs/register", self.register),
        ]

    def runners(self, request: Request) -> Response:
        """List the runners, all or by name."""
        return lists.paged(lists.filtered(list(RUNNERS.values()), request.query, ("name",)), request.query)

    def actions(self, request: Request) -> Response:
        """Answer the actions, by ref."""
        shown = [views.action_view(action) for _, action in sorted(self._library.content.actions.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name", "runner_type")), request.query)

    def action(self, _request: Request, ref: str) -> Response:
        """Answer one action, by ref or id."""
        return Response(200, views.action_view(_find(self._library.content.actions, ref)))

    def entry_point(self, _request: Request, ref: str) -> Response:
        """Answer the text of an action's file."""
        action: Action = _find(self._library.content.actions, ref)
        if action.entry_point is None:
            raise Fault(404, f"Action ref={ref} has no entry_point to output")
        kind = "application/x-yaml" if action.workflow else "text/plain"
        return Response(200, action.entry_point.read_text(), content_type=kind)

    def triggers(self, request: Request) -> Response:
        """Answer the trigger types, by ref."""
        shown = [views.trigger_view(trigger) for _, trigger in sorted(self._library.content.triggers.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name")), request.query)

    def trigger(self, _request: Request, ref: str) -> Response:
        """Answer one trigger type, by ref or id."""
        return Response(200, views.trigger_view(_find(self._library.content.triggers, ref)))

    def rules(self, request: Request) -> Response:
        """Answer the rules, by ref."""
        query = request.query
        kept = lists.filtered(
            [views.rule_view(rule) for _, rule in sorted(self._library.content.rules.items())], query, ("pack", "name")
        )
        for name in ("action", "trigger"):
            if name in query:
                kept = [rule for rule in kept if rule[name]["ref"] == query[name]]
        if "enabled" in query:
            kept = [rule for rule in kept if rule["enabled"] == lists.truth(query["enabled"])]
        return lists.paged(kept, query)

    def rule(self, _request: Request, ref: str) -> Response:
        """Answer one rule, by ref or id."""
        return Response(200, views.rule_view(_find(self._library.content.rules, ref)))

    def change_rule(self, request: Request, ref: str) -> Response:
        """Replace a rule by the one in the body; this is how a rule is enabled or disabled."""
        if not isinstance(request.body, dict):
            raise Fault(400, "expected a rule, got no JSON object")
        rule = _find(self._library.content.rules, ref)
        return Response(200, views.rule_view(self._library.change_rule(rule, request.body)))

    def packs(self, request: Request) -> Response:
        """Answer the packs, by ref."""
        shown = [views.pack_view(pack) for _, pack in sorted(self._library.content.packs.items())]
        return lists.paged(lists.filtered(shown, request.query, ("name", "ref")), request.query)

    def pack(self, _request: Request, ref: str) -> Response:
        """Answer one pack, by ref or id."""
        return Response(200, views.pack_view(_find(self._library.content.packs, ref)))

    def register(self, request: Request) -> Response:
        """Read packs from disk again, as they are now; a pack that cannot be loaded changes nothing."""
        asked = request.body if isinstance(request.body, dict) else {}
        types = set(asked.get("types") or ["all"])
        read = self._library.register(asked.get("packs"))
        for pack in read.packs.values():
            self._processes.replace(pack)
        counts = {"triggers": len(read.triggers), "actions": len(read.actions), "rules": len(read.rules)}
        asked_for = {name: count for name, count in counts.items() if types & {"all", name, name[:-1]}}
        return Response(200, {"runners": len(RUNNERS), **asked_for})


def _find(among: Mapping[str, Any], ref: str) -> Any:
    found = among.get(ref) or next((value for value in among.values() if value.id == ref), None)
    if found is None:
        raise Fault(404, f'Resource with a reference or id "{ref}" not found')
    return found
