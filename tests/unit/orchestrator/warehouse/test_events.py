"""Every event has its row, and its own table's row, once, on each database; prompts are scored as they are loaded."""

from __future__ import annotations

import json
from array import array
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa

from eventbus.sketch import GRAM, sketch_of
from eventbus.wire import (
    GOVERNANCE_RECORDED,
    LLM_CALL,
    LOADTEST_COMPLETED,
    PROMPT_SIMILARITY,
    SPAN_ENDED,
    TASK_FAILED,
    TASK_OUTCOMES,
    TYPES,
)
from orchestrator.domain.events import Delivered, Rejected
from orchestrator.similarity import NEAR_DUPLICATE, Rules
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse.queries import held
from orchestrator.warehouse.schema import (
    STORE,
    event_logs,
    governance_events,
    migrate,
    model_cost_logs,
    prompt_sim_logs,
    prompt_sketches,
)
from tests.events import CALL, NOON, event, record, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import EventRecord

COMPLAINT = "Summarise the following customer complaint in two sentences and name the product it is about."
WEATHER = "What is the weather like in Lisbon tomorrow, and should I take an umbrella with me to the conference?"


class Loaded:
    """A migrated warehouse, its sink, and what is in it."""

    def __init__(self, url: str) -> None:
        migrate(url)
        self.url = url
        self.sink = WarehouseSink(url)
        self.engine = STORE.open(url)

    def deliver(self, *records: EventRecord) -> None:
        """Deliver a batch, and see that it was taken."""
        assert self.sink.deliver(stored(*records)) == Delivered()

    def restart(self, rules: Rules | None = None) -> None:
        """Go on as another process does, which knows only what is in the warehouse."""
        self.sink.close()
        self.sink = WarehouseSink(self.url, rules=rules or Rules())

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """Read a table."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def scores(self) -> dict[str, tuple[float | None, str | None]]:
        """Give the score and the match of each prompt, by the user that the test gave it."""
        found = self.rows(prompt_sim_logs)
        return {each["user_id"]: (each["similarity_score"], each["matched_prompt_hash"]) for each in found}


@pytest.fixture(params=["sqlite", "postgresql"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loaded]:
    """A warehouse of each kind."""
    sqlite = f"sqlite:///{tmp_path}/warehouse.sqlite"
    made = Loaded(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres"))
    yield made
    made.sink.close()
    made.engine.dispose()


def prompt(text: str, name: str, organisation: str | None = "acme", secret: str = "s") -> EventRecord:  # noqa: S107 - a test's key
    """Make the event of a prompt; the user's id names it."""
    made = sketch_of(text, secret)
    sketch = {"key": made.key_name, "gram": GRAM, "counts": made.counts}
    data = {"prompt_hash": made.prompt_hash, "blocked": False, "sketch": sketch, "user_id": name}
    return record(event(PROMPT_SIMILARITY, data | {"organization_id": organisation}))


def embedded(
    text: str, name: str, vector: list[float], embedder: str = "small", organisation: str = "acme"
) -> EventRecord:
    """Make the event of a prompt of which an embedder made a vector."""
    made = prompt(text, name, organisation)
    told = {"embedder": embedder, "vector": b64encode(array("f", vector).tobytes()).decode()}
    data = orjson.loads(made.body)["data"] | {"embedding": told}
    return record(event(PROMPT_SIMILARITY, data))


def decision(**changes: Any) -> EventRecord:
    """Make the event of a policy's decision."""
    data = {"event_type": "pii.found", "policy": "p-1", "action": "redacted", "details": {"fields": ["é\0"]}}
    return record(event(GOVERNANCE_RECORDED, data | {"organization_id": "acme"} | changes))


def test_each_event_is_there_once_whatever_its_type(loaded: Loaded) -> None:
    """One row in event_logs for each event, one in its own table if it has one; a batch that comes again adds none."""
    records = [record(), prompt(COMPLAINT, "a"), decision()]
    records += [record(event(each, {"task_id": "t"})) for each in sorted(TYPES - {LLM_CALL, PROMPT_SIMILARITY})
                if each not in (GOVERNANCE_RECORDED, LOADTEST_COMPLETED, TASK_OUTCOMES)]  # fmt: skip
    for _ in range(2):
        loaded.deliver(*records)
        loaded.restart()
    assert sorted(each["id"] for each in loaded.rows(event_logs)) == sorted(str(each.key) for each in records)
    for table in (model_cost_logs, prompt_sim_logs, governance_events, prompt_sketches):
        assert len(loaded.rows(table)) == 1


def test_one_asks_which_events_are_there(loaded: Loaded) -> None:
    """Of more ids than one question holds, exactly those that were loaded are told."""
    there = record()
    loaded.deliver(there)
    assert held(loaded.engine, [uuid4() for _ in range(1_000)] + [there.key]) == {there.key}
    assert held(loaded.engine, []) == set()


