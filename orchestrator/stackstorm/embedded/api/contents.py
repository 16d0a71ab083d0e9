"""Packs, as they are loaded: listed, shown, registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.bodies import checked
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Content
    from orchestrator.stackstorm.embedded.runners.running import Runners
    from orchestrator.stackstorm.embedded.store import Document

_NAMES: Final = {"type": ["array", "null"], "items": {"type": "string"}}
_REGISTER: Final = {"type": "object", "properties": {"packs": _NAMES, "types": _NAMES}}


class ContentRoutes:
    """The routes of /packs."""

    def __init__(self, library: Library, runners: Runners) -> None:
        self._library = library
        self._runners = runners

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/packs", self.packs),
            ("GET", "/packs/{}", self.pack),
            ("POST", "/packs/register", self.register),
        ]

    def packs(self, request: Request) -> Response:
        """Answer the packs, by ref."""
        shown = [views.pack_view(pack) for _, pack in sorted(self._library.content.packs.items())]
        return lists.paged(lists.filtered(shown, request.query, ("name", "ref")), request.query)

    def pack(self, _request: Request, ref: str) -> Response:
        """Answer one pack, by ref or id."""
        return Response(200, views.pack_view(lists.found(self._library.content.packs, ref)))

    def register(self, request: Request) -> Response:
        """Read packs from disk again, as they are now; a pack that cannot be loaded changes nothing."""
        asked = checked(request.body, _REGISTER)
        types = set(asked.get("types") or ["all"])
        read = self._library.register(asked.get("packs"))
        for pack in read.packs.values():
            self._runners.replace(pack)
        return Response(200, _counts(read, lambda *names: bool(types & {"all", *names})))


def _counts(read: Content, wanted: Callable[..., bool]) -> Document:
    """Count what was registered, of the types that were wanted and of those that they lean on."""
    rule_types, policy_types = 1, 0
    counts: Document = {"runners": len(RUNNERS)} if wanted("runner", "runners", "action", "actions") else {}
    counts |= {"rule_types": rule_types} if wanted("rule_type", "rule_types", "rule", "rules") else {}
    counts |= {"policy_types": policy_types} if wanted("policy_type", "policy_types", "policy", "policies") else {}
    configs = sum(bool(pack.configuration.given) for pack in read.packs.values())
    for one, many, count in (
        ("trigger", "triggers", len(read.triggers)),
        ("sensor", "sensors", 0),
        ("action", "actions", len(read.actions)),
        ("rule", "rules", len(read.rules)),
        ("alias", "aliases", len(read.aliases)),
        ("policy", "policies", len(read.policies)),
        ("config", "configs", configs),
    ):
        counts |= {many: count} if wanted(one, many) else {}
    return counts
