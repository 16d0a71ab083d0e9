"""What the API shows: StackStorm's shapes, without keys that have no value, and without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.executions import action_view
from orchestrator.stackstorm.embedded.masking import masked, masked_response, masked_result
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.catalog import INQUIRER, ORQUESTA, RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.stackstorm.embedded.content.values import Alias, Pack, TriggerType

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

__all__ = ["action_view", "alias_view", "execution_view", "pack_view", "trigger_view"]


def execution_view(document: Document, children: Iterable[str], api_url: str, pid: int) -> Document:
    """Give an execution as the API shows it: secrets masked, empty keys left out."""
    action = document["action"]
    runner = RUNNERS[document["runner"]]
    parameters = masked({**runner["runner_parameters"], **action["parameters"]}, document["parameters"])
    shown: Document = {
        "action": action,
        "runner": runner,
        "liveaction": {
            "action": action["ref"],
            "action_is_workflow": document["runner"] == ORQUESTA,
            "parameters": parameters,
            "callback": {},
            "runner_info": {} if document["status"] in WITHOUT_RUNNER else {"hostname": "embedded", "pid": pid},
            **({"notify": document["notify"]} if "notify" in document else {}),
            "id": document["liveaction_id"],
        },
    }
    shown |= {name: document[name] for name in _AS_STORED if name in document}
    shown |= {"parameters": parameters} if parameters else {}
    # One that is being canceled has its result already, and StackStorm has not measured it yet.
    measured = "result_size" in document and document["status"] != statuses.CANCELING
    shown |= {"result_size": document["result_size"]} if measured else {}
    shown["context"] = document["context"]
    shown |= {"parent": document["parent"]} if "parent" in document else {}
    below = list(children)
    shown |= {"children": below} if below else {}
    shown["log"] = document["log"]
    shown |= {"delay": document["delay"]} if "delay" in document else {}
    shown["web_url"] = f"{api_url.removesuffix('/v1')}/#/history/{document['id']}/general"
    shown["id"] = document["id"]
    if "result" in document:
        result = masked_response(document["result"]) if document["runner"] == INQUIRER else document["result"]
        shown["result"] = masked_result(runner.get("output_key"), action["output_schema"], result)
    if document["status"] in statuses.COMPLETED:
        shown["elapsed_seconds"] = document["elapsed_seconds"]
    return shown


def alias_view(alias: Alias) -> Document:
    """Give an alias as the API shows it."""
    document = alias.document
    return {
        "uid": alias.uid,
        "metadata_file": document.get("metadata_file", ""),
        "name": alias.name,
        "ref": alias.ref,
        **({"description": document["description"]} if document.get("description") else {}),
        "pack": alias.pack,
        "enabled": alias.enabled,
        "action_ref": alias.action,
        "formats": document["formats"],
        **{name: document.get(name) or {} for name in ("ack", "result", "extra", "immutable_parameters")},
        "id": alias.id,
    }


def trigger_view(trigger: TriggerType) -> Document:
    """Give a trigger type as the API shows it."""
    document = trigger.document
    return {
        **({"description": document["description"]} if document.get("description") else {}),
        "tags": document.get("tags", []),
        "uid": trigger.uid,
        **({"metadata_file": document["metadata_file"]} if "metadata_file" in document else {}),
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