def test_an_event_is_kept_with_its_envelope_and_data(loaded: Loaded) -> None:
    """Type, source, time, subject, traceparent, and the data as JSON."""
    loaded.deliver(record(event(SPAN_ENDED, {"name": "a", "attributes": {"n": [1.5, None, "\0"]}}, event_id="x")))
    (row,) = loaded.rows(event_logs)
    assert (row["type"], row["source"], row["time"], row["subject"]) == (SPAN_ENDED, "urn:redrive:test", NOON, None)
    assert json.loads(row["data"]) == {"name": "a", "attributes": {"n": [1.5, None, "\0"]}}


def test_what_may_hold_a_prompt_is_not_in_the_warehouse(loaded: Loaded) -> None:
    """A failed task's message, its exception's text and trace, and a prompt's sketch stay out of event_logs."""
    failed = {
        "task": "ask",
        "message": {"body": "prompt"},
        "exception": {"type": "E", "message": "prompt", "status": 5},
    }
    loaded.deliver(record(event(TASK_FAILED, failed)), prompt(COMPLAINT, "a"))
    told = {row["type"]: json.loads(row["data"]) for row in loaded.rows(event_logs)}
    assert told[TASK_FAILED] == {"task": "ask", "exception": {"type": "E", "status": 5, "retry_after": None}}
    assert told[PROMPT_SIMILARITY].keys() == {"prompt_hash", "blocked", "user_id", "organization_id"}


def test_a_decision_is_a_row(loaded: Loaded) -> None:
    """Each column has its value, the details as JSON."""
    made = decision(user_id="ann")
    loaded.deliver(made)
    (row,) = loaded.rows(governance_events)
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": str(made.key), "event_type": "pii.found", "policy": "p-1", "action": "redacted", "user_id": "ann",
        "organization_id": "acme", "details": '{"fields":["é\\u0000"]}', "created_at": NOON,
    }  # fmt: skip


def test_a_near_duplicate_is_found_and_a_stranger_is_not(loaded: Loaded) -> None:
    """The first prompt has no score, a near-duplicate a high one with the hash of its like, a stranger a low one."""
    loaded.deliver(prompt(COMPLAINT, "first"), prompt(WEATHER, "stranger"))
    loaded.restart()
    loaded.deliver(prompt(COMPLAINT.replace("two", "three"), "near"), prompt(COMPLAINT, "same"))
    scores, first = loaded.scores(), sketch_of(COMPLAINT, "s").prompt_hash
    assert scores["first"] == (None, None)
    assert scores["stranger"][0] is not None
    assert scores["stranger"][0] < 0.5
    assert scores["near"][0] is not None
    assert scores["near"][0] >= NEAR_DUPLICATE
    assert scores["near"][1] == first
    assert scores["same"] == (pytest.approx(1.0), first)


def test_vectors_are_compared_with_those_of_their_embedder(loaded: Loaded) -> None:
    """Not with another organisation's, embedder's or length's; after a restart too; one without is by the sketch."""
    loaded.deliver(embedded(COMPLAINT, "first", [1, 0, 0]), embedded(WEATHER, "second", [0, 2, 0]))
    loaded.restart()
    loaded.deliver(embedded(COMPLAINT, "near", [0, 1, 0.1]), embedded(COMPLAINT, "org", [0, 1, 0], "small", "other"))
    loaded.deliver(embedded(COMPLAINT, "embedder", [0, 1, 0], "large"), embedded(COMPLAINT, "length", [0, 1]))
    loaded.deliver(prompt(COMPLAINT, "sketch"))
    scores = loaded.scores()
    assert scores["second"] == (0.0, sketch_of(COMPLAINT, "s").prompt_hash)
    assert scores["near"] == (pytest.approx(0.995037, abs=2e-6), sketch_of(WEATHER, "s").prompt_hash)
    assert {scores[each] for each in ("first", "org", "embedder", "length")} == {(None, None)}
    assert scores["sketch"] == (1.0, sketch_of(COMPLAINT, "s").prompt_hash)
    told = {row["user_id"]: row["embedder"] for row in loaded.rows(prompt_sim_logs)}
    assert (told["near"], told["embedder"], told["sketch"]) == ("small", "large", None)


def test_each_embedder_has_its_threshold(loaded: Loaded) -> None:
    """The same score is a near-duplicate by one embedder and not by another."""
    loaded.restart(Rules(blocks=True, thresholds={"low": 0.5, "high": 0.8}))
    for name in ("low", "high"):
        loaded.deliver(embedded(COMPLAINT, f"{name} first", [1, 0], name), embedded(COMPLAINT, name, [1, 1], name))
    told = {row["user_id"]: row["blocked"] for row in loaded.rows(prompt_sim_logs)}
    assert told == {"low first": False, "low": True, "high first": False, "high": False}


