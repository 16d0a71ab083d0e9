"""Gates: read from a file, refused with the key's name, asked of the scenarios that can answer them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.scenarios.reading import load as load_scenario
from loadtests.scenarios.scenario import Bus, Engines, Fault, FaultKind, Phase, PhaseKind, Scenario, Search
from loadtests.verdict.gate import Gate, JudgedBy, Rule, Where
from loadtests.verdict.gates import GatesInvalid, load, parse

if TYPE_CHECKING:
    from pathlib import Path

OUTAGE = Fault(FaultKind.PROVIDER_DOWN, at=1, lasts=2)
OVERHEAD = Phase("overhead", PhaseKind.OVERHEAD, 10)
RECOVERY = Phase("outage", PhaseKind.RECOVERY, 10, faults=(OUTAGE,))


def scenario(*phases: Phase, name: str = "smoke") -> Scenario:
    """Give a scenario with some phases."""
    return Scenario(name, "", Engines.EMBEDDED, 1, 10, phases)


def asked(of: Scenario) -> set[str]:
    """Name the figures that the shipped gates ask of a scenario."""
    return {gate.figure for gate in load() if gate.asks(of)}


def table(**changes: Any) -> dict[str, Any]:
    """Give a file of one gate that is valid, with some keys changed."""
    return {"gate": [{"figure": "a", "below": 1, "reason": "because"} | changes]}


def only_rule(rule: str, judged_by: str) -> dict[str, Any]:
    """Give a file of one gate with this rule, judged by an end."""
    return {"gate": [{"figure": "a", "reason": "because", rule: 1, "judged_by": judged_by}]}


def test_the_missions_limits_are_in_the_shipped_file() -> None:
    """150 ms at p95 by the upper end, 95 % of first retries, our millisecond in the worker."""
    gates = {gate.figure: gate for gate in load()}
    mission, ours, retries = (
        gates[name] for name in ("overhead_p95_ms", "worker_overhead_p95_ms", "first_retry_success")
    )
    assert (mission.rule, mission.limit, mission.judged_by, mission.widest) == (Rule.BELOW, 150, JudgedBy.HIGH, 150)
    assert (ours.rule, ours.limit, ours.judged_by, ours.widest) == (Rule.BELOW, 1, JudgedBy.HIGH, 1)
    assert (retries.rule, retries.limit) == (Rule.AT_LEAST, 0.95)


def test_every_shipped_gate_says_why_its_limit_is_what_it_is() -> None:
    """Each has a reason of its own."""
    reasons = [gate.reason for gate in load()]
    assert len(set(reasons)) == len(reasons)


def test_a_gate_is_asked_where_the_scenario_can_answer_it() -> None:
    """Overhead is asked of overhead phases, first retries of recovery with faults, slopes of the soak alone."""
    assert "overhead_p95_ms" in asked(scenario(OVERHEAD))
    assert "overhead_p95_ms" not in asked(scenario(replace(OVERHEAD, bus=Bus.DOWN)))
    assert "overhead_p95_ms_bus_down" in asked(scenario(replace(OVERHEAD, bus=Bus.DOWN)))
    assert "overhead_p95_ms_traced" in asked(scenario(replace(OVERHEAD, traced=True)))
    assert "first_retry_success" not in asked(scenario(OVERHEAD))
    assert "first_retry_success" in asked(scenario(OVERHEAD, RECOVERY))
    assert "memory_slope_mb_per_hour" not in asked(scenario(OVERHEAD, RECOVERY))
    assert "memory_slope_mb_per_hour" in asked(scenario(OVERHEAD, name="soak"))


def test_what_is_promised_always_is_asked_of_every_scenario() -> None:
    """Losses, costs and conservation have no excuse."""
    assert {"events_lost", "cost_completeness", "conservation", "backlog_end"} <= asked(scenario())


@pytest.mark.parametrize("kind", [FaultKind.PROVIDER_DOWN, FaultKind.WORKER_KILLED, FaultKind.ORCHESTRATOR_KILLED])
def test_duplicates_are_asked_of_whatever_recovers(kind: FaultKind) -> None:
    """A kill somewhere in the run excuses none: those that it may have made are counted apart."""
    assert "duplicate_executions" in asked(scenario(replace(RECOVERY, faults=(Fault(kind, at=1, lasts=2),))))


def test_a_recovery_is_asked_for_whatever_its_phase_is_for() -> None:
    """An outage in plain load, as in hours of soaking, makes first retries that count like all others."""
    figures = {"first_retry_success", "first_retry_recoverable", "first_retry_disagreements"}
    figures |= {"recoverable_never_released", "duplicate_executions", "faults_made"}
    assert figures <= asked(scenario(replace(RECOVERY, kind=PhaseKind.LOAD)))
    assert figures <= asked(load_scenario("soak"))


def test_the_knee_is_asked_of_a_search_alone() -> None:
    """A search without a knee has found nothing, whatever its file is called; nobody else has one."""
    knees = {"knee_calls_per_second", "knee_api_requests_per_second"}
    search = Search(first_rate=1, factor=2, step_seconds=1, most_rate=9, halvings=1)
    mine = replace(scenario(Phase("step", PhaseKind.LOAD, 10), name="mine"), search=search)
    assert knees <= asked(mine)
    assert "arrivals_off" not in asked(mine)
    assert not knees & asked(scenario(RECOVERY))
    assert "arrivals_off" in asked(scenario(RECOVERY))


@pytest.mark.parametrize("bus", [Bus.SLOW, Bus.DOWN])
@pytest.mark.parametrize("traced", [False, True])
def test_the_worker_s_part_is_asked_in_every_weather(bus: Bus, traced: bool) -> None:
    """A plugin that waits for the bus in the worker is within the mission's 150 ms, and not within ours."""
    phase = replace(OVERHEAD, bus=bus, traced=traced)
    assert f"worker_overhead_p95_ms_bus_{bus}{'_traced' if traced else ''}" in asked(scenario(phase))


