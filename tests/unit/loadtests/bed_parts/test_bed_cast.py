"""What each process of a load test is told, and which links stand between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import sabotage
from loadtests.bed import engines, urls
from loadtests.bed.cast import Cast, Part
from loadtests.bed.links import needed
from loadtests.bed.urls import Web, at_port, port_of
from loadtests.scenarios.reading import load
from loadtests.scenarios.scenario import Bus, Engines, Fault, FaultKind, Link, Phase, PhaseKind

FOLDER = Path("/run/here")
WEB = Web(*(f"http://127.0.0.1:{12000 + number}" for number in range(7)))


def parts(name: str | None = None) -> dict[str, Part]:
    """Give the processes of an embedded run by name."""
    cast = Cast(FOLDER, urls.embedded(FOLDER), WEB, sabotage.of(name), Path("/packs"))
    return {each.name: each for each in cast.parts()}


def test_workers_have_the_scenario_s_children() -> None:
    """A search for the knee asks for more than the model's answers alone would fill."""
    cast = Cast(FOLDER, urls.embedded(FOLDER), WEB, sabotage.of(None), Path("/packs"), children=12)
    for worker in [each for each in cast.parts() if each.name.startswith("worker-")]:
        assert worker.command[worker.command.index("-c") + 1] == "12"


def test_broker_and_bus_are_two() -> None:
    """The plugin's events travel elsewhere than the tasks, and the orchestrator knows both by the worker's names."""
    worker, orchestrator = parts()["worker-on"].environ, parts()["orchestrator"].environ
    assert worker["LLM_APP_BROKER"] != worker["REDRIVE_BUS_URL"]
    assert orchestrator["REDRIVE_BROKER_URL"] == worker["LLM_APP_BROKER"]
    assert orchestrator["REDRIVE_BUS_URL"] == worker["REDRIVE_BUS_URL"]
    assert orchestrator["REDRIVE_JOURNAL_DIR"] == worker["REDRIVE_JOURNAL_DIR"]


def test_the_arms_differ_by_plugin_and_traces_alone() -> None:
    """Off has no plugin, traced sends spans; each reads its own queue, and all take as many tasks at once."""
    found = {arm: parts()[f"worker-{arm}"] for arm in ("off", "on", "traced")}
    assert [each.environ["LLM_APP_PLUGIN"] for each in found.values()] == ["off", "on", "on"]
    assert ["REDRIVE_TRACES" in each.environ for each in found.values()] == [False, False, True]
    queues = [each.command[each.command.index("-Q") + 1] for each in found.values()]
    assert queues == ["plain,plain-bulk", "celery,bulk", "traced,traced-bulk"]
    without = {"LLM_APP_PLUGIN", "REDRIVE_TRACES", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    rest = [{key: value for key, value in each.environ.items() if key not in without} for each in found.values()]
    assert rest[0] == rest[1] == rest[2]


def test_workers_and_probes_reach_the_provider_by_its_link() -> None:
    """What cuts the workers off cuts off the probe as well."""
    assert parts()["worker-on"].environ["LLM_APP_PROVIDER"] == WEB.provider_link
    assert f"{WEB.provider_link}/health" in parts()["orchestrator"].environ["REDRIVE_DEPENDENCIES"]


@pytest.mark.parametrize("name", sabotage.NAMES)
def test_a_sabotage_changes_which_module_runs(name: str) -> None:
    """Each sabotage starts another module in the place of one, and is told which it is."""
    plain, broken = parts(), parts(name)
    changed = {each for each in plain if plain[each].command != broken[each].command}
    assert changed
    assert all(broken[each].environ[sabotage.VARIABLE] == name for each in changed)


def test_only_the_links_that_are_turned_are_there() -> None:
    """Nothing stands between a worker and a provider whose link no fault is for."""
    smoke = load("smoke")
    assert needed(smoke) == frozenset()
    slow = Phase("a", PhaseKind.OVERHEAD, 10, bus=Bus.SLOW)
    cut = Phase("b", PhaseKind.RECOVERY, 10, faults=(Fault(FaultKind.LINK_CUT, 1, 1, Link.PROVIDER),))
    assert needed(replace(smoke, phases=(slow, cut))) == {Link.BUS, Link.PROVIDER}


def test_a_url_is_moved_to_another_port() -> None:
    """Login and path stay, the port is the link's."""
    assert at_port("amqp://guest:guest@127.0.0.1:1//", 2) == "amqp://guest:guest@127.0.0.1:2//"
    assert at_port("http://127.0.0.1:1/x", 2) == "http://127.0.0.1:2/x"
    assert port_of("http://127.0.0.1:17/x") == 17
    with pytest.raises(ValueError, match="expected a URL with a port"):
        port_of("http://127.0.0.1/x")


def test_real_engines_are_by_way_of_their_links() -> None:
    """The three databases move together, the broker stays where it is."""
    places = engines.of(Engines.REAL, FOLDER).urls
    moved = places.with_bus_at(1).with_databases_at(2)
    assert moved.broker == places.broker
    assert moved.bus == at_port(places.bus, 1)
    assert {port_of(each) for each in (moved.ledger, moved.eventlog, moved.warehouse)} == {2}
    assert len({moved.ledger, moved.eventlog, moved.warehouse}) == 3
