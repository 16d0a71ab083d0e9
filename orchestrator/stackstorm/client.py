"""StackStorm as recovery needs it, through st2client: every call has a time-out, TLS is verified, errors are ours."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
import warnings
from collections import defaultdict
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from orchestrator.domain.errors import DependencyUnreachable, NotFound, Refused
from orchestrator.domain.rules import Rule
from orchestrator.domain.workflows import Execution, Firing
from orchestrator.stackstorm.call import WHAT, Call
from orchestrator.stackstorm.calls import Calls
from orchestrator.stackstorm.credentials import ApiKey
from orchestrator.stackstorm.matching import matching

if importlib.util.find_spec("pipes") is None:
    # st2client imports quote from pipes, which Python 3.13 no longer has.
    sys.modules["pipes"] = ModuleType("pipes")
    sys.modules["pipes"].quote = shlex.quote  # type: ignore[attr-defined]  # the one name that st2client takes from it

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from st2client.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.breaker import Breaker
    from orchestrator.domain.rules import Matching
    from orchestrator.stackstorm.credentials import Credentials

PAGE: Final = 100
PENDING: Final = "pending"


class StackStorm:
    """The port Workflows on a real StackStorm, or on the embedded one: only the URL differs.

    `api_url` may end in /v1 or not; `credentials` may be an API key as text; `ca_file` holds the certificates of who
    may sign the server's, where it is not one that requests knows. Errors: DependencyUnreachable for whatever keeps
    StackStorm from answering as it should, and by its cause Unauthorised (401), Refused (another 4xx, or a redirect),
    TimedOut, CircuitOpen; NotFound for an execution that is not there.
    """

    def __init__(
        self,
        api_url: str,
        credentials: Credentials | str | None,
        timeout_seconds: float,
        *,
        ca_file: str | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        base = api_url.rstrip("/")
        self._url = base if base.rsplit("/", 1)[-1] in ("v1", "exp") else f"{base}/v1"
        known = ApiKey(credentials) if isinstance(credentials, str) else credentials
        calls = Calls(known, timeout_seconds, ca_file, breaker)
        # st2client's own api_key argument would go into os.environ.
        self._client = Client(api_url=self._url, cacert=ca_file or urlsplit(base).scheme == "https")
        for manager in self._client.managers.values():
            manager.client = _Http(manager.endpoint, calls)

    def dispatch(self, trigger: str, payload: Mapping[str, Any], trace_tag: str) -> None:
        """Emit a trigger; stored by StackStorm when this returns."""
        with self._mapped():
            self._client.webhooks.post_generic_webhook(trigger, dict(payload), trace_tag)

    def firings(self, trace_tag: str) -> list[Firing]:
        """Tell what came of the triggers dispatched under a trace tag, oldest first."""
        with self._mapped():
            traces = [trace.to_dict() for trace in self._client.trace.query(trace_tag=trace_tag, limit=PAGE)]
        return [firing for trace in traces for firing in _firings(trace)]

    def rules(self) -> list[Rule]:
        """List all rules, enabled and disabled."""
        with self._mapped():
            return [_rule(each) for each in self._rules()]

    def matching(self, rules: Iterable[Rule], trigger: str, payload: Mapping[str, Any]) -> Matching:
        """Tell which of these rules match, enabled or not; nobody is asked."""
        return matching(rules, trigger, payload)

    def execution(self, execution_id: str) -> Execution:
        """Look one execution up; raises NotFound."""
        with self._mapped():
            found = self._client.executions.get_by_id(execution_id)
        if found is None:
            raise NotFound("execution", execution_id)
        return _execution(found.to_dict())

    def answer(self, inquiry_id: str, response: Mapping[str, Any]) -> bool:
        """Answer an inquiry; False where it waits for no answer any more, or is not there."""
        with self._mapped():
            found = self._client.executions.get_by_id(inquiry_id)
            if found is None or found.status != PENDING:
                return False
            # Answered by another in this moment it is refused; whoever tries again finds it answered.
            self._client.inquiries.respond(inquiry_id, dict(response))
        return True

    def _rules(self) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._client.rules.query(limit=PAGE, offset=offset)
            yield from (rule.to_dict() for rule in page)
            if len(page) < PAGE:
                return
            offset += PAGE

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except requests.HTTPError as error:  # 404 where st2client expects none
            reason = str(error.response.reason).replace("\nMESSAGE:", ":")
            raise Refused(WHAT, f"{self._url} answered {error.response.status_code} {reason}") from error
        except ValueError as error:
            raise DependencyUnreachable(WHAT, f"{self._url}: expected JSON, got {type(error).__name__}") from error


class _Http:
    """What st2client's managers call; the calls are ours. What st2client finds in the environment is left out."""

    def __init__(self, root: str, calls: Calls) -> None:
        self._root = root.rstrip("/")
        self._calls = calls

    def get(self, url: str, params: Mapping[str, Any] | None = None, **_: object) -> requests.Response:
        """Get what a path names."""
        return self._calls.send(Call("GET", self._root + url, params=params))

    def post(self, url: str, data: object, headers: Mapping[str, str] | None = None, **_: object) -> requests.Response:
        """Post a document as JSON."""
        return self._send("POST", url, data, headers or {})

    def put(self, url: str, data: object, headers: Mapping[str, str] | None = None, **_: object) -> requests.Response:
        """Put a document as JSON."""
        return self._send("PUT", url, data, headers or {})

    def _send(self, method: str, url: str, data: object, headers: Mapping[str, str]) -> requests.Response:
        sent = {"Content-Type": "application/json", **{name.title(): value for name, value in headers.items()}}
        return self._calls.send(Call(method, self._root + url, sent, data=json.dumps(data).encode()))


def _firings(trace: Mapping[str, Any]) -> Iterator[Firing]:
    """Pair each dispatched trigger instance of a trace with its rules and executions, by what each was caused by."""
    rules = _by_cause(trace.get("rules", []), "ref")
    executions = _by_cause(trace.get("action_executions", []), "object_id")
    for instance in trace.get("trigger_instances", []):
        if not instance.get("caused_by"):
            id_ = instance["object_id"]
            yield Firing(id_, instance["ref"], tuple(rules[id_]), tuple(executions[id_]))


def _by_cause(parts: Iterable[Mapping[str, Any]], name: str) -> dict[str, list[str]]:
    """Sort parts by the trigger instance behind them; an execution's cause is `rule id:trigger instance id`."""
    found: dict[str, list[str]] = defaultdict(list)
    for part in parts:
        cause = part.get("caused_by") or {}
        if cause.get("type") in ("trigger_instance", "rule"):
            found[str(cause["id"]).rsplit(":", 1)[-1]].append(str(part[name]))
    return found


def _rule(document: Mapping[str, Any]) -> Rule:
    return Rule(
        ref=document["ref"],
        trigger=document["trigger"]["type"],
        action=document["action"]["ref"],
        enabled=bool(document["enabled"]),
        criteria=document.get("criteria") or {},
    )


def _execution(document: Mapping[str, Any]) -> Execution:
    result = document.get("result")
    output = result.get("output") if isinstance(result, dict) else None
    return Execution(
        id=document["id"],
        action=document["action"]["ref"],
        status=document["status"],
        rule=(document.get("rule") or {}).get("ref"),
        output=output if isinstance(output, dict) else {},
    )
