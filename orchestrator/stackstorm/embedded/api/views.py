"""What the API shows: StackStorm's shapes, without keys that have no value, and without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.executions import action_view
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.parameters import masked
from orchestrator.stackstorm.embedded.runners.catalog import ORQUESTA, RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.stackstorm.embedded.content.values import Pack, Rule, TriggerType

Document = dict[str, Any]
WITHOUT_RUNNER = ("requested", "scheduled", "delayed")
_AS_STORED = (
    "workflow_execution",
    "task_execution",
    "trigger",
    "trigger_type",
    "trigger_instance",
    "rule",
    "status",
    "start_timestamp",
    "end_timestamp",
)

__all__ = ["action_view", "execution_view", "pack_view", "rule_view", "trigger_view"]


def execution_view(document: Document, children: Iterable[str], api_url: str, pid: int) -> Document:
    """Give an execution as the API shows it: secret parameters masked, empty keys left out."""
    action = document["action"]
    parameters = masked(action["parameters"], document["parameters"])
    shown: Document = {
        "action": action,
        "runner": RUNNERS[document["runner"]],
        "liveaction": {
            "action": action["ref"],
            "action_is_workflow": document["runner"] == ORQUESTA,
            "parameters": parameters,
            "callback": {},
            "runner_info": {} if document["status"] in WITHOUT_RUNNER else {"hostname": "embedded", "pid": pid},
            "id": document["liveaction_id"],
        },
    }
    shown |= {name: document[name] for name in _AS_STORED if name in document}
    shown |= {"parameters": parameters} if parameters else {}
    shown |= {"result_size": document["result_size"]} if "result_size" in document else {}
    shown["context"] = document["context"]
    shown |= {"parent": document["parent"]} if "parent" in document else {}
    below = list(children)
    shown |= {"children": below} if below else {}
    shown["log"] = document["log"]
    shown["web_url"] = f"{api_url.removesuffix('/v1')}/#/history/{document['id']}/general"
    shown["id"] = document["id"]
    if "result" in document:
        shown["result"] = document["result"]
    if document["status"] in statuses.COMPLETED:
        shown["elapsed_seconds"] = document["elapsed_seconds"]
    return shown


def rule_view(rule: Rule) -> Document:
    """Give a rule as the API shows it."""
    return {**rule.document, "enabled": rule.enabled, "id": rule.id}


def trigger_view(trigger: TriggerType) -> Document:
    """Give a trigger type as the API shows it."""
    document = trigger.document
    return {
        **({"description": document["description"]} if document.get("description") else {}),
        "tags": document.get("tags", []),
        "uid": trigger.uid,
        "metadata_file": document.get("metadata_file", ""),
        "ref": trigger.ref,
        "name": trigger.name,
        "pack": trigger.pack,
        "payload_schema": document.get("payload_schema", {}),
        "parameters_schema": document.get("parameters_schema", {}),
        "id": trigger.id,
    }


def pack_view(pack: Pack) -> Document:
    """Give a pack as the API shows it."""
    document = pack.document
    optional = {name: document[name] for name in ("stackstorm_version", "email") if document.get(name)}
    return {
        "uid": f"pack:{pack.ref}",
        "ref": pack.ref,
        "name": document["name"],
        "description": document["description"],
        "keywords": document.get("keywords", []),
        "version": document["version"],
        "python_versions": document.get("python_versions", []),
        "author": document["author"],
        **optional,
        "contributors": document.get("contributors", []),
        "files": list(pack.files),
        "path": str(pack.path),
        "dependencies": document.get("dependencies", []),
        "system": document.get("system", {}),
        "id": pack.id,
    }
