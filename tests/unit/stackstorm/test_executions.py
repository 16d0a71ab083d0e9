"""The history of an execution, and the turns that its changes are made in."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.control import Control
from orchestrator.stackstorm.embedded.datastore import Datastore
from orchestrator.stackstorm.embedded.engine import Engine
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.executions import MOVES, IllegalMove, moved
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.running import Runners
from orchestrator.stackstorm.embedded.slots import Slots
from orchestrator.stackstorm.embedded.store import Store
from orchestrator.stackstorm.embedded.turns import Turns
from tests.unit.stackstorm.asking import until, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACK = {
    "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
    "actions/nothing.yaml": "{name: nothing, runner_type: noop}",
}
DOCUMENT = {
    "id": "1", "liveaction_id": "2", "action": {"ref": "demo.a"}, "runner": "noop", "context": {"user": "stanley"},
    "parameters": {}, "status": "requested", "start_timestamp": "2026-01-01T00:00:00.000000Z",
    "log": [{"timestamp": "2026-01-01T00:00:00.000000Z", "status": "requested"}],
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    found = Store(tmp_path / "state.sqlite")
    yield found
    found.close()


@pytest.fixture
def turns(store: Store) -> Iterator[Turns]:
    """Turns that are taken on a running control thread."""
    control = Control()
    control.start()
    yield Turns(store, control, lambda: None)
    control.stop()


def test_a_history_goes_only_ways_that_stackstorm_knows() -> None:
    """Every status on the way is logged; an end is final; what is not known is refused with what was expected."""
    done = moved(DOCUMENT, "scheduled", "running", "succeeded", result={"ü": 1})
    assert [entry["status"] for entry in done["log"]] == ["requested", "scheduled", "running", "succeeded"]
    assert (done["result_size"], done["elapsed_seconds"] > 0) == (len('{"ü":1}'.encode()), True)
    with pytest.raises(IllegalMove, match="expected execution 1 to go from succeeded to one of nothing, got running"):
        moved(done, "running")
    with pytest.raises(IllegalMove, match="from requested to one of canceled, canceling, delayed, failed, scheduled"):
        moved(DOCUMENT, "running")
    assert all(MOVES[status] for status in set(MOVES) - statuses.COMPLETED)


def test_a_turn_that_fails_leaves_nothing_and_another_is_taken(store: Store, turns: Turns) -> None:
    """What it wrote is undone, what it wanted to begin does not begin; then the turn for the failure is taken."""
    failed, begun = threading.Event(), threading.Event()

    def work() -> None:
        store.executions.insert(DOCUMENT)
        turns.then(begun.set)
        raise ValueError("a fault")

    turns.post(work, lambda _error: failed.set())
    assert failed.wait(5)
    assert store.executions.get("1") is None
    assert not begun.is_set()


def test_what_a_turn_begins_waits_until_the_turn_is_kept(store: Store, turns: Turns) -> None:
    """When it begins, another connection sees what the turn wrote; an asker gets what the turn gives or raises."""
    seen: list[object] = []

    def work() -> str:
        store.executions.insert(DOCUMENT)
        turns.then(lambda: seen.append(store.executions.status("1")))
        return "given"

    assert turns.call(work) == "given"
    assert turns.call(lambda: seen) == ["requested"]
    with pytest.raises(ZeroDivisionError):
        turns.call(lambda: 1 // 0)


def test_a_failure_that_fails_itself_costs_no_other_its_turn(store: Store, turns: Turns) -> None:
    """Nor does an effect that raises: what shares the transaction is kept, and what it begins begins."""

    def fault(*_: object) -> None:
        raise RecursionError("a fault")

    def both() -> None:
        turns.post(fault, fault)
        turns.post(lambda: (turns.then(fault), store.executions.insert(DOCUMENT), turns.then(begun.set)), print)

    begun = threading.Event()
    turns.call(both)
    assert begun.wait(5)
    assert store.executions.status("1") == "requested"


def test_a_turn_that_does_not_come_in_time_is_an_answer(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, where the control thread is held up longer than an asker waits."""
    over = threading.Event()
    monkeypatch.setattr("orchestrator.stackstorm.embedded.turns.PATIENCE", 0.05)
    turns.post(lambda: over.wait(5), print)
    try:
        with pytest.raises(Fault, match=r"expected a turn within 0\.05 s") as caught:
            turns.call(lambda: None)
    finally:
        over.set()
    assert caught.value.status == 503


def test_an_execution_that_a_fault_stops_is_failed_and_another_is_served(store: Store, tmp_path: Path) -> None:
    """A listener that raises undoes the end of an execution; then that is failed, and says why."""
    folder = write(tmp_path / "demo", PACK)
    library = Library([folder], tmp_path, store, Datastore(store, tmp_path))
    engine = Engine(library, store, Runners("http://localhost/v1"), "http://localhost/v1")
    faults = [OSError("a fault"), None]

    def listener(_document: dict[str, object]) -> None:
        if (fault := faults.pop(0)) is not None:
            raise fault

    engine.executing.on_change(listener)
    engine.start()
    try:
        first, second = (engine.executing.ask("demo.nothing", {}, {})["id"] for _ in range(2))
        until(lambda: store.executions.status(second) == "succeeded")
        failed = store.executions.get(first)
    finally:
        engine.stop()
    assert failed is not None
    assert (failed["status"], failed["result"]["error"]) == ("failed", "a fault")


def test_places_are_given_in_the_order_they_were_asked_for() -> None:
    """Never more than there are, and each that is given back goes to the next."""
    started: list[int] = []
    slots: Slots[int] = Slots(2, started.append)
    for number in range(4):
        slots.ask(number)
    assert started == [0, 1]
    slots.release()
    assert started == [0, 1, 2]


def test_rows_give_back_what_was_kept(store: Store) -> None:
    """A document comes back as it is after its last move; a page without results holds none."""
    store.executions.insert(DOCUMENT)
    done = moved(DOCUMENT, "scheduled", "running", "succeeded", result={"a": [1]})
    store.executions.move(done)
    assert store.executions.get("1") == done
    ((shown,), total) = store.executions.page([("user", "is", "stanley")], 10, 0, newest_first=True, results=False)
    assert (shown, total) == ({name: value for name, value in done.items() if name != "result"}, 1)
    assert store.executions.unfinished() == []


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """The error names the file, what was expected, and what to do."""
    Store(tmp_path / "state.sqlite").close()
    with sqlite3.connect(tmp_path / "state.sqlite") as state:
        state.execute("pragma user_version = 1")
    state.close()
    with pytest.raises(
        ContentError, match=r"state\.sqlite: file: expected a state of version \d+, got 1: remove the file"
    ):
        Store(tmp_path / "state.sqlite")
