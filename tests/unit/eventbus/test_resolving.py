"""Resolvers: what may stand for one, and a run that names redacted arguments never begins without their values."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from celery.app.trace import build_tracer

from eventbus.redaction import REDACTED, RESOLVED
from eventbus.resolving import ResolverInvalid, resolver_of, resolving
from eventbus.wire import REDACTED_HEADER

SEEN: list[tuple[Any, ...]] = []


def give(task: str, task_id: str, path: str) -> str:
    """Give a value that tells what it was asked for."""
    return f"{task} {task_id} {path}"


def run(resolver: object, paths: list[str], *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - celery has no types
    """Run a task as a worker does, with a message that names these paths; gives what its trace gives."""
    app = Celery("shop", set_as_current=False, broker="memory://", backend="cache+memory://")
    SEEN.clear()

    def pay(*given: object, **named: object) -> str:
        SEEN.append((given, named, RESOLVED.get()))
        return "paid"

    task = app.task(pay, name="shop.pay", shared=False)
    trace = resolving(task, build_tracer(task.name, task, app=app), resolver_of(resolver))
    request = {"id": "t-1", "task": task.name, REDACTED_HEADER: paths, "hostname": "h", "retries": 0}
    return trace("t-1", list(args), kwargs, request)


def test_the_values_are_where_their_paths_lead() -> None:
    """Beside them everything is as it came; while the task runs they count as secret, and no longer."""
    card = {"number": REDACTED, "name": "Ann"}
    paths = ["args.0", "kwargs.card.number"]
    outcome = run("tests.unit.eventbus.test_resolving:give", paths, REDACTED, "x", card=card)
    values = tuple(f"shop.pay t-1 {path}" for path in paths)
    assert [((values[0], "x"), {"card": {"number": values[1], "name": "Ann"}}, values)] == SEEN
    assert outcome.info is None
    assert RESOLVED.get() == ()


def broken(_task: str, _task_id: str, _path: str) -> str:
    """Stand for a vault that is away, and says too much."""
    raise LookupError("a-plain-word")


@pytest.mark.parametrize("resolver", [None, broken])
def test_without_a_value_the_task_does_not_run(resolver: object) -> None:
    """No resolver, or one that raises: the run has failed, and its error names the path and nothing of the value."""
    outcome = run(resolver, ["kwargs.password"], password=REDACTED)
    assert SEEN == []
    assert outcome.info.state == "FAILURE"
    assert "kwargs.password" in str(outcome.retval.exception)
    assert "a-plain-word" not in str(outcome.retval.exception)


def test_a_message_that_names_nothing_runs_as_ever() -> None:
    """An ordinary run asks no resolver."""
    run(broken, [], "x")
    assert SEEN == [(("x",), {}, ())]


@pytest.mark.parametrize("given", ["no.such.module:resolve", "eventbus.resolving:nothing", 3, "os:sep"])
def test_what_is_no_resolver_is_refused_at_install(given: object) -> None:
    """A module that is not there, a name that is not in it, what cannot be called: said at once."""
    with pytest.raises(ResolverInvalid, match="resolver"):
        resolver_of(given)
