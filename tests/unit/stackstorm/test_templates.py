"""Jinja outside of workflows: what it may name, what it makes of that, and where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.apart import Apart, Limits
from orchestrator.stackstorm.embedded.datastore import PERSONAL, Datastore
from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.lookups import Lookups, StoredKeys
from orchestrator.stackstorm.embedded.rules import templates
from orchestrator.stackstorm.embedded.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Form = Callable[[str], str]

# All that StackStorm's documentation lists.
FILTERS = [
    "decrypt_kv",
    "from_json_string",
    "from_yaml_string",
    "json_escape",
    "jsonpath_query",
    "to_complex",
    "to_json_string",
    "to_yaml_string",
    "regex_match",
    "regex_replace",
    "regex_search",
    "regex_substring",
    "to_human_time_from_seconds",
    "version_compare",
    "version_more_than",
    "version_less_than",
    "version_equal",
    "version_match",
    "version_bump_major",
    "version_bump_minor",
    "version_bump_patch",
    "version_strip_patch",
    "use_none",
    "basename",
    "dirname",
]


@pytest.fixture(scope="module", params=["here", "apart"])
def names(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What templates may name, with costly ones rendered in this process, and in one of their own."""
    folder: Path = tmp_path_factory.mktemp("state")
    store = Store(folder / "state.sqlite")
    keys = Datastore(store, folder)
    keys.set("plain", "values")
    keys.set("dotted.name", "5")
    keys.set("secret", "hidden", secret=True)
    keys.set("own", "ann's", PERSONAL, "ann")
    apart = Apart(Limits(seconds=2)) if request.param == "apart" else None
    yield {
        "trigger": {"n": 5, "list": [1, {"a": None}], "text": "a 'b' \"c\""},
        "action_context": {"user": "ann"},
        "st2kv": Lookups(StoredKeys(keys), "ann", apart),
    }
    if apart is not None:
        apart.close()
    store.close()


def costly(text: str) -> str:
    """Give a template that says the same and is rendered apart."""
    return "{% for once in [1] %}" + text + "{% endfor %}"


@pytest.mark.parametrize("form", [str, costly])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ trigger.n }} {{ action_context.user }}", "5 ann"),
        ("{{ st2kv.system.plain }}", "values"),
        ("{{ st2kv.system['dotted.name'] }} {{ st2kv.system.dotted.name | int + 1 }}", "5 6"),
        ("{{ st2kv.user.own }}", "ann's"),
        ("{{ st2kv.system.nothing }}", ""),
        ("{{ st2kv.system.secret | decrypt_kv }}", "hidden"),
        ("{{ trigger.list | to_complex }}", '[1, {"a": null}]'),
        ("{{ trigger.list[1].a | use_none }}", templates.NONE_MARK),
        ("{{ trigger.text | json_escape }}", "a 'b' \\\"c\\"),
        ("{% if 5 is in trigger.list %}yes{% else %}no{% endif %}", "no"),
    ],
)
def test_templates_see_the_trigger_the_context_and_the_datastore(
    names: dict[str, Any], form: Form, text: str, expected: str
) -> None:
    """The same text, wherever it is rendered."""
    assert templates.render("x", form(text), names) == expected


@pytest.mark.parametrize("form", [str, costly])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ st2kv.system.nothing | decrypt_kv }}", 'Referenced datastore item "st2kv.system.nothing" doesn\'t exist'),
        ("{{ st2kv.system.plain | decrypt_kv }}", "Non-hexadecimal digit found"),
        ("{{ trigger.nope }}", "'dict object' has no attribute 'nope'"),
        ("{{ st2kv._keys }}", "attribute '_keys' of 'Lookups' object is unsafe"),
    ],
)
def test_what_cannot_be_rendered_names_the_parameter_and_the_reason(
    names: dict[str, Any], form: Form, text: str, words: str
) -> None:
    """In StackStorm's words."""
    with pytest.raises(ParameterError) as caught:
        templates.render("x", form(text), names)
    assert str(caught.value).startswith('Failed to render parameter "x": ')
    assert words in str(caught.value).replace("access to ", "")


def test_a_mapping_keeps_the_types_of_what_is_one_variable_alone(names: dict[str, Any]) -> None:
    """`{{n}}` without blanks keeps its type in a mapping or list; with blanks, or among others, it is text."""
    value = {"a": ["{{n}}", "{{ n }}", "{{n}}!"], "b": {"c": "{{l}}"}, "d": 1}
    rendered = templates.render("x", value, {**names, "n": 5, "l": [None]})
    assert rendered == {"a": [5, "5", "5!"], "b": {"c": [None]}, "d": 1}


def test_every_filter_of_stackstorm_is_there() -> None:
    """None of them is a problem, and one that is not there is."""
    assert [found for name in FILTERS for found in templates.problems(f"{{{{ x | {name} }}}}")] == []
    assert [*templates.problems({"a": "{{ x | nope }}"})] == ["expected Jinja, got: No filter named 'nope'."]


def test_braces_that_are_no_jinja_are_left_alone() -> None:
    """Docker's {{.Names}} asks for nothing, and is no fault."""
    assert templates.is_literal("{{.Names}}")
    assert templates.names_in("{{.Names}}") == frozenset()
    assert [*templates.problems("{{.Names}}")] == []
    assert not templates.is_literal("{{ a }}")
    assert templates.names_in(["{{ a }}", {"b": "{{ c.d }}"}]) == {"a", "c"}


def test_a_template_that_never_ends_is_stopped(names: dict[str, Any]) -> None:
    """Anybody who may run an action may send one as a parameter."""
    if names["st2kv"]._apart is None:
        pytest.skip("nothing stops it in this process")
    with pytest.raises(ParameterError, match="TimeoutError"):
        templates.render("x", "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | regex_search('(a|a)+$') }}", names)


def test_nothing_is_evaluated_while_a_template_is_only_read() -> None:
    """Jinja folds constants when it compiles; a pattern that backtracks for ever must not hold up a load or a check."""
    never = "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | regex_search('(a|a)+$') }} {{ 'a' * 10 ** 10 }} {{ x }}"
    assert [*templates.problems(never)] == []
    assert templates.names_in(never) == {"x"}
