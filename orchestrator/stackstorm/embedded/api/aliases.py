"""Aliases: listed, matched with a command, and carried out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded import commands
from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.bodies import checked
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault, ParameterError
from orchestrator.stackstorm.embedded.executions import Origin
from orchestrator.stackstorm.embedded.rules import templates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Action, Alias
    from orchestrator.stackstorm.embedded.executing import Executing
    from orchestrator.stackstorm.embedded.store import Document

_TEXT = {"type": ["string", "null"]}
_COMMAND: Mapping[str, Any] = {
    "type": "object",
    "required": ["command"],
    "properties": {
        "command": {"type": "string"},
        **dict.fromkeys(("user", "source_channel", "notification_channel", "notification_route"), _TEXT),
    },
}
_NAMED: Mapping[str, Any] = {
    **_COMMAND,
    "required": ["name", "format", "command"],
    "properties": {**_COMMAND["properties"], "name": {"type": "string"}, "format": {"type": "string"}},
}


class AliasRoutes:
    """The routes of /actionalias and /aliasexecution."""

    def __init__(self, library: Library, executing: Executing, api_url: str) -> None:
        self._library = library
        self._executing = executing
        self._api_url = api_url

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/actionalias", self.page),
            ("POST", "/actionalias/match", self.match),
            ("GET", "/actionalias/{}", self.one),
            ("POST", "/aliasexecution", self.execute),
            ("POST", "/aliasexecution/match_and_execute", self.match_and_execute),
        ]

    def page(self, request: Request) -> Response:
        """Answer the aliases, by ref."""
        shown = [views.alias_view(alias) for _, alias in sorted(self._library.content.aliases.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name")), request.query)

    def one(self, _request: Request, ref: str) -> Response:
        """Answer one alias, by ref or id."""
        return Response(200, views.alias_view(lists.found(self._library.content.aliases, ref)))

    def match(self, request: Request) -> Response:
        """Answer the alias that takes a command, and the format that does."""
        found = self._matching(checked(request.body, _COMMAND)["command"])
        alias = views.alias_view(found.alias)
        return Response(200, {"actionalias": alias, "display": found.display, "representation": found.representation})

    def match_and_execute(self, request: Request) -> Response:
        """Carry out the alias that takes a command."""
        asked = checked(request.body, _COMMAND)
        found = self._matching(asked["command"])
        results = self._execute(found.alias, found.representation, asked, request.user, several=found.several)
        return Response(201, {"results": results})

    def execute(self, request: Request) -> Response:
        """Carry out a named alias by one of its formats."""
        asked = checked(request.body, _NAMED)
        aliases = self._library.content.aliases.values()
        alias = next((alias for alias in aliases if asked["name"] in (alias.name, alias.ref)), None)
        if alias is None:
            raise Fault(404, f'Unable to identify action alias with name "{asked["name"]}".')
        if not alias.enabled:
            raise Fault(400, f'Action alias with name "{alias.name}" is disabled.')
        if asked["format"] not in {pattern.representation for pattern in commands.patterns(alias)}:
            raise Fault(400, f'Format string "{asked["format"]}" is not available on the alias "{alias.name}"')
        return Response(201, self._execute(alias, asked["format"], asked, request.user, several=False)[0])

    def _matching(self, command: str) -> commands.Pattern:
        try:
            return commands.matching(command, self._library.content.aliases.values())
        except commands.Ambiguous as error:
            raise Fault(400, str(error)) from None

    def _execute(
        self, alias: Alias, format_: str, asked: Mapping[str, Any], user: str, *, several: bool
    ) -> list[Document]:
        action = self._library.content.actions.get(alias.action)
        if action is None:
            raise Fault(404, f'Action with ref "{alias.action}" not found ')
        context = {
            "action_alias_ref": {"id": alias.id, "name": alias.name},
            "api_user": asked.get("user") or user,
            "user": user,
            "source_channel": asked.get("source_channel"),
        }
        origin = Origin(context, {"notify": _notify(asked)})
        try:
            each = commands.extract_all if several else _only
            given = [self._parameters(alias, action, found, context) for found in each(format_, asked["command"])]
            executions = [self._executing.request_said(action, parameters, origin) for parameters in given]
        except (ParameterError, commands.NoMatch) as error:
            raise Fault(400, str(error)) from None
        return [self._result(alias, execution) for execution in executions]

    def _parameters(self, alias: Alias, action: Action, said: dict[str, Any], context: Document) -> dict[str, Any]:
        """Give what an action is given: what was said, lists taken apart at commas, and what the alias fixes."""
        fixed = alias.document.get("immutable_parameters") or {}
        if overridden := [name for name in fixed if name in said]:
            raise Fault(400, f"Immutable arguments cannot be overriden: {','.join(overridden)}")
        names = {**self._library.template_names(action.pack, context), **context}
        given = {
            name: [part.strip() for part in value.split(",")]
            if action.parameters.get(name, {}).get("type") == "array" and isinstance(value, str)
            else value
            for name, value in said.items()
        }
        return given | {
            name: templates.render(name, value, names) if templates.is_template(value) else value
            for name, value in fixed.items()
        }

    def _result(self, alias: Alias, execution: Document) -> Document:
        shown = views.execution_view(execution, (), self._api_url, os.getpid())
        result: Document = {"execution": shown, "actionalias": views.alias_view(alias)}
        for name, shown_as in (("format", "message"), ("extra", "extra")):
            ack = alias.document.get("ack") or {}
            if name not in ack:
                continue
            try:
                result[shown_as] = templates.render(name, ack[name], result)
            except ParameterError as error:
                result[shown_as] = f'Cannot render "{name}" in field "ack" for alias. {error}'
        return result


def _only(format_: str, command: str) -> list[dict[str, Any]]:
    return [commands.extract(format_, command)]


def _notify(asked: Mapping[str, Any]) -> Document:
    route = asked.get("notification_route") or asked.get("notification_channel")
    data = {
        "user": asked.get("user"),
        "source_channel": asked.get("source_channel"),
        "source_context": asked.get("source_context"),
    }
    return {"on-complete": {"data": data, "routes": [route]}}
