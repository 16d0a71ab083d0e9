"""Routes as documents: what is understood is read as it stands, and the rest is an error that says what was meant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from eventbus.routes import KEYS, route_of
from orchestrator.domain.routes.constraints import Classes, Constraints
from orchestrator.domain.routes.fields import RouteInvalid
from orchestrator.domain.routes.reading import constraints_of, table_of, target_of
from orchestrator.domain.routes.targets import RouteTarget

WHOLE: dict[str, Any] = {
    "queue": "llm-eu",
    "kwargs": {"model": "other"},
    "dependency": "eu-model",
    "region": "eu",
    "data_class": "internal",
    "memory_class": "large",
    "capabilities": ["tools"],
    "context_tokens": 8000,
    "usd_per_million_tokens": 0.15,
}


def test_a_target_is_read_as_it_stands() -> None:
    """Every key of a document is in the target."""
    target = target_of({"name": "eu", **WHOLE})
    assert target == RouteTarget(
        "eu",
        queue="llm-eu",
        kwargs={"model": "other"},
        dependency="eu-model",
        region="eu",
        data_class="internal",
        memory_class="large",
        capabilities=("tools",),
        context_tokens=8000,
        usd_per_million_tokens=Decimal("0.15"),
    )
    assert target.place == ("", "llm-eu")
    assert target_of({"exchange": "x", "routing_key": ""}).place == ("x", "")
    assert target_of({"kwargs": {"a": 1}}).place is None


def test_a_declared_route_is_a_target() -> None:
    """Whatever a worker takes for a route, key by key, the orchestrator reads as one."""
    assert target_of(route_of("bulk")) == RouteTarget("bulk", queue="bulk")
    declared = route_of({key: value for key, value in WHOLE.items() if key in KEYS})
    assert target_of(declared).region == "eu"
    assert {"queue", "exchange", "routing_key", *WHOLE} == set(KEYS)


def test_a_target_without_a_name_is_called_by_what_it_is() -> None:
    """Queue, exchange and arguments make the name; the same ones the same, and a long one is short."""
    assert target_of({"queue": "q", "kwargs": {"b": "x", "a": 1}}).name == 'q a=1 b="x"'
    assert target_of({"exchange": "x", "routing_key": "k"}).name == "x/k"
    assert target_of({"queue": "q" * 200, "kwargs": {"a": 1}}).name.startswith("route ")
    assert target_of("home").name != "home"


WRONG_TARGETS: list[tuple[object, str]] = [
    (1, "route: expected a mapping, got 1"),
    ({"region": "eu"}, "route: expected a queue, an exchange or kwargs"),
    ({"queue": "a", "exchange": "b", "routing_key": "c"}, "route: expected a queue, or an exchange with a routing_key"),
    ({"exchange": "b"}, "route: expected a queue, or an exchange with a routing_key"),
    ({"queu": "a"}, r"got queu \(meant: queue\?\)"),
    ({"queue": ""}, "route.queue: expected text of 1 to 200 characters, got ''"),
    ({"queue": "a", "name": "home"}, "route.name: expected another name than 'home'"),
    ({"queue": "a", "kwargs": {"x": float("nan")}}, "route.kwargs: expected keyword arguments with JSON values"),
    ({"queue": "a", "kwargs": {}}, "route.kwargs: expected keyword arguments"),
    ({"queue": "a", "kwargs": {1: 1}}, "route.kwargs: expected keyword arguments"),
    ({"queue": "a", "capabilities": "tools"}, "route.capabilities: expected a list of names"),
    ({"queue": "a", "context_tokens": True}, "route.context_tokens: expected a number from 1, got True"),
    ({"queue": "a", "context_tokens": 0}, "route.context_tokens: expected a number from 1, got 0"),
    ({"queue": "a", "usd_per_million_tokens": -1}, "usd_per_million_tokens: expected USD per million tokens, got -1"),
    ({"queue": "a", "usd_per_million_tokens": float("inf")}, "expected USD per million tokens, got inf"),
    ({"queue": "a", "usd_per_million_tokens": True}, "expected USD per million tokens, got True"),
    ({"queue": "a", "usd_per_million_tokens": "much"}, "expected USD per million tokens, got 'much'"),
]


@pytest.mark.parametrize(("document", "why"), WRONG_TARGETS)
def test_a_wrong_target_is_refused(document: object, why: str) -> None:
    """The error names the key, what was expected and what came."""
    with pytest.raises(RouteInvalid, match=why):
        target_of(document)


def test_constraints_are_values_or_name_an_argument() -> None:
    """What an argument says is kept as its path, beside the values."""
    read = constraints_of({"regions": ["eu"], "context_tokens": {"argument": "kwargs.tokens"}})
    assert read == Constraints(regions=("eu",), arguments=(("context_tokens", "kwargs.tokens"),))


WRONG_CONSTRAINTS: list[tuple[object, str]] = [
    ({"region": ["eu"]}, r"got region \(meant: regions\?\)"),
    ({"regions": "eu"}, "constraints.regions: expected a list of names, got 'eu'"),
    ({"region": {"argument": "kwargs.a"}}, r"got region \(meant: regions\?\)"),
    ({"regions": {"argument": "a"}}, "regions.argument: expected a path such as kwargs.tokens or args.0, got 'a'"),
    ({"regions": {"argument": "headers.a"}}, "expected a path such as kwargs.tokens"),
    ({"regions": {"argument": "kwargs."}}, "expected a path such as kwargs.tokens"),
    ({"regions": {"argument": 1}}, "expected a path such as kwargs.tokens or args.0, got 1"),
    ({"context_tokens": {"arg": "kwargs.a"}}, "constraints.context_tokens: expected a number from 1"),
]


@pytest.mark.parametrize(("document", "why"), WRONG_CONSTRAINTS)
def test_wrong_constraints_are_refused(document: object, why: str) -> None:
    """The error names the key, what was expected and what came."""
    with pytest.raises(RouteInvalid, match=why):
        constraints_of(document)


WRONG_TABLES: list[tuple[object, str]] = [
    ({}, "routes: expected a list of entries"),
    ([{"targets": ["a"]}], r"routes\[0\]: expected `task` \(a name pattern\), `dependency`, or both"),
    ([{"task": "a"}], r"routes\[0\]: expected targets, constraints, hop_limit or home_memory_class"),
    ([{"task": "a", "targets": ["a", "a"]}], r"routes\[0\].targets: expected each target under a name of its own"),
    ([{"task": "a", "targets": ["a"] * 33}], r"targets: expected a list of at most 32 targets"),
    ([{"task": "a", "hop_limit": 101}], r"hop_limit: expected a number from 1 to 100, got 101"),
    ([{"task": "a", "home_memory_class": "tiny"}], r"routes\[0\].home_memory_class: expected one of small, medium"),
    ([{"task": "a", "targets": [{"queue": "a", "memory_class": "b"}]}], r"targets\[a\].memory_class: expected one of"),
    ([{"task": "a", "constraints": {"memory_class": "b"}}], r"constraints.memory_class: expected one of small"),
    ([{"task": "a", "target": ["a"]}], r"got target \(meant: targets\?\)"),
]


@pytest.mark.parametrize(("documents", "why"), WRONG_TABLES)
def test_a_wrong_table_is_refused(documents: object, why: str) -> None:
    """The error names the entry and the key."""
    with pytest.raises(RouteInvalid, match=why):
        table_of(documents)


def test_a_data_class_has_to_be_in_the_order_that_is_given() -> None:
    """Where the classes of data are ordered, one that is not among them would close its targets for good."""
    entries = [{"task": "a", "targets": [{"queue": "a", "data_class": "pii"}]}]
    assert table_of(entries).rules[0].targets[0].data_class == "pii"
    with pytest.raises(RouteInvalid, match="data_class: expected one of public, secret, got 'pii'"):
        table_of(entries, Classes(data=("public", "secret")))


def test_all_matching_entries_count() -> None:
    """Targets in order, the first of a name; every constraint; the smallest limit; the first home that is known."""
    table = table_of(
        [
            {"task": "llm.*", "targets": [{"name": "x", "queue": "first"}, "b"], "constraints": {"regions": ["eu"]}},
            {"dependency": "model", "targets": [{"name": "x", "queue": "second"}, "c"], "hop_limit": 5},
            {"task": "llm.*", "dependency": "other", "targets": ["never"]},
            {"task": "*", "hop_limit": 2, "home_memory_class": "small", "constraints": {"capabilities": ["tools"]}},
            {"task": "*", "home_memory_class": "large"},
        ]
    )
    rule = table.of("llm.ask", "model")
    assert [(each.name, each.queue) for each in rule.targets] == [("x", "first"), ("b", "b"), ("c", "c")]
    assert (rule.hop_limit, rule.home_memory_class) == (2, "small")
    assert table.demands("llm.ask", "model") == (Constraints(regions=("eu",)), Constraints(capabilities=("tools",)))
    assert table.of("mail", None).targets == ()
    assert table_of([]).of("mail", None).hop_limit == 3
