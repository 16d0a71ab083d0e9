"""Scenario files are read whole, or refused by the name of the key."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.scenarios import reading
from loadtests.scenarios.reading import ScenarioInvalid, as_data, lasting, load, parse, shipped
from loadtests.scenarios.scenario import Engines, FaultKind, Link, PhaseKind

if TYPE_CHECKING:
    from pathlib import Path

FAULT = {"kind": "provider_down", "at": [1, 4], "lasts": 5}
KILLED = {"kind": "worker_killed", "at": 1, "lasts": 3}
CHILD = {"kind": "child_killed", "at": 2, "lasts": 0}
LINKED = {"kind": "link_cut", "target": "bus", "at": 1, "lasts": 3}
PHASE = {"name": "recovery", "kind": "recovery", "seconds": 20, "faults": [FAULT]}
CONTENT: dict[str, Any] = {"about": "x", "engines": "embedded", "seed": 3, "rate": 10, "phases": [PHASE]}


def changed(path: str, value: object) -> dict[str, Any]:
    """Give the content with another value at a path such as `phases.0.faults.0.at`."""
    content = deepcopy(CONTENT)
    *way, last = path.split(".")
    place: Any = content
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    return content


@pytest.mark.parametrize("engines", Engines)
@pytest.mark.parametrize("name", shipped())
def test_the_shipped_ones_are_whole(name: str, engines: Engines) -> None:
    """Each can be played on both engines, and is what a report can hold."""
    scenario = load(name, engines=engines)
    assert scenario.engines is engines
    assert as_data(scenario)["phases"][0]["seconds"] > 0


def test_there_are_five() -> None:
    """Smoke, nightly, stress, soak and spike ship."""
    assert shipped() == ["nightly", "smoke", "soak", "spike", "stress"]


def test_the_nightly_makes_every_kind_of_fault() -> None:
    """On real engines no kind is left out, and none but those of servers on files."""
    real, files = (
        {each.kind for phase in load("nightly", engines=engines).phases for each in phase.faults}
        for engines in (Engines.REAL, Engines.EMBEDDED)
    )
    assert real == set(FaultKind)
    assert real - files == {FaultKind.DATABASE_RESTARTED, FaultKind.BROKER_RESTARTED}


def test_the_seed_draws_the_faults() -> None:
    """The same seed is the same plan, another is another, and what is drawn lies between its bounds."""
    drawn = [parse("x", CONTENT, seed=seed).phases[0].faults[0].at for seed in range(20)]
    assert drawn == [parse("x", CONTENT, seed=seed).phases[0].faults[0].at for seed in range(20)]
    assert len(set(drawn)) > 10
    assert all(1 <= at <= 4 for at in drawn)
    assert parse("x", CONTENT).seed == 3


def test_a_phase_that_repeats_is_drawn_each_time() -> None:
    """It is there as often as it says, under names that differ, with faults of its own."""
    phases = parse("x", changed("phases.0.repeat", 5)).phases
    assert [each.name for each in phases] == [f"recovery {number}" for number in range(1, 6)]
    assert len({each.faults[0].at for each in phases}) > 1


def test_a_fault_for_other_engines_is_left_out() -> None:
    """What needs a server is made where there is one."""
    content = changed("phases.0.faults.0", {"kind": "database_restarted", "at": 1, "lasts": 1, "only": "real"})
    assert parse("x", content).phases[0].faults == ()
    (fault,) = parse("x", content, engines=Engines.REAL).phases[0].faults
    assert fault.kind is FaultKind.DATABASE_RESTARTED


def test_a_link_is_read() -> None:
    """A link's fault has its link and its amount."""
    content = changed(
        "phases.0.faults.0", {"kind": "link_latency", "target": "bus", "at": 1, "lasts": 1, "amount": 0.2}
    )
    (fault,) = parse("x", content).phases[0].faults
    assert (fault.target, fault.amount) == (Link.BUS, 0.2)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("engines", "mysql", r"engines: expected one of embedded, real, got 'mysql'"),
        ("seed", "x", r"seed: expected a whole number"),
        ("seed", True, r"seed: expected a whole number"),
        ("rate", 0, r"rate: expected more than 0 and at most 10000, got 0"),
        ("rate", float("nan"), r"rate: expected a number, got nan"),
        ("rates", 1, r"rates: expected one of about, .*, got an unknown key"),
        ("about", "", r"about: expected a text"),
        ("malformed", 1.5, r"malformed: expected from 0 to 1, got 1.5"),
        ("phases", [], r"phases: expected one or more, got none"),
        ("phases", [PHASE, PHASE], r"phases: expected names that differ, got recovery"),
        ("phases", {}, r"phases: expected a list of tables"),
        ("phases", [3], r"phases\[0\]: expected a table, got int"),
        ("phases.0.kind", "calm", r"phases\[0\].kind: expected one of overhead, recovery, load, got 'calm'"),
        ("phases.0.kind", "overhead", r"phases\[0\].faults\[0\].kind: expected no fault in a phase that compares"),
        ("phases.0.seconds", 5, r"phases\[0\].faults\[0\].lasts: expected an end within the phase's 5 s"),
        ("phases.0.traced", 1, r"phases\[0\].traced: expected true or false, got 1"),
        ("phases.0.repeat", 0, r"phases\[0\].repeat: expected a whole number from 1 on, got 0"),
        ("phases.0.faults.0.kind", "fire", r"phases\[0\].faults\[0\].kind: expected one of provider_down, .*'fire'"),
        ("phases.0.faults.0.at", [4, 1], r"faults\[0\].at: expected the least before the most"),
        ("phases.0.faults.0.at", [1], r"faults\[0\].at: expected a number, or the least and the most"),
        ("phases.0.faults.0.at", -1, r"faults\[0\].at: expected from 0"),
        ("phases.0.faults.0.target", "bus", r"faults\[0\].target: expected a link for faults of links alone"),
        ("phases.0.faults.0.kind", "link_cut", r"faults\[0\].target: expected a link for faults of links alone"),
        ("phases.0.faults.0.kind", "provider_slow", r"faults\[0\].amount: expected one where the kind has one"),
        ("phases.0.faults.0.amount", 2, r"faults\[0\].amount: expected one where the kind has one"),
        ("phases.0.faults.0.kind", "broker_restarted", r"faults\[0\].kind: expected real engines for this fault"),
        (
            "phases.0.faults",
            [FAULT, FAULT],
            r"faults\[0\].at: expected a time at which provider_down of the same thing",
        ),
        ("phases.0.faults", [LINKED, LINKED], r"faults\[0\].at: expected a time at which link_cut of the same thing"),
        (
            "phases.0.faults",
            [KILLED, CHILD],
            r"faults\[0\].at: expected a time at which child_killed of the same thing",
        ),
        ("phases.0.faults", [CHILD, CHILD], r"faults\[0\].at: expected a time at which child_killed of the same thing"),
        ("phases.0.faults", [KILLED, KILLED], r"expected a time at which worker_killed of the same thing"),
        ("phases.0.faults", [KILLED, KILLED | {"kind": "worker_stopped"}], r"at which worker_stopped of the same"),
        ("phases.0.faults", [KILLED | {"kind": "orchestrator_killed"}] * 2, r"at which orchestrator_killed of the"),
        ("phases.0.telemetry_rate", 2, r"telemetry_rate: expected more than 0 where a phase has one of its own"),
        ("search", {"first_rate": 1}, r"search.factor: expected it to be there, got nothing; add it"),
        ("search", 3, r"search: expected a table, got int"),
    ],
)
def test_what_cannot_be_played_is_refused_by_its_key(path: str, value: object, said: str) -> None:
    """The error names the key, what was expected, and what came."""
    with pytest.raises(ScenarioInvalid, match=said):
        parse("x", changed(path, value))


