"""A real worker and the real redriver: the task that runs again is the one that failed, in all of its message."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery import chord, group
from cryptography.fernet import Fernet

from eventbus import wire
from orchestrator.bus.opening import Opener
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.errors import NotRedrivable
from orchestrator.flows.reading import failure_of
from tests.integration.worker_harness import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.failures import Failure

APP = "tests.integration.fidelity_app"
KEY = Fernet.generate_key().decode()
PASSWORD = "hunter2-hunter2"
SLOW = pytest.mark.slow


def a_bench(request: pytest.FixtureRequest, folder: Path, kind: str, **settings: str) -> WorkerBench:
    """Make a worker on one kind of broker; as root, Celery wants to be told that pickle is meant."""
    settings["C_FORCE_ROOT"] = "yes"
    if kind == "sqlite":
        return WorkerBench(folder, f"redrive+sqlite:///{folder}/bus.sqlite", app=APP, **settings)
    return WorkerBench(folder, request.getfixturevalue({"redis": "redis_db"}.get(kind, kind)), app=APP, **settings)


@pytest.fixture(params=["rabbitmq", pytest.param("sqlite", marks=SLOW), pytest.param("redis", marks=SLOW)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerBench]:
    """A running worker on each kind of broker."""
    with a_bench(request, tmp_path, request.param) as bench:
        yield bench


def failures_of(bench: WorkerBench, count: int = 1) -> list[Failure]:
    """Wait for so many failures, as the orchestrator reads them from the bus."""
    return [failure_of(event) for event in bench.wait_for_events(wire.TASK_FAILED, count)]


def redrive(bench: WorkerBench, failure: Failure, opener: Opener | None = None) -> None:
    """Publish a failure's message again, as the orchestrator does."""
    redriver = BusRedriver(bench.broker, opener or Opener())
    redriver.publish(failure.message, uuid4(), None)
    redriver.close()


def runs_of(bench: WorkerBench, task_id: str, count: int) -> list[dict[str, Any]]:
    """Wait for so many runs of a task, and give what each of them saw."""
    return bench.wait_for(lambda: found if len(found := _seen(bench, task_id)) >= count else None)


def _seen(bench: WorkerBench, task_id: str) -> list[dict[str, Any]]:
    return [run for line in bench.runs if (run := json.loads(line))["run"] == task_id]


SENT = {
    "gzip": {"compression": "gzip"},
    "bzip2": {"compression": "bzip2"},
    "pickle": {"serializer": "pickle"},
    "yaml": {"serializer": "yaml"},
    "msgpack": {"serializer": "msgpack"},
    "pickle, compressed": {"serializer": "pickle", "compression": "zlib"},
    "everything": {
        "priority": 3, "shadow": "another name", "time_limit": 50, "soft_time_limit": 40, "retries": 2,
        "headers": {"mine": ["a", 1]}, "expires": 600, "ignore_result": False, "group_id": "g-1", "group_index": 4,
        "root_id": "root", "parent_id": "parent", "reply_to": "the caller", "argsrepr": "short",
    },
}  # fmt: skip


def test_the_second_run_sees_what_the_first_one_saw(bench: WorkerBench) -> None:
    """Arguments, every header, priority and reply-to, in each serializer and compression: nothing is another one."""
    given = (["é", 1.5, None], {"key": ["x", {"y": True}]})
    sent = {name: bench.app.send_task("fidelity_app.once", *given, **options) for name, options in SENT.items()}
    for failure in failures_of(bench, len(sent)):
        redrive(bench, failure)
    for name, result in sent.items():
        first, second = runs_of(bench, result.id, 2)
        assert second == first, name
    bench.wait_for(lambda: sent["everything"].successful() or None)


def test_links_run_after_the_run_that_succeeded(bench: WorkerBench) -> None:
    """The next link of a chain and a callback get the result of the redriven run; stamps are still there."""
    once, add = (bench.app.signature(f"fidelity_app.{name}") for name in ("once", "add"))
    whole = once.clone(args=("chained",)) | add.clone(args=("next",))
    whole.stamp(tenant="t-9")
    result = whole.apply_async()
    (failure,) = failures_of(bench)
    redrive(bench, failure)
    bench.wait_for(lambda: bench.app.AsyncResult(result.id).result == [1, "next"] or None)
    first, second = runs_of(bench, result.parent.id, 2)
    assert second == first
    assert second["stamps"] == {"tenant": "t-9"}
    assert second["chain"]


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["redis"], indirect=True)
def test_a_member_of_a_group_comes_back_as_one(bench: WorkerBench) -> None:
    """Group, index and the chord's body are in the message that is published again."""
    once, add = (bench.app.signature(f"fidelity_app.{name}") for name in ("once", "add"))
    header = group(once.clone(args=(number,)) for number in range(2))
    chord(header, add, app=bench.app).apply_async()
    for failure in failures_of(bench, 2):
        redrive(bench, failure)
        first, second = runs_of(bench, failure.task_id, 2)
        assert second == first
        assert second["group"]
        assert second["chord"]["task"] == "fidelity_app.add"


