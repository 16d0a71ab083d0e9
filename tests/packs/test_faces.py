"""The pack's actions with the entry point call.py against the orchestrator's own description of its API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from orchestrator.api.app import create_app
from orchestrator.stackstorm.packs import packs_dir

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.api.needs import Api

OWN = {"method", "path", "tells", "timeout", "on_behalf_of", "idempotency_key"}
PLACE = re.compile(r"\{(\w+)(?::path)?\}")
# What a person does to events, sinks and replays is no matter of the pack, nor is what other parts call, nor a stream.
NOT_THE_PACK_S = ("/events", "/sinks", "/replays", "/ingest", "/workers", "/logs", "/releases", "/failures/{}")
FACES = [
    file
    for file in sorted(packs_dir().glob("redrive/actions/*.yaml"))
    if yaml.safe_load(file.read_text()).get("entry_point") == "call.py"
]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The API as it describes itself; nothing is served."""
    return create_app(cast("Api", None)).openapi()


def operation(described: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """Find what answers a method at a path, whatever the names in the path."""
    for known, methods in described["paths"].items():
        if PLACE.sub("{}", known) == PLACE.sub("{}", f"/api/v1{path}") and method.lower() in methods:
            return dict(methods[method.lower()])
    return None


def taken(described: dict[str, Any], found: dict[str, Any]) -> set[str]:
    """Name what an operation takes in its query or body."""
    names = {each["name"] for each in found.get("parameters", ()) if each["in"] == "query"}
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for schema in (body, *body.get("anyOf", ())):
        if "$ref" in schema:
            names |= set(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"])
    return names


@pytest.mark.parametrize("file", FACES, ids=lambda file: file.stem)
def test_an_action_calls_what_is_there_with_what_it_takes(file: Path, described: dict[str, Any]) -> None:
    """Method and path are the API's, every input has its place there, and whatever must be given is an input."""
    action = yaml.safe_load(file.read_text())
    inputs = action["parameters"]
    method, path = inputs["method"]["default"], inputs["path"]["default"]
    found = operation(described, method, path)
    assert found is not None, f"expected the API to have {method} {path}"
    given = set(inputs) - OWN - set(PLACE.findall(path))
    assert given <= taken(described, found)
    assert set(PLACE.findall(path)) <= {name for name, schema in inputs.items() if schema.get("required")}


def test_every_verb_of_the_api_has_its_action(described: dict[str, Any]) -> None:
    """Whatever a person can command in the API is an action of the pack."""
    faces = [yaml.safe_load(file.read_text())["parameters"] for file in FACES]
    known = {(each["method"]["default"], PLACE.sub("{}", f"/api/v1{each['path']['default']}")) for each in faces}
    # Given by a workflow, by an action of its own.
    known.add(("POST", "/api/v1/incidents/{}/plan"))
    commands = {
        (method.upper(), PLACE.sub("{}", path))
        for path, methods in described["paths"].items()
        for method in methods
        if method != "get" and path.startswith("/api/v1/")
    }
    missing = {(method, path) for method, path in commands - known if not _beside_the_pack(path)}
    assert missing == set()


def _beside_the_pack(path: str) -> bool:
    return path.removeprefix("/api/v1").startswith(NOT_THE_PACK_S)
