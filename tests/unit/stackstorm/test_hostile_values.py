"""Values that break what handles them: one execution fails of each, and nothing beside it does."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from orchestrator.stackstorm.embedded import marks
from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.datastore import Datastore
from orchestrator.stackstorm.embedded.engine import Engine
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.running import Runners
from orchestrator.stackstorm.embedded.store import Store
from tests.unit.stackstorm.asking import until, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEEP: Final = "[" * 20_000
NEVER: Final = 10**12  # seconds; no lock can wait so long
PACK: Final = {
    "pack.yaml": "{name: q, description: d, version: 0.1.0, author: a}",
    "actions/typed.yaml": "{name: typed, runner_type: noop, parameters: {n: {type: integer}, a: {type: array}}}",
    "actions/noop.yaml": "{name: noop, runner_type: noop}",
    "actions/ask.yaml": "{name: ask, runner_type: inquirer}",
    "actions/late.yaml": "{name: late, runner_type: orquesta, entry_point: workflows/late.yaml}",
    "actions/workflows/late.yaml": f"{{version: 1.0, tasks: {{one: {{action: q.noop, delay: {NEVER}}}}}}}",
    "actions/flow.yaml": "{name: flow, runner_type: orquesta, entry_point: workflows/flow.yaml, parameters: {x: {}}}",
    "actions/workflows/flow.yaml": """\
version: 1.0
input: [x]
tasks:
  one: {action: q.noop, next: [{do: two}]}
  two: {action: q.typed, input: {INPUT}}
""",
    "actions/above.yaml": "{name: above, runner_type: orquesta, entry_point: workflows/above.yaml}",
    "actions/workflows/above.yaml": "{version: 1.0, tasks: {one: {action: q.flow}}}",
    "triggers/evt.yaml": "name: evt\n",
    "rules/a_bad.yaml": """\
name: a_bad
enabled: true
trigger: {type: q.evt}
action: {ref: q.typed, parameters: {a: "{{ trigger.a }}"}}
""",
    "rules/after.yaml": """\
name: after
enabled: true
trigger: {type: core.st2.generic.actiontrigger}
criteria: {trigger.action_ref: {type: eq, pattern: q.typed}}
action: {ref: q.noop}
""",
    "rules/hook_one.yaml": """\
{name: hook_one, enabled: true, trigger: {type: core.st2.webhook, parameters: {url: /two/}}, action: {ref: q.noop}}
""",
    "rules/hook_two.yaml": """\
{name: hook_two, enabled: true, trigger: {type: core.st2.webhook, parameters: {url: two}}, action: {ref: q.noop}}
""",
    "rules/b_good.yaml": "{name: b_good, enabled: true, trigger: {type: q.evt}, action: {ref: q.noop}}",
}


@contextmanager
def engine(folder: Path, field: str = "a") -> Iterator[tuple[Engine, Store]]:
    """An engine with the pack, at work in this process; a workflow's second task gets x as its parameter `field`."""
    task_input = f'{{{field}: "<% ctx(x) %>"}}'
    files = {name: text.replace("{INPUT}", task_input) for name, text in PACK.items()}
    store = Store(folder / "state.sqlite")
    library = Library([write(folder / "q", files)], folder, store, Datastore(store, folder))
    found = Engine(library, store, Runners("http://localhost/v1"), "http://localhost/v1")
    found.start()
    try:
        yield found, store
    finally:
        found.stop()
        store.close()


def ended(store: Store, id_: str) -> dict[str, Any]:
    """Give an execution once it has ended."""

    def found() -> dict[str, Any] | None:
        document = store.executions.get(id_)
        return document if document and document["status"] in statuses.COMPLETED else None

    document: dict[str, Any] = until(found)
    return document


@pytest.mark.parametrize(("field", "value"), [("a", DEEP), ("n", float("inf"))])
def test_a_value_that_no_type_can_hold_fails_its_workflow_alone(tmp_path: Path, field: str, value: object) -> None:
    """It is failed and says why; what runs beside it in the same turns succeeds."""
    with engine(tmp_path, field) as (found, store):
        flows, noops = [], []
        for _ in range(5):
            flows.append(found.executing.ask("q.flow", {"x": value}, {})["id"])
            noops += [found.executing.ask("q.noop", {}, {})["id"] for _ in range(20)]
        failed = [ended(store, id_) for id_ in flows]
        assert {document["status"] for document in failed} == {"failed"}
        assert all(document["result"]["errors"] for document in failed)
        assert {ended(store, id_)["status"] for id_ in noops} == {"succeeded"}


