"""Parameters of executions: rendered, converted, validated in StackStorm's own words."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.stackstorm.embedded.content.values import Action
from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.parameters import final, live, masked

SCHEMAS: dict[str, Any] = {
    "id": {"type": "string", "required": True},
    "n": {"type": "integer", "default": 3},
    "share": {"type": "number"},
    "yes": {"type": "boolean"},
    "map": {"type": "object"},
    "list": {"type": "array"},
    "line": {"type": "string", "default": "{{ id }} of {{ config_context.team }}"},
    "token": {"type": "string", "secret": True},
    "fixed": {"type": "string", "default": "always", "immutable": True},
    "kind": {"type": "string", "enum": ["a", "b"]},
    "timeout": {"default": 60},
}
ACTION = Action("demo", "act", "python-script", {}, SCHEMAS)
CONTEXT: dict[str, Any] = {"config_context": {"team": "ops"}, "trigger": {"n": 7, "map": {"a": [1]}}}


def test_templates_are_rendered_and_converted_to_their_types() -> None:
    """A rule's template gives text; the parameter's type makes of it what the action expects."""
    given = {
        "id": "x{{ trigger.n }}",
        "n": "{{ trigger.n }}",
        "share": "{{ trigger.n / 2 }}",
        "yes": "{{ trigger.n > 1 }}",
        "map": "{{ trigger.map | to_complex }}",
        "list": ["{{ trigger.n }}"],
    }
    shown = live(ACTION, given, CONTEXT)
    assert shown == {
        "id": "x7",
        "n": 7,
        "share": 3.5,
        "yes": True,
        "map": {"a": [1]},
        "list": ["7"],
        "line": "x7 of ops",
    }


def test_plain_defaults_are_not_shown_but_reach_the_action() -> None:
    """An execution shows what it was given and rendered defaults; the action gets all."""
    shown = live(ACTION, {"id": "x"}, CONTEXT)
    assert shown == {"id": "x", "line": "x of ops"}
    runner, own = final(ACTION, shown)
    assert (runner["timeout"], runner["log_level"], own["n"], own["fixed"]) == (60, "DEBUG", 3, "always")
    assert "timeout" not in own


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "'id' is a required property"),
        ({"id": "x", "zz": 1}, "Additional properties are not allowed ('zz' was unexpected)"),
        ({"id": "x", "n": "abc"}, "invalid literal for int() with base 10: 'abc'"),
        ({"id": 7}, 'Value "7" must either be a string or None. Got "int".'),
        ({"id": "x", "kind": "c"}, "'c' is not one of ['a', 'b', None]"),
        ({"id": "{{ trigger.gone }}"}, "Failed to render parameter \"id\": 'dict object' has no attribute 'gone'"),
        ({"id": "{{ n }}", "n": "{{ id }}"}, "Cyclic dependency found in the following variables: id, line, n"),
        ({"id": "x", "fixed": "other"}, "immutable"),
    ],
)
def test_bad_parameters_are_refused(given: dict[str, Any], message: str) -> None:
    """The message is the faultstring that a client shows."""
    with pytest.raises(ParameterError) as caught:
        live(ACTION, given, CONTEXT)
    assert message in str(caught.value)


def test_optional_parameters_may_be_null() -> None:
    """Null for what may be left out is no violation."""
    assert live(ACTION, {"id": "x", "map": None, "kind": None, "n": None}, CONTEXT)["map"] is None


def test_secret_parameters_are_masked() -> None:
    """A secret shows as asterisks; the rest as it is."""
    assert masked(SCHEMAS, {"token": "s3cret", "id": "x"}) == {"token": "********", "id": "x"}
