"""The fixture `stackstorm`: run, send, wait, look, with everything as it was before the next test."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

from orchestrator.domain.workflows import FINAL
from orchestrator.stackstorm.testing.calls import Calls
from orchestrator.stackstorm.testing.executions import Execution, Fired
from orchestrator.stackstorm.testing.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from orchestrator.stackstorm.testing.process import Served

Found = TypeVar("Found")
PAGE: Final = 100
FIRST_POLL: Final = 0.002
LAST_POLL: Final = 0.05
MATCHED: Final = frozenset({"processed", "processing_failed"})
# What a rule started is waited for until it ends, or waits for somebody itself.
SETTLED: Final = FINAL | {"pending", "paused"}


class StillRunning(AssertionError):
    """What was waited for did not come in time; the text shows how far it came."""


class Stub:
    """An action that ends at once, as a test says: nothing of it runs, though its parameters are checked as ever."""

    def __init__(self, stackstorm: StackStorm, action: str) -> None:
        self.action = action
        self._stackstorm = stackstorm

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        """The parameters of each call in this test, oldest first; secrets are masked."""
        return [execution.parameters for execution in self._stackstorm.executions(action=self.action)]


class StackStorm:
    """A StackStorm with your packs. What a method waits for comes within `patience` seconds, or StillRunning is raised.

    Refused (an AssertionError with StackStorm's own words) is raised where StackStorm refuses what it is asked.
    """

    def __init__(self, served: Served, patience: float) -> None:
        self.url = served.url
        self.patience = patience
        self._calls = Calls(served.url)
        self._configs = served.configs
        self.keys = Keys(self._calls)
        self._stubs: set[str] = set()
        self._changed: set[str] = set()
        self._own_configs: dict[str, str | None] = {}
        newest = self._calls.get("/executions", limit=1)
        self._before = newest[0]["id"] if newest else ""

    def run(self, action: str, parameters: Mapping[str, Any] | None = None, /, **more: Any) -> Execution:
        """Run an action or a workflow to its end."""
        return self.wait(self.start(action, parameters, **more))

    def start(self, action: str, parameters: Mapping[str, Any] | None = None, /, **more: Any) -> Execution:
        """Ask for an action or a workflow, and go on."""
        asked = {"action": action, "parameters": {**(parameters or {}), **more}}
        return Execution(self._calls.post("/executions", asked))

    def wait(self, execution: Execution | str, *, status: str | None = None) -> Execution:
        """Wait until an execution has ended, or has a status (running, pending, paused); gives it as it is then."""
        id_ = execution if isinstance(execution, str) else execution.id
        return self._waited(id_, frozenset({status}) if status else FINAL, status or "an end")

    def look(self, execution: Execution | str) -> Execution:
        """Give an execution as it is now, with all below it."""
        id_ = execution if isinstance(execution, str) else execution.id
        document = self._calls.get(f"/executions/{id_}")
        below = self._calls.get(f"/executions/{id_}/children", depth=-1) if document.get("children") else []
        return _tree(document, below)

    def executions(self, **filters: str) -> list[Execution]:
        """Give what this test has run so far, oldest first; filters are the API's: action, status, rule, parent."""
        found: dict[str, Execution] = {}
        for offset in count(0, PAGE):
            page = self._calls.get("/executions", limit=PAGE, offset=offset, **filters)
            own = {document["id"]: Execution(document) for document in page if document["id"] > self._before}
            found |= own  # one that came twice, as others have begun between two pages, keeps its place
            if len(own) < PAGE:
                break
        return list(reversed(found.values()))

    def send(self, trigger: str, payload: Mapping[str, Any] | None = None) -> Fired:
        """Send a trigger, and wait until what the rules start for it has ended, or waits for an answer."""
        tag = f"test-{uuid.uuid4().hex}"
        body = {"trigger": trigger, "payload": payload or {}}
        self._calls.post("/webhooks/st2", body, **{"St2-Trace-Tag": tag})
        return self._fired(trigger, tag)

    def webhook(self, url: str, body: object, **headers: str) -> Fired:
        """Post to a webhook that a rule declares (core.st2.webhook), and wait as send() does."""
        tag = f"test-{uuid.uuid4().hex}"
        self._calls.post(f"/webhooks/{url.strip('/')}", body, **{"St2-Trace-Tag": tag, **headers})
        return self._fired("core.st2.webhook", tag)

    def say(self, command: str, *, user: str = "chat") -> Execution:
        """Say to the aliases what a person types in chat, and wait until what it starts has ended, or waits itself."""
        asked = {"command": command, "user": user, "source_channel": "chat"}
        (done,) = self._calls.post("/aliasexecution/match_and_execute", asked)["results"]
        return self._waited(str(done["execution"]["id"]), SETTLED, "an end")

    def answer(self, inquiry: Execution | str, **response: Any) -> None:
        """Answer an inquiry (an execution of core.ask that is pending)."""
        id_ = inquiry if isinstance(inquiry, str) else inquiry.id
        self._calls.put(f"/inquiries/{id_}", {"id": id_, "response": response})

    def cancel(self, execution: Execution | str) -> Execution:
        """Cancel an execution, and wait for its end."""
        id_ = execution if isinstance(execution, str) else execution.id
        self._calls.delete(f"/executions/{id_}")
        return self.wait(id_)

    def config(self, pack: str, values: Mapping[str, Any]) -> None:
        """Give a pack this configuration until the test ends."""
        file = self._configs / f"{pack}.yaml"
        self._own_configs.setdefault(pack, file.read_text() if file.exists() else None)
        file.write_text(json.dumps(values))
        self._register({pack})

    def enable(self, rule: str) -> None:
        """Enable a rule until the test ends."""
        self._switch(rule, enabled=True)

    def disable(self, rule: str) -> None:
        """Disable a rule until the test ends."""
        self._switch(rule, enabled=False)

    def stub(self, action: str, result: Mapping[str, Any] | None = None, *, status: str = "succeeded") -> Stub:
        """Let an action end at once, until the test ends; `result` is whole, in the shape of the action's runner.

        Not for workflows, core.noop and inquiries: those run no code that a test would have to keep away from.
        """
        self._calls.put(f"/stubs/{action}", {"status": status, "result": result or {}})
        self._stubs.add(action)
        return Stub(self, action)

    def explain(self) -> str:
        """Tell what this test has run that did not succeed; empty where all did."""
        started = [each for each in self.executions() if "parent" not in each.document]
        return "\n".join(self.look(each).explain() for each in started if not each.succeeded)

    def reset(self) -> None:
        """Bring everything back to where it was: cancel what runs; forget keys, configs, rules and stubs.

        Each is tried, whatever becomes of the others. An inquiry cannot be cancelled: it stays pending.
        """
        with ExitStack() as last_first:
            last_first.callback(self._calls.close)
            last_first.callback(self._register, self._changed | set(self._own_configs))
            for pack, text in self._own_configs.items():
                last_first.callback(self._put_back, pack, text)
            for action in self._stubs:
                last_first.callback(self._calls.delete, f"/stubs/{action}")
            last_first.callback(self.keys.forget)
            last_first.callback(self._cancel_all)

    def _cancel_all(self) -> None:
        with ExitStack() as each:
            for execution in self.executions():
                if not execution.ended and execution.status != "pending" and "parent" not in execution.document:
                    each.callback(self.cancel, execution)

    def _put_back(self, pack: str, text: str | None) -> None:
        file = self._configs / f"{pack}.yaml"
        file.unlink() if text is None else file.write_text(text)

    def _switch(self, rule: str, *, enabled: bool) -> None:
        document = self._calls.get(f"/rules/{rule}")
        self._calls.put(f"/rules/{document['id']}", {**document, "enabled": enabled})
        self._changed.add(document["pack"])

    def _register(self, packs: set[str]) -> None:
        if packs:
            self._calls.post("/packs/register", {"packs": sorted(packs), "types": ["all"]})

    def _fired(self, trigger: str, tag: str) -> Fired:
        instance = self._until(lambda: self._matched(tag), lambda: f"the rules to be matched with {trigger}")
        found = self._calls.get("/ruleenforcements", trigger_instance=instance, limit=PAGE)
        started = [each["execution_id"] for each in found if "execution_id" in each]
        failures = {each["rule"]["ref"]: each["failure_reason"] for each in found if "failure_reason" in each}
        settled = (self._waited(id_, SETTLED, "an end") for id_ in reversed(started))
        return Fired(trigger, instance, tuple(settled), failures)

    def _matched(self, tag: str) -> str | None:
        for trace in self._calls.get("/traces", trace_tag=tag):
            for part in trace.get("trigger_instances", ()):
                instance = self._calls.get(f"/triggerinstances/{part['object_id']}")
                if instance["status"] in MATCHED:
                    return str(instance["id"])
        return None

    def _waited(self, id_: str, statuses: Collection[str], what: str) -> Execution:
        def arrived() -> bool:
            return self._calls.get(f"/executions/{id_}/attribute/status") in statuses

        self._until(arrived, lambda: f"{what} of\n{self.look(id_).explain()}")
        return self.look(id_)

    def _until(self, arrived: Callable[[], Found | None], what: Callable[[], str]) -> Found:
        deadline, pause = time.monotonic() + self.patience, FIRST_POLL
        while not (found := arrived()):
            if time.monotonic() > deadline:
                raise StillRunning(f"expected within {self.patience:g} s {what()}")
            time.sleep(pause)
            pause = min(pause * 1.5, LAST_POLL)
        return found


def _tree(document: Mapping[str, Any], below: list[Mapping[str, Any]]) -> Execution:
    own = [child for child in below if child.get("parent") == document["id"]]
    return Execution(document, tuple(_tree(child, below) for child in own))
