"""Actions: listed, shown, made, changed, deleted; and the runners that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.bodies import WHOLE_CHARACTERS, checked
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Action

_TEXT: Final = {"type": "string", "pattern": WHOLE_CHARACTERS}
_ASKED: Final = {"type": "object", "properties": {"name": _TEXT, "pack": _TEXT, "dest_pack": _TEXT}}


class ActionRoutes:
    """The routes of /actions and /runnertypes."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/runnertypes", self.runners),
            ("GET", "/runnertypes/{}", self.runner),
            ("GET", "/actions", self.page),
            ("POST", "/actions", self.create),
            ("GET", "/actions/views/overview", self.page),
            ("GET", "/actions/views/overview/{}", self.one),
            ("GET", "/actions/views/parameters/{}", self.parameters),
            ("GET", "/actions/views/entry_point/{}", self.entry_point),
            ("GET", "/actions/{}", self.one),
            ("PUT", "/actions/{}", self.change),
            ("DELETE", "/actions/{}", self.delete),
            ("POST", "/actions/{}/clone", self.clone),
        ]

    def runners(self, request: Request) -> Response:
        """List the runners, all or by name."""
        return lists.paged(lists.filtered(list(RUNNERS.values()), request.query, ("name",)), request.query)

    def runner(self, _request: Request, name: str) -> Response:
        """Answer one runner, by its name or id."""
        found = next((runner for runner in RUNNERS.values() if name in (runner["name"], runner["id"])), None)
        if found is None:
            raise Fault(404, f'Resource with a name or id "{name}" not found')
        return Response(200, found)

    def page(self, request: Request) -> Response:
        """Answer the actions, by ref."""
        shown = [views.action_view(action) for _, action in sorted(self._library.content.actions.items())]
        kept = lists.filtered(shown, request.query, ("pack", "name", "runner_type"))
        return lists.paged(kept, request.query)

    def one(self, _request: Request, ref: str) -> Response:
        """Answer one action, by ref or id."""
        return Response(200, views.action_view(self._find(ref)))

    def parameters(self, _request: Request, ref: str) -> Response:
        """Answer what an action may be given: its own parameters and its runner's."""
        action = self._find(ref)
        runner = RUNNERS[action.runner_type]["runner_parameters"]
        merged = {name: {**schema, **action.parameters.get(name, {})} for name, schema in runner.items()}
        own = {name: schema for name, schema in action.parameters.items() if name not in runner}
        return Response(200, {"parameters": {**merged, **own}})

    def entry_point(self, _request: Request, ref: str) -> Response:
        """Answer the text of an action's file."""
        action = self._find(ref)
        if action.entry_point is None:
            raise Fault(404, f"Action ref={ref} has no entry_point to output")
        kind = "application/x-yaml" if action.entry_point.suffix in (".yaml", ".yml") else "text/plain"
        return Response(200, action.entry_point.read_text(), content_type=kind)

    def create(self, request: Request) -> Response:
        """Make an action; it lives in the state, not in its pack's folder."""
        asked = _document(request)
        ref = f"{asked.get('pack', 'default')}.{asked.get('name')}"
        if ref in self._library.content.actions:
            raise Fault(409, f'An action "{ref}" is there already')
        return Response(201, views.action_view(self._library.put_action(asked.get("pack", "default"), asked)))

    def change(self, request: Request, ref: str) -> Response:
        """Replace an action by the one in the body; this is how it is enabled or disabled."""
        old, asked = self._find(ref), _document(request)
        if asked.get("name", old.name) != old.name:
            raise Fault(400, f'expected the action "{old.ref}", got the name "{asked["name"]}"')
        return Response(200, views.action_view(self._library.put_action(old.pack, {**asked, "name": old.name})))

    def delete(self, request: Request, ref: str) -> Response:
        """Delete an action until its pack is registered again; its files stay."""
        if isinstance(request.body, dict) and request.body.get("remove_files"):
            raise Fault(501, "remove_files is not supported by the embedded StackStorm: it never writes to packs")
        self._library.delete_action(self._find(ref))
        return Response(204)

    def clone(self, request: Request, ref: str) -> Response:
        """Answer as a StackStorm that may not write to the pack: the embedded one never does."""
        self._find(ref)
        asked = _document(request)
        pack = self._library.content.packs.get(asked.get("dest_pack", ""))
        if pack is None:
            raise Fault(400, f"Destination pack '{asked.get('dest_pack')}' doesn't exist")
        copy = pack.path / "actions" / f"{asked.get('dest_action')}.yaml"
        raise Fault(
            500,
            f'Unable to copy file to "{copy}". Please check the logs or ask your administrator to clone the files '
            "manually.",
        )

    def _find(self, ref: str) -> Action:
        action: Action = lists.found(self._library.content.actions, ref)
        return action


def _document(request: Request) -> dict[str, Any]:
    if request.body is None:
        raise Fault(400, "expected an action, got no JSON object")
    return checked(request.body, _ASKED)
