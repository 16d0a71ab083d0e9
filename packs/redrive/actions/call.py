"""One call of the orchestrator's API; what each is, the metadata of the actions that have this entry point says."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from chat import told
from orchestrator_api import Orchestrator, opened, refusal
from st2common.runners.base_action import Action

REFUSED = 400
OWN = ("method", "path", "on_behalf_of", "idempotency_key", "tells")


class Call(Action):
    """Whatever is given goes into the path, where that names it, else into the body, or the query of a GET."""

    def run(self, method: str, path: str, **given: Any) -> tuple[bool, dict[str, Any]]:
        """Answer `status`, the whole `answer`, and `text`, which chat may show; what was left out is not sent.

        A refusal fails with the exit code 0 and is not worth another try; an exception is. The execution's id is the
        Idempotency-Key of what changes something, unless another is given.
        """
        said = {name: _said(value) for name, value in given.items() if _was_said(value) and name not in OWN}
        where, rest = _placed(path, said)
        key = given.get("idempotency_key") or os.environ.get("ST2_ACTION_EXECUTION_ID", "")
        orchestrator = Orchestrator(self.config, given.get("on_behalf_of") or "", key if method != "GET" else "")
        if method == "GET":
            status, answer = orchestrator.get(where, rest)
        else:
            status, answer = orchestrator.call(method, where, rest)
        if status >= REFUSED:
            problem = refusal(status, answer)
            return False, dict(problem, answer=answer, text=told("refusal", problem))
        return True, {"status": status, "answer": answer, "text": told(given.get("tells") or "", answer)}


def _said(value: object) -> object:
    if isinstance(value, str):
        return opened(value)
    if isinstance(value, dict):
        return {name: _said(member) for name, member in value.items()}
    return value


def _was_said(value: object) -> bool:
    return not (value is None or value is False or value in ("", {}))


def _placed(path: str, said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Put into the path what it names, as one part of it each; gives it, and all the rest."""
    rest = dict(said)
    for name in said:
        if "{" + name + "}" in path:
            path = path.replace("{" + name + "}", quote(str(rest.pop(name)), safe=""))
    return path, rest
