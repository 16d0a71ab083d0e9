"""StackStorm as recovery needs it, through st2client: every call has a time-out, TLS is verified, errors are ours."""

from __future__ import annotations

import importlib.util
import shlex
import sys
import warnings
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from orchestrator.domain.errors import DependencyUnreachable, NotFound
from orchestrator.domain.workflows import Execution, Firing
from orchestrator.stackstorm.matching import would_match

if importlib.util.find_spec("pipes") is None:
    # st2client imports quote from pipes, which Python 3.13 no longer has.
    sys.modules["pipes"] = ModuleType("pipes")
    sys.modules["pipes"].quote = shlex.quote  # type: ignore[attr-defined]  # the one name that st2client takes from it

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from st2client.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PAGE = 100
# A connection that was reset says nothing of the next one; a trigger, though, must not be emitted twice.
READING: Final = Retrying(
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.1, max=1),
    retry=retry_if_exception_type(requests.ConnectionError),
    reraise=True,
)


class StackStorm:
    """The port Workflows on a real StackStorm, or on the embedded one: only the URL differs.

    `api_url` may end in /v1 or not. Errors: DependencyUnreachable for whatever keeps StackStorm from answering as it
    should (no connection, time-out, 401, an unknown trigger, 500), NotFound for an execution that is not there.
    """

    def __init__(self, api_url: str, api_key: str | None, timeout_seconds: float, ca_file: str | None = None) -> None:
        base = api_url.rstrip("/")
        self._url = base if base.rsplit("/", 1)[-1] in ("v1", "exp") else f"{base}/v1"
        # st2client verifies TLS only when it is told how; its own api_key argument would go into os.environ.
        self._client = Client(api_url=self._url, cacert=ca_file or urlsplit(base).scheme == "https")
        for manager in set(self._client.managers.values()):  # one of them stands there under two names
            manager.client = _Http(manager.client, api_key, timeout_seconds)

    def dispatch(self, trigger: str, payload: Mapping[str, Any], trace_tag: str) -> None:
        """Emit a trigger; stored by StackStorm when this returns."""
        with self._mapped():
            self._client.webhooks.post_generic_webhook(trigger, dict(payload), trace_tag)

    def firings(self, trace_tag: str) -> list[Firing]:
        """Tell what came of the triggers dispatched under a trace tag, oldest first."""
        with self._mapped():
            traces = [trace.to_dict() for trace in self._client.trace.query(trace_tag=trace_tag, limit=PAGE)]
        return [firing for trace in traces for firing in _firings(trace)]

    def rules_off(self, trigger: str, payload: Mapping[str, Any]) -> list[str]:
        """Name the disabled rules that would have matched; one whose criteria cannot be read here counts as such."""
        with self._mapped():
            rules = list(self._rules())
        off = [rule for rule in rules if not rule["enabled"] and rule["trigger"]["type"] == trigger]
        return sorted(rule["ref"] for rule in off if would_match(rule.get("criteria") or {}, payload))

    def execution(self, execution_id: str) -> Execution:
        """Look one execution up; raises NotFound."""
        with self._mapped():
            found = self._client.executions.get_by_id(execution_id)
        if found is None:
            raise NotFound("execution", execution_id)
        return _execution(found.to_dict())

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
        except requests.HTTPError as error:
            reason = error.response.reason.replace("\nMESSAGE:", ":") if error.response is not None else "no answer"
            status = error.response.status_code if error.response is not None else 0
            raise DependencyUnreachable("StackStorm", f"{self._url} answered {status} {reason}") from error
        except (requests.RequestException, ValueError) as error:
            raise DependencyUnreachable("StackStorm", f"{self._url}: {type(error).__name__}") from error


class _Http:
    """st2client's HTTP client with what it lacks: a time-out on every call, and the key in the header alone."""

    def __init__(self, plain: object, api_key: str | None, timeout_seconds: float) -> None:
        self._plain = plain
        self._options: dict[str, object] = {"timeout": timeout_seconds}
        if api_key:
            self._options["api_key"] = api_key

    def __getattr__(self, method: str) -> Callable[..., object]:
        """Give get, post, post_raw, put, patch or delete, with the options in place; only reading is tried again."""
        call = partial(getattr(self._plain, method), **self._options)
        return partial(READING, call) if method == "get" else call


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
