"""Costly expressions: told from cheap ones by their text, evaluated in a process that can be stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.apart import Apart, Limits
from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, ExpressionError, KeyNotFound, Outside, Scope
from tests.unit.stackstorm.test_expressions import RECORDED, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(seconds=0.5)
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
)
SLOW = [
    "<% range(1000000000000).len() %>",
    "<% ctx().itself %>",
    "{{ ctx().pattern }}",
    "<% regex_match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '(a+)+$') %>",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
]
LARGE = [
    "<% 'a' * 10000000000 %>",
    "{{ [1] * 10 ** 10 }}",
    "{{ '%10000000000d' % 1 }}",
    "<% from_yaml_string(ctx().bomb) %>",
    "{{ " + "(" * 4000 + "1" + ")" * 4000 + " }}",
]


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    """A process for costly expressions, with little patience."""
    process = Apart(LIMITS)
    process.begin()
    yield process
    process.close()


def scope(apart: Apart) -> Scope:
    """Give what the expressions of these tests see."""
    variables = {
        "st2": {"user": "ann"},
        "l": [1, 2, 3],
        "bomb": BOMB,
        "itself": "<% range(1000000000000).len() %>",
        "pattern": "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | regex_search('(a|a)+$') }}",
    }

    def st2kv(key: str, user: str, decrypt: bool) -> str:
        if key != "system.a":
            raise KeyNotFound(key)
        return f"{user} {decrypt}"

    outside = Outside(st2kv, lambda name, route: {"task_id": name, "route": route}, apart.evaluate)
    return Scope(variables, CurrentTask("t", 0, {"n": 5}), None, lambda name, _route: f"status of {name}", outside)


def test_the_recorded_expressions_give_the_same_there(apart: Apart) -> None:
    """Every recorded value and error, wherever it is evaluated."""
    cases = [case for case in RECORDED["cases"] if "kind" not in case]
    ours = [{"given": case["given"], **outcome(case["given"], apart.evaluate)} for case in cases]
    assert [(case, our) for case, our in zip(cases, ours, strict=True) if case != our] == []


@pytest.mark.parametrize("text", SLOW)
def test_what_takes_too_long_is_stopped_and_the_next_is_answered(apart: Apart, text: str) -> None:
    """The error says so, in time, and names the expression."""
    evaluate("<% ctx().l.select($) %>", scope(apart))
    started = time.monotonic()
    with pytest.raises(ExpressionError, match=r"TimeoutError: expected an end within 0\.5 seconds") as caught:
        evaluate(text, scope(apart))
    assert time.monotonic() - started < LIMITS.seconds + 5
    assert text in str(caught.value)
    assert evaluate("<% ctx().l.select($ + 1) %>", scope(apart)) == [2, 3, 4]


@pytest.mark.parametrize("text", LARGE, ids=range(len(LARGE)))
def test_what_grows_too_large_or_too_deep_is_an_error(apart: Apart, text: str) -> None:
    """Neither this process nor that one is brought down."""
    with pytest.raises(ExpressionError, match=r"MemoryError|fewer values|RecursionError|TimeoutError"):
        evaluate(text, scope(apart))
    assert evaluate("<% ctx().l.select($ + 1) %>", scope(apart)) == [2, 3, 4]


def test_it_asks_back_for_what_only_the_workflow_knows(apart: Apart) -> None:
    """Statuses, tasks, results and the datastore are those of the process that asked."""
    loop = "{% for i in range(1) %}BODY{% endfor %}"
    for body, expected in (
        ("{{ task_status('a') }}", "status of a"),
        ("{{ task('a').task_id }}", "a"),
        ("{{ result().n }}", 5),
        ("{{ st2kv('system.a', decrypt=true) }}", "ann True"),
        ("{{ st2kv('system.b', default='none') }}", "none"),
    ):
        assert evaluate(loop.replace("BODY", body), scope(apart)) == str(expected)
    with pytest.raises(ExpressionError, match=r'The key "system\.b" does not exist'):
        evaluate(loop.replace("BODY", "{{ st2kv('system.b') }}"), scope(apart))


def test_a_process_that_is_slow_to_begin_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks meanwhile is told so; it is not begun anew, and the next who asks is answered."""
    monkeypatch.setattr("orchestrator.stackstorm.embedded.apart._PATIENCE", 0.0)
    process = Apart(LIMITS)
    try:
        with pytest.raises(ExpressionError, match="expected the process for costly expressions to begin within"):
            process.evaluate("<% range(3).len() %>", scope(process))
        monkeypatch.setattr("orchestrator.stackstorm.embedded.apart._PATIENCE", 30.0)
        assert process.evaluate("<% range(3).len() %>", scope(process)) == 3
    finally:
        process.close()


def nowhere(text: str, _scope: Scope) -> Any:  # noqa: ANN401 the shape of the function it stands for
    """Refuse to evaluate."""
    raise AssertionError(text)


@pytest.mark.parametrize(
    "text",
    [
        "<% ctx().l %>",
        "<% succeeded() and result().n > 3 and not ctx().l[0] = 2 %>",
        "<% ctx(st2).user + '!' %> and <% switch(result().n = 5 => five, true => other) %>",
        "{{ ctx('st2').user }} is {{ result().n | default(3) }}",
        "{% if result().n > 3 %}yes{% else %}no{% endif %}",
    ],
)
def test_what_workflows_mostly_say_is_cheap(text: str) -> None:
    """It is evaluated where it stands, without a word to another process."""
    variables = {"st2": {"user": "ann"}, "l": [1]}
    evaluate(
        text, Scope(variables, CurrentTask("t", 0, {"n": 5}), None, lambda *_: "succeeded", Outside(apart=nowhere))
    )


@pytest.mark.parametrize(
    "text",
    [
        *SLOW[:1],
        *LARGE,
        "<% ctx().l.join(ctx().s) %>",
        "{{ ctx().l | join }}",
        "<% '{:>9}'.format(1) %>",
        "x" * 9999 + "{{ 1 }}",
    ],
    ids=str,
)
def test_what_may_cost_more_than_its_data_goes_elsewhere(text: str) -> None:
    """Loops, products, patterns, parsers, texts that are long or deep."""
    with pytest.raises(AssertionError):
        evaluate(text, Scope({"l": [], "s": "", "bomb": ""}, outside=Outside(apart=nowhere)))
