"""The runner types that are there, as the API shows them, and those that are refused by name.

Names, types and defaults of the parameters are StackStorm's (contrib/runners/*/runner.yaml); the descriptions are ours.
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator.stackstorm.embedded.marks import stable_id

PYTHON: Final = "python-script"
ORQUESTA: Final = "orquesta"
NOOP: Final = "noop"
INQUIRER: Final = "inquirer"
HTTP: Final = "http-request"
SHELL_COMMAND: Final = "local-shell-cmd"
SHELL_SCRIPT: Final = "local-shell-script"

ALIASES: Final = {"orchestra": ORQUESTA}
"""Other names under which an action may ask for a runner."""

WITH_FILE: Final = frozenset({PYTHON, ORQUESTA, SHELL_SCRIPT})
"""The runners whose actions have an entry point."""

NOOP_RESULT: Final = {"failed": False, "succeeded": True, "return_code": 0}
"""What an action of the runner noop gives."""

REFUSED: Final = (
    "action-chain",
    "announcement",
    "remote-shell-cmd",
    "remote-shell-script",
    "winrm-cmd",
    "winrm-ps-cmd",
    "winrm-ps-script",
)
Schemas = dict[str, dict[str, Any]]
_ANY = [{"type": name} for name in ("object", "string", "integer", "number", "boolean", "array", "null")]


def _parameter(kind: str, description: str, **attributes: Any) -> dict[str, Any]:
    return {"description": description, "type": kind, **attributes}


def _runner(name: str, description: str, parameters: Schemas, **more: Any) -> dict[str, Any]:
    uid = f"runner_type:{name}"
    module = more.pop("module")
    return {
        "name": name,
        "description": description,
        "uid": uid,
        "enabled": True,
        "runner_package": more.pop("package", module),
        "runner_module": module,
        "runner_parameters": parameters,
        "output_schema": {},
        **more,
        "id": stable_id(uid),
    }


def _output(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_DEBUG = _parameter("boolean", "Ask for debugging output.", required=False, default=False)
_REVISION = _parameter("string", "A git revision of the pack to run from.", required=False)
_TIMEOUT = "Seconds after which the action is killed."
_SHELL: Schemas = {
    "cwd": _parameter("string", "The folder to run in."),
    "env": _parameter("object", "Environment variables for the command, by name."),
    "kwarg_op": _parameter("string", "What stands before the name of an argument: -- or -.", default="--"),
    "sudo": _parameter("boolean", "Run with sudo.", default=False),
    "sudo_password": _parameter(
        "string", "The password that sudo asks for.", default=None, secret=True, required=False
    ),
    "timeout": _parameter("integer", _TIMEOUT, default=60),
}
_PYTHON: Schemas = {
    "debug": _DEBUG,
    "content_version": _REVISION,
    "env": _parameter("object", "Environment variables for the action."),
    "timeout": _parameter("integer", _TIMEOUT, default=600),
    "log_level": _parameter(
        "string",
        "The level of the action's logger.",
        default="DEBUG",
        enum=["AUDIT", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"],
    ),
}
_PYTHON_OUTPUT = _output(
    result={"anyOf": _ANY},
    stderr={"type": "string", "required": True},
    stdout={"type": "string", "required": True},
    exit_code={"type": "integer", "required": True},
)
_HOSTS: dict[str, Any] = {"required": False, "items": {"type": "string"}}
_HTTP: Schemas = {
    "allow_redirects": _parameter("boolean", "Follow redirects.", default=False),
    "cookies": _parameter("object", "Cookies to send."),
    "headers": _parameter("object", "Headers to send."),
    "http_proxy": _parameter("string", "The URL of a proxy for HTTP."),
    "https_proxy": _parameter("string", "The URL of a proxy for HTTPS."),
    "password": _parameter("string", "The password of basic authentication.", secret=True),
    "url": _parameter("string", "Where to send the request.", required=True),
    "username": _parameter("string", "The user of basic authentication."),
    "verify_ssl_cert": _parameter("boolean", "Verify the server's certificate.", default=True),
    "url_hosts_blacklist": _parameter("array", "Hosts that may not be asked.", **_HOSTS),
    "url_hosts_whitelist": _parameter("array", "The only hosts that may be asked.", **_HOSTS),
}
_HTTP_OUTPUT = _output(
    status_code={"type": "integer"},
    body={"anyOf": _ANY},
    parsed={"type": "boolean"},
    headers={"type": "object"},
)
_ORQUESTA: Schemas = {
    "notify": _parameter(
        "array",
        "The tasks that notifications are sent for.",
        uniqueItems=True,
        items={"type": "string", "minLength": 1, "pattern": "^\\w+$"},
        default=[],
    ),
}
_ORQUESTA_OUTPUT = _output(errors={"anyOf": [{"type": "object"}, {"type": "array"}]}, output={"anyOf": _ANY})
_QUESTION = {
    "title": "response_data",
    "type": "object",
    "properties": {"continue": _parameter("boolean", "Shall the workflow go on?", required=True)},
}
_INQUIRER: Schemas = {
    "schema": _parameter("object", "The JSON schema of the answer.", default=_QUESTION, required=True),
    "route": _parameter("string", "A mark for rules that pass the question on.", default="", required=False),
    "roles": _parameter("array", "The roles that may answer; all where there is none.", default=[], required=False),
    "users": _parameter("array", "The users that may answer; all where there is none.", default=[], required=False),
    "ttl": _parameter("integer", "Minutes to wait for the answer.", default=1440, required=True),
}


def _orquesta(name: str) -> dict[str, Any]:
    about, output = "Runs an Orquesta workflow.", {"output_key": "output", "output_schema": _ORQUESTA_OUTPUT}
    return _runner(name, about, _ORQUESTA, module="orquesta_runner", **output)


_ALL = (
    _runner(
        HTTP,
        "Sends an HTTP request.",
        _HTTP,
        module="http_runner",
        output_key="body",
        output_schema=_HTTP_OUTPUT,
    ),
    _runner(INQUIRER, "Asks a person, and waits for the answer.", _INQUIRER, module="inquirer_runner"),
    _runner(
        SHELL_COMMAND,
        "Runs a shell command on this machine.",
        {"cmd": _parameter("string", "The command."), **_SHELL},
        module="local_shell_command_runner",
        package="local_runner",
    ),
    _runner(
        SHELL_SCRIPT,
        "Runs a script of the pack on this machine.",
        {"debug": _DEBUG, "content_version": _REVISION, **_SHELL},
        module="local_shell_script_runner",
        package="local_runner",
    ),
    _runner(NOOP, "Does nothing, and succeeds.", {}, module="noop_runner"),
    *(_orquesta(name) for name in ("orchestra", ORQUESTA)),
    _runner(
        PYTHON,
        "Runs a Python action in a process of its own.",
        _PYTHON,
        module="python_runner",
        output_key="result",
        output_schema=_PYTHON_OUTPUT,
    ),
)
RUNNERS: Final[dict[str, dict[str, Any]]] = {runner["name"]: runner for runner in _ALL}
"""Every runner there is, by its name, as the API shows it."""
