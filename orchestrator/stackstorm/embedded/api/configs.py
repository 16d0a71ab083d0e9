"""The configurations of packs, as their files have them, and their schemas; requests change none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.marks import stable_id
from orchestrator.stackstorm.embedded.masking import masked

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Pack
    from orchestrator.stackstorm.embedded.store import Document


class ConfigRoutes:
    """The routes of /configs and /config_schemas."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/configs", self.configs),
            ("GET", "/configs/{}", self.config),
            ("PUT", "/configs/{}", self.change),
            ("GET", "/config_schemas", self.schemas),
            ("GET", "/config_schemas/{}", self.schema),
        ]

    def configs(self, request: Request) -> Response:
        """Answer the configurations of the packs that have one, secrets masked."""
        packs = [pack for _, pack in sorted(self._library.content.packs.items()) if pack.configuration.given]
        return lists.paged([_config(pack, request) for pack in packs], request.query)

    def config(self, request: Request, ref: str) -> Response:
        """Answer one pack's configuration."""
        pack = self._pack(ref)
        if not pack.configuration.given:
            raise _missing(ref)
        return Response(200, _config(pack, request))

    def change(self, _request: Request, ref: str) -> Response:
        """Refuse: configurations are files here, and their folder is its owner's."""
        raise Fault(501, f"expected the file {ref}.yaml to be changed in the folder of configurations; register then")

    def schemas(self, request: Request) -> Response:
        """Answer the schemas of the packs that have one."""
        packs = [pack for _, pack in sorted(self._library.content.packs.items()) if pack.configuration.properties]
        return lists.paged([_schema(pack) for pack in packs], request.query)

    def schema(self, _request: Request, ref: str) -> Response:
        """Answer one pack's schema."""
        pack = self._pack(ref)
        if not pack.configuration.properties:
            raise _missing(ref)
        return Response(200, _schema(pack))

    def _pack(self, ref: str) -> Pack:
        pack = self._library.content.packs.get(ref)
        if pack is None:
            raise _missing(ref)
        return pack


def _config(pack: Pack, request: Request) -> Document:
    given, schema = dict(pack.configuration.given), pack.configuration.properties
    shown = given if lists.truth(request.query.get("show_secrets")) else masked(schema, given)
    return {"id": stable_id(f"config:{pack.ref}"), "pack": pack.ref, "values": shown}


def _schema(pack: Pack) -> Document:
    return {
        "id": stable_id(f"config_schema:{pack.ref}"),
        "pack": pack.ref,
        "attributes": dict(pack.configuration.properties),
    }


def _missing(ref: str) -> Fault:
    return Fault(404, f'Unable to identify resource with pack_ref "{ref}".')