def test_a_vector_stays_out_of_the_logs(loaded: Loaded) -> None:
    """Which embedder it was is told, and why one failed; a prompt whose embedder failed is compared by its sketch."""
    failed = orjson.loads(prompt(COMPLAINT, "failed").body)["data"] | {"embedding": {"embedder": "e", "failed": "why"}}
    loaded.deliver(embedded(COMPLAINT, "made", [1, 0]), record(event(PROMPT_SIMILARITY, failed)))
    told = {row["user_id"]: json.loads(row["data"])["embedding"] for row in loaded.rows(event_logs)}
    assert told == {"made": {"embedder": "small"}, "failed": {"embedder": "e", "failed": "why"}}
    assert loaded.scores()["failed"][0] == 1.0


def test_only_what_may_be_compared_is_compared(loaded: Loaded) -> None:
    """Not the prompts of two organisations, nor sketches under two keys."""
    loaded.deliver(prompt(COMPLAINT, "acme"), prompt(COMPLAINT, "nobody", None), prompt(COMPLAINT, "b", "other"))
    loaded.deliver(prompt(COMPLAINT, "key", "acme", "another key"))
    assert set(loaded.scores().values()) == {(None, None)}


def test_a_setting_decides_whether_near_duplicates_are_blocked(loaded: Loaded) -> None:
    """Where they are, one above the threshold is marked and a stranger is not; by default none is."""
    loaded.deliver(prompt(COMPLAINT, "first"), prompt(COMPLAINT, "same"))
    assert {row["user_id"]: row["blocked"] for row in loaded.rows(prompt_sim_logs)} == {"first": False, "same": False}
    loaded.restart(Rules(blocks=True))
    loaded.deliver(prompt(COMPLAINT, "again"), prompt(WEATHER, "stranger"))
    told = {row["user_id"]: row["blocked"] for row in loaded.rows(prompt_sim_logs)}
    assert (told["again"], told["stranger"]) == (True, False)


def test_what_is_too_old_is_not_compared(loaded: Loaded) -> None:
    """One that was sent a minute before is not found where a second is the longest; its age outlives a restart."""
    loaded.deliver(prompt(COMPLAINT, "first"))
    late = replace(prompt(COMPLAINT, "late"), time=NOON + timedelta(minutes=1))
    loaded.restart(Rules(age=timedelta(seconds=1)))
    loaded.deliver(late)
    assert loaded.scores()["late"] == (None, None)


def test_the_sketches_are_bounded(loaded: Loaded) -> None:
    """No more than the window is kept, in the table and in memory; what has left it is no longer found."""
    loaded.restart(Rules(most=3))
    loaded.deliver(prompt(COMPLAINT, "first"))
    for number in range(5):
        loaded.deliver(prompt(f"{number} {uuid4().hex * 4}", f"u{number}"))
    loaded.deliver(prompt(COMPLAINT, "late"))
    assert len(loaded.rows(prompt_sketches)) == 3
    assert len(loaded.sink._recent) == 3
    late = loaded.scores()["late"][0]
    assert late is not None
    assert late < 0.5


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (record(event(GOVERNANCE_RECORDED, {"event_type": "e", "policy": "", "action": "a", "details": {}})), "policy"),
        (decision(details=[1]), "details"),
        (decision(user_id=7), "user_id"),
        (record(event(PROMPT_SIMILARITY, {"prompt_hash": "aa", "blocked": True})), "sketch"),
        (record(event(PROMPT_SIMILARITY, {"prompt_hash": "aa", "blocked": True, "sketch": {"key": "k", "gram": 4,
                "counts": [1]}})), "sketch.counts"),
        (record(event(PROMPT_SIMILARITY, {"prompt_hash": "aa", "blocked": True, "sketch": {"key": "k", "gram": 4,
                "counts": [-1] * 512}})), "sketch.counts"),
        (record(event(PROMPT_SIMILARITY, {"prompt_hash": "a" * 99, "blocked": 1, "sketch": {"key": "k", "gram": 4,
                "counts": [1] * 512}})), "prompt_hash"),
        (embedded(COMPLAINT, "a", [0, 0]), "embedding.vector"),
        (embedded(COMPLAINT, "a", [float("nan"), 1]), "embedding.vector"),
        (embedded(COMPLAINT, "a", [1.0] * 4_097), "embedding.vector"),
        (embedded(COMPLAINT, "a", [1.0], ""), "embedder"),
        (record(event(LLM_CALL, CALL | {"duration_seconds": "1"})), "duration_seconds"),
    ],
)  # fmt: skip
def test_what_no_row_can_hold_is_refused_alone(loaded: Loaded, bad: EventRecord, field: str) -> None:
    """The culprit is rejected with the name of its field; the others of its batch are loaded."""
    answer = loaded.sink.deliver(stored(record(), bad, decision()))
    assert isinstance(answer, Rejected)
    assert list(answer.refusals) == [2]
    assert field in answer.refusals[2].reason
    assert answer.refusals[2].field == field
    assert len(loaded.rows(event_logs)) == 2
