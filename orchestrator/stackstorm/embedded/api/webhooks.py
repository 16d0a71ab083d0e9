"""Webhooks: requests that become triggers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from orchestrator.stackstorm.embedded.api.bodies import decoded
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.triggering import Triggering

TRACE_TAG: Final = "St2-Trace-Tag"
SYSTEM: Final = "st2"
_SECRET_HEADERS: Final = frozenset({"St2-Api-Key", "X-Auth-Token", "Cookie"})
_JSON: Final = ("application/json", "text/plain")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_JSON_TYPES: Final = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


class WebhookRoutes:
    """What rules on core.st2.webhook listen at, and /webhooks/st2, which emits any trigger."""

    def __init__(self, triggering: Triggering) -> None:
        self._triggering = triggering

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/webhooks", self.list),
            ("GET", "/webhooks/(.+)", self.one),
            ("POST", "/webhooks/(.+)", self.receive),
        ]

    def list(self, _request: Request) -> Response:
        """Answer the triggers of all webhooks, without the headers of a list, as StackStorm does."""
        hooks = self._triggering.listening.webhooks
        return Response(200, [trigger.document for _, found in sorted(hooks.items()) for trigger in found])

    def one(self, _request: Request, url: str) -> Response:
        """Answer the trigger of one webhook."""
        found = self._triggering.listening.webhooks.get(url)
        if not found:
            raise Fault(404, "The resource could not be found.")
        return Response(200, found[0].document)

    def receive(self, request: Request, hook: str) -> Response:
        """Accept a request at a webhook: stored when it is answered, 202 and the body."""
        body = _body(request)
        headers = {name.title(): value for name, value in request.headers.items()}
        shown = {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
        trace_tag = shown.pop(TRACE_TAG, None) or f"webhook-{hook}-{uuid.uuid4().hex}"
        if hook == SYSTEM:
            return self._emit(body, trace_tag)
        found = self._triggering.listening.webhooks.get(hook)
        if not found:
            raise Fault(404, f"Webhook {hook} not registered with st2")
        lower = {name.lower(): value for name, value in shown.items()}
        payload = {"headers": shown, "headers_lower": lower, "body": body}
        self._triggering.emit_each([trigger.ref for trigger in found], payload, trace_tag)
        return Response(202, body)

    def _emit(self, body: Any, trace_tag: str) -> Response:
        if not isinstance(body, dict):
            raise Fault(400, f"Webhook body needs to be an object, got: {_JSON_TYPES.get(type(body), 'null')}")
        if not body.get("trigger"):
            raise Fault(400, "Trigger not specified.")
        if not isinstance(body["trigger"], str | dict):
            raise Fault(400, f"expected the name of a trigger, got {body['trigger']!r}")
        self._triggering.emit(body["trigger"], body.get("payload"), trace_tag)
        return Response(202, body)


def _body(request: Request) -> Any:
    """Give the body as StackStorm takes it: an object or a list in JSON, or a form; raises Fault 400."""
    kind = request.headers.get("Content-Type", _JSON[0]).partition(";")[0].strip().lower()
    body = {} if request.body is None else request.body
    if kind not in (*_JSON, *_FORMS):
        raise Fault(400, f'Failed to parse request body: Unsupported Content-Type: "{kind}"')
    if isinstance(body, str) and kind != _JSON[0]:
        body = parse_qs(body) if kind in _FORMS else decoded(body.encode(), _JSON[0])
    if not isinstance(body, dict | list):
        raise Fault(400, f"{body!r} is not of type 'object', 'array'")
    return body
