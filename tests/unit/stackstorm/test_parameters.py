"""Parameters of executions: rendered, converted, validated in StackStorm's own words."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.stackstorm.embedded.api.views import execution_view
from orchestrator.stackstorm.embedded.content.values import Action
from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.masking import masked, masked_result
from orchestrator.stackstorm.embedded.parameters import final, live

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
    runner, own = final(ACTION, shown, CONTEXT)
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
        ({"id": "{{ unknown }}"}, 'Dependency unsatisfied in variable "unknown"'),
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


def test_what_is_no_template_after_all_stays_as_it_is() -> None:
    """A text with braces that Jinja cannot read is a text."""
    assert live(ACTION, {"id": "{{ a b }}"}, CONTEXT)["id"] == "{{ a b }}"


def test_what_is_shown_is_no_template_any_more() -> None:
    """A rendered value that looks like Jinja reaches the action as it is."""
    shown = live(ACTION, {"id": "{{ trigger.text }}"}, {**CONTEXT, "trigger": {"text": "{{ trigger.n }}"}})
    assert final(ACTION, shown, CONTEXT)[1]["id"] == "{{ trigger.n }}"


def test_an_immutable_default_is_rendered_for_the_action_alone() -> None:
    """So does core.echo: its command names its message, and no execution shows it."""
    schemas = {
        "message": {"type": "string", "required": True},
        "cmd": {"type": "string", "required": True, "default": 'echo "{{message}}"', "immutable": True},
        "sudo": {"immutable": True},
    }
    action = Action("core", "echo", "local-shell-cmd", {}, schemas)
    shown = live(action, {"message": "hi"}, {})
    assert shown == {"message": "hi"}
    runner, own = final(action, shown, {})
    assert (runner["cmd"], runner["sudo"], runner["timeout"], own) == ('echo "hi"', False, 60, {"message": "hi"})


def test_a_null_gives_way_to_the_default() -> None:
    """As in StackStorm, where a parameter without a value is one that was not given."""
    assert live(ACTION, {"id": "x", "n": None}, CONTEXT)["n"] == 3


def test_secret_parameters_are_masked() -> None:
    """A secret shows as asterisks, even one without a value; the rest as it is."""
    assert masked(SCHEMAS, {"token": "s3cret", "id": "x"}) == {"token": "********", "id": "x"}
    assert masked(SCHEMAS, {"token": None}) == {"token": "********"}


@pytest.mark.parametrize(
    ("schema", "given", "message"),
    [
        ({"type": "integer"}, "hunter2", "expected a whole number for a secret parameter, got text"),
        ({"type": "string"}, ["hunter2"], "expected text for a secret parameter, got a list"),
        ({"type": "object"}, "hunter2", "expected a mapping for a secret parameter, got text"),
        ({"type": "string", "maxLength": 3}, "hunter2", '"p" holds a secret: expected maxLength 3, got text'),
        ({"type": "string", "enum": ["a"]}, "hunter2", '"p" holds a secret: expected one of a, None, got text'),
        ({"not": {"type": "string"}}, "hunter2", '"p" holds a secret: expected what not in the schema asks for'),
    ],
)
def test_an_error_shows_no_secret(schema: dict[str, Any], given: object, message: str) -> None:
    """What was expected is said without the value, at any depth; errors are logged, and shown by the API."""
    secret, beside = {**schema, "secret": True}, {"type": "integer", "maximum": 0}
    action = Action("demo", "act", "python-script", {}, {"p": secret})
    with pytest.raises(ParameterError) as caught:
        live(action, {"p": given}, {})
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    nested = {"p": {"type": "object", "properties": {"q": secret, "r": beside}, "maxProperties": 2}}
    for value in ({"q": given}, {"q": given, "r": 0, "s": 0}):
        with pytest.raises(ParameterError) as caught:
            live(Action("demo", "act", "python-script", {}, nested), {"p": value}, {})
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ParameterError, match="1 is greater than the maximum of 0"):
        live(Action("demo", "act2", "python-script", {}, nested), {"p": {"r": 1}}, {})


def test_secrets_are_masked_at_any_depth() -> None:
    """In mappings, in lists, by one of several patterns and among all others."""
    secret = {"type": "string", "secret": True}
    schemas = {
        "login": {"type": "object", "properties": {"user": {"type": "string"}, "password": secret}},
        "logins": {"type": "array", "items": {"type": "object", "properties": {"password": secret}}},
        "env": {"type": "object", "patternProperties": {"KEY$": secret}, "additionalProperties": {"type": "string"}},
        "both": {"type": "object", "patternProperties": {"^API": {"type": "string"}, "KEY$": {"secret": True}}},
        "rest": {"type": "object", "additionalProperties": secret},
        "places": {"type": "array", "items": [{"type": "string"}], "additionalItems": secret},
    }
    values = {
        "login": {"user": "u", "password": "p"},
        "logins": [{"password": "p", "other": 1}],
        "env": {"API_KEY": "k", "HOME": "/"},
        "both": {"API_KEY": "k", "API_URL": "/"},
        "rest": {"any": "x"},
        "places": ["open", "closed"],
        "unknown": 1,
    }
    assert masked(schemas, values) == {
        "login": {"user": "u", "password": "********"},
        "logins": [{"password": "********", "other": 1}],
        "env": {"API_KEY": "********", "HOME": "/"},
        "both": {"API_KEY": "********", "API_URL": "/"},
        "rest": {"any": "********"},
        "places": ["open", "********"],
        "unknown": 1,
    }
    assert values["login"]["password"] == "p"


def test_secret_output_is_masked() -> None:
    """In the part of the result that the output schema is about; an older schema names the properties alone."""
    schema = {"token": {"type": "string", "secret": True}}
    result = {"result": {"token": "t", "n": 1}, "stdout": ""}
    hidden = {"result": {"token": "********", "n": 1}, "stdout": ""}
    assert masked_result("result", schema, result) == hidden
    assert masked_result("result", {"type": "object", "properties": schema}, result) == hidden
    assert masked_result(None, schema, result) == result


def test_a_secret_response_to_an_inquiry_is_masked() -> None:
    """As the inquiry's own schema says; what waits for a response has none, and a runner's other results stay."""
    schema = {"type": "object", "properties": {"otp": {"type": "string", "secret": True}, "go": {"type": "boolean"}}}
    result = {"schema": schema, "response": {"otp": "123456", "go": True}}
    assert shown_result("inquirer", result) == {"schema": schema, "response": {"otp": "********", "go": True}}
    assert shown_result("inquirer", {"schema": schema}) == {"schema": schema}
    assert shown_result("noop", result) == result


def shown_result(runner: str, result: dict[str, Any]) -> Any:  # noqa: ANN401 any JSON
    """Give what the API shows of an execution's result."""
    action = {"ref": "core.ask", "parameters": {}, "output_schema": {}}
    document = {"id": "e", "liveaction_id": "l", "action": action, "runner": runner, "status": "pending"}
    more = {"parameters": {}, "context": {}, "log": [], "result": result}
    return execution_view({**document, **more}, (), "http://127.0.0.1/v1", 1)["result"]


def test_an_action_that_was_read_anew_is_checked_as_it_is_now() -> None:
    """What is known of an action's parameters goes with the action, not with its name."""
    assert live(Action("demo", "again", "noop", {}, {}), {}, {}) == {}
    changed = Action("demo", "again", "noop", {}, {"must": {"type": "string", "required": True}})
    with pytest.raises(ParameterError, match="'must' is a required property"):
        live(changed, {}, {})
    assert live(changed, {"must": "be"}, {}) == {"must": "be"}
