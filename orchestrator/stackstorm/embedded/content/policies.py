"""Reads policies: how many executions of an action may run at once. Those that are not supported are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded.content import checks, shapes
from orchestrator.stackstorm.embedded.content.actions import metadata_file, own_pack
from orchestrator.stackstorm.embedded.content.values import Policy, Refusal

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.source import Source
    from orchestrator.stackstorm.embedded.content.values import Pack

CONCURRENCY: Final = "action.concurrency"


def read_policy(pack: Pack, document: Source) -> Policy | Refusal:
    """Read one file of policies/; raises ContentError."""
    data = checks.expect(document, shapes.POLICY)
    own_pack(pack, document, data)
    kind, resource = data["policy_type"], data["resource_ref"]
    if kind != CONCURRENCY:
        reason = f"policies of the type {kind} are not supported by the embedded StackStorm; {resource} runs without it"
        return Refusal(pack.ref, str(document.path), "policy_type", document.line(("policy_type",)), reason)
    found = {"parameters": data.get("parameters", {})}
    checks.raise_all(document, checks.problems(found, {"properties": {"parameters": shapes.CONCURRENCY}}))
    shown = {**data, "pack": pack.ref, "metadata_file": metadata_file(pack, document)}
    return Policy(pack.ref, data["name"], resource, shown, data.get("enabled", True))
