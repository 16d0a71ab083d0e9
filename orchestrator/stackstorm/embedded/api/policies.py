"""Policies: listed and shown; a pack's file is where they are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.http import Request, Response

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Policy
    from orchestrator.stackstorm.embedded.store import Document


class PolicyRoutes:
    """The routes of /policies."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [("GET", "/policies", self.page), ("GET", "/policies/{}", self.one)]

    def page(self, request: Request) -> Response:
        """Answer the policies, by ref."""
        shown = [policy_view(policy) for _, policy in sorted(self._library.content.policies.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name", "resource_ref")), request.query)

    def one(self, _request: Request, ref: str) -> Response:
        """Answer one policy, by ref or id."""
        return Response(200, policy_view(lists.found(self._library.content.policies, ref)))


def policy_view(policy: Policy) -> Document:
    """Give a policy as the API shows it."""
    document = policy.document
    return {
        "name": policy.name,
        "pack": policy.pack,
        "ref": policy.ref,
        "uid": policy.uid,
        **({"description": document["description"]} if document.get("description") else {}),
        "enabled": policy.enabled,
        "resource_ref": policy.resource,
        "policy_type": document["policy_type"],
        "parameters": {"action": "delay", **document["parameters"]},
        "metadata_file": document["metadata_file"],
        "id": policy.id,
    }