def test_all_keys_are_read() -> None:
    """A gate holds what its table says."""
    more = {"judged_by": "high", "widest": 3, "fewest": 4, "only": ["x"], "search": False}
    where = {"kind": "overhead", "bus": "slow", "traced": True, "faults": False}
    [gate] = parse(table(**more, where=where))
    expected = Where(PhaseKind.OVERHEAD, Bus.SLOW, traced=True, faults=False)
    assert gate == Gate("a", Rule.BELOW, 1, "because", JudgedBy.HIGH, 3, 4, ("x",), expected, search=False)


def test_an_interval_may_be_as_wide_as_its_limit_where_the_file_says_nothing() -> None:
    """It is the issue's rule: an interval wider than its limit could not measure."""
    assert parse(table(judged_by="high"))[0].widest == 1
    assert parse(table())[0].widest is None


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({}, "gate"),
        ({"gate": []}, "gate"),
        ({"gates": []}, "gates"),
        ({"gate": ["x"]}, "gate[0]"),
        (table(figure=""), "figure"),
        (table(reason=" "), "reason"),
        (table(reason=None), "reason"),
        (table(at_most=2), "exactly one of"),
        ({"gate": [{"figure": "a", "reason": "b"}]}, "exactly one of"),
        (table(below="1"), "below"),
        (table(below=True), "below"),
        (table(below=float("nan")), "below"),
        ({"gate": [{"figure": "a", "reason": "b", "all": 1}]}, "all"),
        (table(judged_by="middle"), "judged_by"),
        (table(judged_by="high", below=0), "widest"),
        (table(widest=0), "widest"),
        (table(fewest=0), "fewest"),
        (table(fewest=True), "fewest"),
        (table(only=[]), "only"),
        (table(only="smoke"), "only"),
        (table(search=1), "search"),
        (table(judged_by="low"), "judged_by: expected value or high for below"),
        (only_rule("at_most", "low"), "lenient end"),
        (only_rule("at_least", "high"), "lenient end"),
        (only_rule("above", "high"), "lenient end"),
        (table(where={}), "where"),
        (table(where={"kind": "x"}), "where.kind"),
        (table(where={"traced": 1}), "where.traced"),
        (table(where={"arm": "on"}), "where.arm"),
        (table(limit=3), "limit"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(content: dict[str, Any], place: str) -> None:
    """The message names the key, and what was expected of it."""
    with pytest.raises(GatesInvalid) as refused:
        parse(content)
    assert place in str(refused.value)
    assert "expected" in str(refused.value)


def test_a_file_is_read_by_its_path_and_named_in_errors(tmp_path: Path) -> None:
    """Gates of one's own lie where one likes."""
    mine = tmp_path / "mine.toml"
    mine.write_text('[[gate]]\nfigure = "a"\nat_most = 3\nreason = "b"\n')
    assert load(mine) == load(str(mine)) == (Gate("a", Rule.AT_MOST, 3, "b"),)
    mine.write_text("[[gate")
    with pytest.raises(GatesInvalid, match=r"mine\.toml: expected TOML"):
        load(mine)


def test_gates_lie_beside_who_names_them(tmp_path: Path) -> None:
    """A name is one from the scenario's folder on; what is not there is refused and not a crash."""
    (tmp_path / "mine.toml").write_text('[[gate]]\nfigure = "a"\nat_most = 3\nreason = "b"\n')
    assert load("mine.toml", tmp_path) == (Gate("a", Rule.AT_MOST, 3, "b"),)
    with pytest.raises(GatesInvalid, match=r"expected gates, or a file that can be read, got: .*nowhere\.toml"):
        load("nowhere.toml", tmp_path)
