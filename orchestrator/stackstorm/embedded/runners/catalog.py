"""The runner types that are there, as the API shows them, and those that are refused by name."""

from __future__ import annotations

from typing import Any, Final

from orchestrator.stackstorm.embedded.marks import stable_id

PYTHON: Final = "python-script"
ORQUESTA: Final = "orquesta"
NOOP: Final = "noop"
DEFAULT_TIMEOUT: Final = 600

REFUSED: Final = (
    "action-chain",
    "announcement",
    "http-request",
    "inquirer",
    "local-shell-cmd",
    "local-shell-script",
    "remote-shell-cmd",
    "remote-shell-script",
    "winrm-cmd",
    "winrm-ps-cmd",
    "winrm-ps-script",
)
_ANY = [{"type": name} for name in ("object", "string", "integer", "number", "boolean", "array", "null")]


def _runner(
    name: str, module: str, description: str, parameters: dict[str, Any], output: dict[str, Any]
) -> dict[str, Any]:
    uid = f"runner_type:{name}"
    return {
        "name": name,
        "description": description,
        "uid": uid,
        "enabled": True,
        "runner_package": module,
        "runner_module": module,
        "runner_parameters": parameters,
        **output,
        "id": stable_id(uid),
    }


RUNNERS: Final[dict[str, dict[str, Any]]] = {
    PYTHON: _runner(
        PYTHON,
        "python_runner",
        "Runs a Python action in a process of its own.",
        {
            "debug": {
                "description": "Ask for debugging output.",
                "type": "boolean",
                "required": False,
                "default": False,
            },
            "content_version": {
                "description": "A git revision of the pack to run from.",
                "type": "string",
                "required": False,
            },
            "env": {"description": "Environment variables for the action.", "type": "object"},
            "timeout": {
                "default": DEFAULT_TIMEOUT,
                "description": "Seconds after which the action is killed.",
                "type": "integer",
            },
            "log_level": {
                "description": "The level of the action's logger.",
                "type": "string",
                "default": "DEBUG",
                "enum": ["AUDIT", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"],
            },
        },
        {
            "output_key": "result",
            "output_schema": {
                "type": "object",
                "properties": {
                    "result": {"anyOf": _ANY},
                    "stderr": {"type": "string", "required": True},
                    "stdout": {"type": "string", "required": True},
                    "exit_code": {"type": "integer", "required": True},
                },
                "additionalProperties": False,
            },
        },
    ),
    ORQUESTA: _runner(
        ORQUESTA,
        "orquesta_runner",
        "Runs an Orquesta workflow.",
        {
            "notify": {
                "type": "array",
                "description": "The tasks that notifications are sent for.",
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1, "pattern": "^\\w+$"},
                "default": [],
            },
        },
        {
            "output_key": "output",
            "output_schema": {
                "type": "object",
                "properties": {
                    "errors": {"anyOf": [{"type": "object"}, {"type": "array"}]},
                    "output": {"anyOf": _ANY},
                },
                "additionalProperties": False,
            },
        },
    ),
    NOOP: _runner(NOOP, "noop_runner", "Does nothing, and succeeds.", {}, {}),
}
