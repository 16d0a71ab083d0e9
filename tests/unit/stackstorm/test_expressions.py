"""Expressions: what both languages make of them, in the real evaluators' words."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, ExpressionError, KeyNotFound, Outside, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

# Expressions of ours, with what the real evaluators (StackStorm/orquesta 1.6, the functions of StackStorm/st2 3.10dev)
# made of them: a value, an error as an execution shows it, or the kind of a value that JSON does not have.
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("expression_cases.json").read_text())


def plain(value: object) -> object:
    """Give tuples as lists, as JSON does."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list | tuple) else value


def outcome(given: object, apart: Callable[[str, Scope], Any] | None = None) -> dict[str, Any]:
    """Evaluate as recorded; what is costly, apart."""
    task = CurrentTask("t1", 0, copy.deepcopy(RECORDED["result"]))
    statuses = RECORDED["statuses"]
    scope = Scope(
        copy.deepcopy(RECORDED["context"]),
        task,
        RECORDED["item"],
        lambda name, _route: statuses.get(name, "null"),
        Outside(apart=apart),
    )
    try:
        value = plain(evaluate(given, scope))
    except Exception as error:  # noqa: BLE001 the recording holds errors of every class
        return {"error": f"{type(error).__name__}: {error}"}
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return {"kind": type(value).__name__}
    return {"value": value}


def test_every_expression_gives_what_the_real_evaluators_gave() -> None:
    """Values with their types, and errors word for word."""
    cases = RECORDED["cases"]
    ours = [{"given": case["given"], **outcome(case["given"])} for case in cases]
    # As JSON, which tells 1 from true.
    different = [(case, our) for case, our in zip(cases, ours, strict=True) if json.dumps(case) != json.dumps(our)]
    assert different == []
    assert len(cases) > 800


def scope_with(keys: dict[tuple[str, str], Any]) -> Scope:
    """Give a scope whose datastore holds some keys, by name and whether they are asked for decrypted."""

    def st2kv(key: str, user: str, decrypt: bool) -> str:
        if (key, user) not in keys:
            raise KeyNotFound(key)
        return f"{keys[key, user]}, {'in plain text' if decrypt else 'as it is stored'}"

    return Scope({"st2": {"user": "ann"}}, outside=Outside(st2kv))


@pytest.mark.parametrize("form", ["<% {} %>", "{{{{ {} }}}}"])
def test_st2kv_asks_the_datastore(form: str) -> None:
    """The key, the workflow's user and `decrypt` are handed on; `default` stands in for what is not there."""
    scope = scope_with({("system.a", "ann"): "v"})
    arrow = "=>" if form.startswith("<%") else "="
    assert evaluate(form.format("st2kv('system.a')"), scope) == "v, as it is stored"
    assert evaluate(form.format(f"st2kv('system.a', decrypt {arrow} true)"), scope) == "v, in plain text"
    assert evaluate(form.format(f"st2kv('system.b', default {arrow} 5)"), scope) == 5
    for call, words in (
        ("st2kv('system.b')", 'ExpressionEvaluationException: The key "system.b" does not exist'),
        ("st2kv(5)", "TypeError: Given key is not typeof string."),
        (f"st2kv('system.a', decrypt {arrow} 1)", "TypeError: Decrypt parameter is not typeof bool."),
    ):
        with pytest.raises(ExpressionError, match=re.escape(words)):
            evaluate(form.format(call), scope)


def test_task_shows_a_task_of_the_workflow() -> None:
    """task() is the current task, task(name) another; a task that has not run is an error."""
    known = {"a": {"task_id": "a", "result": {"n": [1]}}}
    scope = Scope({}, CurrentTask("a", 0), outside=Outside(task=lambda name, _route: known.get(name)))
    assert evaluate("<% task().result.n %>", scope) == [1]
    assert evaluate("{{ task('a').task_id }}", scope) == "a"
    with pytest.raises(ExpressionError, match='Unable to find task execution for "b"'):
        evaluate("<% task(b) %>", scope)