def test_a_workflow_that_cannot_take_in_a_fault_is_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever moves it on raises, again and again: it ends, the one above it too, and others are served."""
    with engine(tmp_path) as (found, store):
        workflows = found.executing.workflows
        advance = workflows.advance

        def broken(run: Any) -> None:  # noqa: ANN401 a workflow's run
            if run.execution["action"]["ref"] == "q.flow" and run.conductor.state.runs:
                raise RecursionError("a fault")
            advance(run)

        monkeypatch.setattr(workflows, "advance", broken)
        above = found.executing.ask("q.above", {}, {})["id"]
        assert ended(store, above)["status"] == "failed"
        assert ended(store, found.executing.ask("q.noop", {}, {})["id"])["status"] == "succeeded"
        assert [document["status"] for document in store.executions.children(above)] == ["failed"]


@pytest.mark.parametrize("action", ["q.ask", "q.late", "q.noop"])
def test_a_wait_longer_than_a_lock_can_count_stops_nothing(tmp_path: Path, action: str) -> None:
    """Others are served while it waits, and after a restart too."""
    given = {"ttl": NEVER} if action == "q.ask" else {}
    with engine(tmp_path) as (found, store):
        waits = found.executing.ask(action, given, {}, NEVER if action == "q.noop" else 0)["id"]
        until(lambda: store.executions.status(waits) in ("pending", "running", "delayed"))
        assert ended(store, found.executing.ask("q.noop", {}, {})["id"])["status"] == "succeeded"
    with engine(tmp_path) as (found, store):
        assert ended(store, found.executing.ask("q.noop", {}, {})["id"])["status"] == "succeeded"
        assert store.executions.status(waits) in ("pending", "running", "delayed")


def enforcements(store: Store, instance: str, count: int) -> dict[str, dict[str, Any]]:
    """Give the enforcements of a trigger instance by their rules, once there are so many."""
    found: list[dict[str, Any]] = until(lambda: len(all_ := store.events.enforcements_of(instance)) >= count and all_)
    return {enforcement["rule"]["ref"]: enforcement for enforcement in found}


def test_a_rule_that_a_value_breaks_stops_no_other_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its enforcement has failed and says why, and the rules after it are applied: for its action's and its own."""
    with engine(tmp_path) as (found, store):
        by_rule = enforcements(store, found.triggering.emit("q.evt", {"a": DEEP}, "")["id"], 2)
        assert "recursion" in by_rule["q.a_bad"]["failure_reason"]
        assert "execution_id" in by_rule["q.b_good"]
        apply = found.triggering._apply

        def broken(rule: Any, instance: dict[str, Any]) -> bool:  # noqa: ANN401 a rule
            applied = apply(rule, instance)
            if rule.ref == "q.a_bad":
                raise RecursionError("a fault")
            return applied

        monkeypatch.setattr(found.triggering, "_apply", broken)
        id_ = found.triggering.emit("q.evt", {"a": "[]"}, "")["id"]
        by_rule = enforcements(store, id_, 2)
        assert by_rule["q.a_bad"]["failure_reason"] == "RecursionError: a fault"
        assert "execution_id" in by_rule["q.b_good"]


def test_a_webhook_s_triggers_are_all_stored_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second cannot be kept, the sender is told so, and no rule hears of the first."""
    with engine(tmp_path) as (found, store):
        refs = [trigger.ref for trigger in found.triggering.listening.webhooks["two"]]
        put, faults = store.events.put_instance, [None, OSError("no room")]

        def full(instance: dict[str, Any], kind: str) -> None:
            put(instance, kind)
            if (fault := faults.pop(0)) is not None:
                raise fault

        monkeypatch.setattr(store.events, "put_instance", full)
        with pytest.raises(OSError, match="no room"):
            found.triggering.emit_each(refs, {"body": {}}, "hook")
        monkeypatch.undo()
        found.triggering.emit_each(refs, {"body": {}}, "hook")
        until(lambda: store.events.pending() == [])
        assert len(refs) == 2
        assert store.executions.page([], 10, 0, newest_first=True, results=False)[1] == 2


def test_no_rule_hears_of_an_end_that_is_undone(tmp_path: Path) -> None:
    """A listener that raises undoes an execution's end; what is matched is the end that is kept, if any."""
    with engine(tmp_path) as (found, store):
        faults = [OSError("a fault")]

        def listener(execution: dict[str, Any]) -> None:
            if execution["action"]["ref"] == "q.typed" and faults:
                raise faults.pop()

        found.executing.on_change(listener)
        assert [ended(store, found.executing.ask("q.typed", {}, {})["id"])["status"] for _ in range(2)] == [
            "failed",
            "succeeded",
        ]

        def after() -> list[dict[str, Any]]:
            started, _ = store.executions.page([("action", "is", "q.noop")], 10, 0, newest_first=False, results=True)
            return started

        until(lambda: after() and store.events.pending() == [])
        (only,) = after()
        assert only["trigger_instance"]["payload"]["status"] == "succeeded"


def test_identifiers_sort_by_their_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one second and over two, when the counter is at its end, and when the clock is set back."""
    times = iter([4e9, 4e9, 4e9 + 1, 4e9 - 60, 4e9 - 60])
    monkeypatch.setattr(marks, "time", SimpleNamespace(time=lambda: next(times)))
    monkeypatch.setattr(marks, "_second", 0)
    monkeypatch.setattr(marks, "_count", 0)
    born = [marks.new_id() for _ in range(4)]
    monkeypatch.setattr(marks, "_count", 0xFFFFFF)
    born.append(marks.new_id())
    assert born == sorted(set(born))
    assert {len(id_) for id_ in born} == {24}


def test_of_a_request_that_fails_in_the_middle_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflow that made it goes on to its end in the same turn, and keeps no half of an execution."""
    with engine(tmp_path) as (found, store):
        add = store.traces.add

        def broken(trace: str, kind: str, part: dict[str, Any]) -> None:
            if part["ref"] == "q.typed":
                raise ValueError("a fault")
            add(trace, kind, part)

        monkeypatch.setattr(store.traces, "add", broken)
        flow = ended(store, found.executing.ask("q.flow", {"x": []}, {})["id"])
        assert flow["status"] == "failed"
        kept, total = store.executions.page([], 10, 0, newest_first=False, results=False)
        assert ([document["action"]["ref"] for document in kept], total) == (["q.flow", "q.noop"], 2)