def test_a_missing_key_is_told() -> None:
    """What has no default has to be there."""
    with pytest.raises(ScenarioInvalid, match="seed: expected it to be there"):
        parse("x", {key: value for key, value in CONTENT.items() if key != "seed"})


def test_a_file_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    """It is named for its file, and an error says which file it is of."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'about = "x"\nengines = "embedded"\nseed = 1\nrate = 5\n[[phases]]\nname = "a"\nkind = "load"\nseconds = 3\n'
    )
    assert load(str(file)).name == "mine"
    file.write_text("about = 3\n")
    with pytest.raises(ScenarioInvalid, match=r"mine\.toml: "):
        load(str(file))
    file.write_text("about = ")
    with pytest.raises(ScenarioInvalid, match="expected a file of TOML"):
        load(str(file))


def test_what_is_neither_a_name_nor_a_file_is_refused() -> None:
    """The names that there are stand in the error."""
    with pytest.raises(ScenarioInvalid, match="smok: expected one of nightly, smoke, soak, spike, stress, or a file"):
        load("smok")


def test_another_length_repeats_and_cuts_the_phases() -> None:
    """The phases come over and over, the last one cut, with the faults that fit into it."""
    scenario = lasting(parse("x", CONTENT), 45)
    assert [each.seconds for each in scenario.phases] == [20, 20, 5]
    assert [len(each.faults) for each in scenario.phases] == [1, 1, 0]
    assert len({each.name for each in scenario.phases}) == 3
    assert scenario.seconds == 45 + scenario.warm_up_seconds


def test_faults_of_one_process_may_follow_each_other() -> None:
    """What has ended is no hindrance, and another process is another thing."""
    faults = [KILLED, CHILD | {"at": 4}, KILLED | {"kind": "orchestrator_killed"}]
    assert len(parse("x", changed("phases.0.faults", faults)).phases[0].faults) == 3


def test_a_search_is_as_long_as_it_takes() -> None:
    """No length can be asked of it: its steps are as long as its file says."""
    with pytest.raises(ScenarioInvalid, match="--seconds: expected a scenario without"):
        lasting(load("stress"), 60)


def test_the_plain_parts_are_there_for_a_search() -> None:
    """Stress looks for the knee with plain load."""
    scenario = reading.load("stress")
    assert scenario.search is not None
    assert {each.kind for each in scenario.phases} == {PhaseKind.LOAD}


def test_an_outage_fails_enough_calls() -> None:
    """Wherever a scenario has an outage, it fails enough calls to tell a share of first retries."""
    for name in shipped():
        scenario = load(name)
        outages = [
            (p.rate or scenario.rate, f) for p in scenario.phases for f in p.faults if f.kind is FaultKind.PROVIDER_DOWN
        ]
        assert not outages or sum(rate * fault.lasts for rate, fault in outages) >= 73