@pytest.mark.slow
def test_a_message_of_protocol_1_comes_back_as_one(bench: WorkerBench) -> None:
    """Its headers say nothing of the task, the body all; it is captured, and published again byte for byte."""
    bench.app.conf.task_protocol = 1
    result = bench.send("fidelity_app.once", "old", key="word")
    (failure,) = failures_of(bench)
    assert failure.task_id == result.id
    redrive(bench, failure)
    first, second = runs_of(bench, result.id, 2)
    assert second == first


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["rabbitmq"], indirect=True)
def test_a_message_of_20_megabytes_is_not_lost(bench: WorkerBench) -> None:
    """Its event carries a claim in place of the body; the redriver fetches it, and the task gets every byte."""
    body = "0123456789abcdef" * (20 << 16)
    result = bench.send("fidelity_app.large", body)
    (failure,) = failures_of(bench)
    assert failure.message.body == b""
    assert failure.message.claim
    assert failure.message.claim["bytes"] > len(body)
    redrive(bench, failure)
    assert result.get(timeout=30, propagate=False) is not None
    bench.wait_for(lambda: bench.app.AsyncResult(result.id).result == sha256(body.encode()).hexdigest() or None)


@pytest.mark.parametrize("resolver", ["", "yes"])
def test_redacted_arguments_never_leave_and_come_back_by_the_resolver(
    request: pytest.FixtureRequest, tmp_path: Path, resolver: str
) -> None:
    """Without a resolver the redrive is refused with the reason; with one the second run has the resolver's values."""
    with a_bench(request, tmp_path, "rabbitmq", RESOLVER=resolver) as bench:
        card = {"number": PASSWORD, "name": "Ann"}
        headers = {"authorization": PASSWORD}
        sent = [["ann"], {"password": PASSWORD, "card": card}]
        result = bench.app.send_task("fidelity_app.secret", *sent, headers=headers)
        (event,) = bench.wait_for_events(wire.TASK_FAILED, 1)
        assert PASSWORD not in repr(event)
        failure = failure_of(event)
        assert failure.message.redacted == ("headers.authorization", "kwargs.password", "kwargs.card.number")
        if not resolver:
            with pytest.raises(NotRedrivable, match=r"kwargs\.password.*resolver"):
                redrive(bench, failure)
            return
        redrive(bench, failure)
        second = runs_of(bench, result.id, 2)[1]
        assert "'password': 'resolved kwargs.password'" in second["kwargs"]
        assert "'card': {'number': 'resolved kwargs.card.number', 'name': 'Ann'}" in second["kwargs"]
        assert second["auth"] == "resolved headers.authorization"


@pytest.mark.slow
@SLOW
def test_a_run_whose_arguments_do_not_come_back_fails_before_it_begins(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The resolver raises: the attempt has failed, with the path and no value, and the task's code did not run."""
    with a_bench(request, tmp_path, "sqlite", RESOLVER="yes") as bench:
        bench.app.send_task("fidelity_app.secret", ["ann"], {"password": PASSWORD}, task_id="unknown-1")
        (failure,) = failures_of(bench)
        redrive(bench, failure)
        _, again = failures_of(bench, 2)
        assert "expected the resolver to give kwargs.password" in again.exception.message
        assert again.message.redacted == ("kwargs.password",)
        assert len(_seen(bench, "unknown-1")) == 1
        (ended,) = bench.wait_for_events(wire.ATTEMPT_ENDED, 1)
        assert ended.data["outcome"] == "failed"


@SLOW
def test_a_sealed_message_is_opened_by_the_key_alone(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Nothing of it is on the bus or on disk; a redrive is refused without the key; it runs with it."""
    keys = {"REDRIVE_MESSAGE_KEYS": KEY, "REDRIVE_CLAIM_ABOVE": "100000"}
    with a_bench(request, tmp_path, "redis", **keys) as bench:
        small, large = bench.send("fidelity_app.once", PASSWORD), bench.send("fidelity_app.large", PASSWORD * 10_000)
        failures = {failure.task_id: failure for failure in failures_of(bench, 2)}
        for failure in failures.values():
            assert failure.message.sealed
            assert (failure.message.body, failure.message.headers) == (b"", {})
            for opener in (Opener(), Opener.of(Fernet.generate_key().decode())):
                with pytest.raises(NotRedrivable, match="key"):
                    redrive(bench, failure, opener)
            redrive(bench, failure, Opener.of(f"{Fernet.generate_key().decode()},{KEY}"))
        assert failures[large.id].message.claim
        bench.wait_for(lambda: bench.app.AsyncResult(large.id).successful() or None)
        first, second = runs_of(bench, small.id, 2)
        assert second == first
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and "claims" in path.parts]
        kept += [path for path in bench.spool.parent.rglob("*") if path.is_file() and "spool" in str(path)]
        assert kept
        assert not any(PASSWORD.encode() in path.read_bytes() for path in kept)
