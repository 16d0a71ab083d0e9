"""Of made-up steps the knee is where it was put, each missed gate is named, and so is what limits there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from loadtests.evidence import MACHINE, Answered, Arm, Backlog, Block, Call, Evidence, Run, Sample
from loadtests.knee.knees import Of, figure_of, found_in, knees_of
from loadtests.knee.playing import phase_of, phases
from loadtests.report.document import Findings, Provenance, document
from loadtests.report.text import text
from loadtests.scenarios.scenario import Engines, Phase, Scenario, Search
from loadtests.verdict.judging import judge
from tests.unit.loadtests.measuring.made_up import evidence_of

SEARCH = Search(first_rate=20, factor=2, step_seconds=20, most_rate=400, halvings=1)
SCENARIO = Scenario("stress", "made up", Engines.EMBEDDED, 3, 20.0, (), telemetry_rate=8.0, search=SEARCH)


@dataclass
class Plant:
    """A service that does calls up to one rate, and requests to its API up to another; above, each breaks its way."""

    calls: float = 90.0
    api: float = 70.0
    broken_by: str = "queue"
    busy: str = "orchestrator"
    now: float = 1000.0
    dice: Random = field(default_factory=lambda: Random(5))
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        self.evidence = replace(evidence_of(()), scenario=SCENARIO)

    def play(self, phase: Phase) -> None:
        """Play one step in no time."""
        number, name, began = len(self.evidence.phases), phase.name, self.now
        rate, telemetry = phase.rate or 0.0, phase.telemetry_rate or SCENARIO.telemetry_rate
        over = rate > self.calls or telemetry > self.api
        calls = [Call(f"{name}-{at}", name, at, at + self._late(over), 0.05) for at in self._moments(rate)]
        waits = [Backlog(began + 20 + after, 0, 0, {"warehouse": self._left(after, over)}, {}) for after in (1, 3, 5)]
        old = self.evidence
        self.evidence = replace(
            old,
            phases=(*old.phases, phase),
            blocks=[*old.blocks, Block(name, number, Arm.ON, began, began + 20)],
            calls=[*old.calls, *calls],
            runs=[*old.runs, *self._runs(calls, over)],
            answered=[*old.answered, *self._answers(telemetry, over)],
            samples=[*old.samples, *self._samples(over)],
            backlog=[*old.backlog, *waits],
        )
        self.now += 30

    def _moments(self, rate: float) -> list[float]:
        return [self.now + each / rate for each in range(int(20 * rate))]

    def _late(self, over: bool) -> float:
        return 0.3 if over and self.broken_by == "locust" else 0.001

    def _left(self, after: int, over: bool) -> int:
        return 7 if (over and self.broken_by == "events") or after < 2 else 0

    def _runs(self, calls: list[Call], over: bool) -> list[Run]:
        if self.broken_by != "pool":
            return [self._run(each, over and self.broken_by == "queue") for each in calls]
        free, runs = [0.0] * 4, []
        for call in calls:
            began = max(call.sent, min(free))
            free[free.index(min(free))] = began + 0.06
            runs.append(Run(call.id, "-", call.sent, began, began + 0.06, "SUCCESS", 0.001, 0.0))
        return runs

    def _run(self, call: Call, slow: bool) -> Run:
        ended = call.sent + (3.0 if slow else 0.06)
        return Run(call.id, "-", call.sent, call.sent, ended, "SUCCESS", 0.001, 0.0)

    def _answers(self, rate: float, over: bool) -> list[Answered]:
        slow, bad = (over and self.broken_by == each for each in ("api", "errors"))
        return [Answered(at, "POST /v1/events", 2.0 if slow else 0.01, not bad) for at in self._moments(rate)]

    def _samples(self, over: bool) -> list[Sample]:
        used = {"orchestrator": 0.2, "worker-on": 0.2, "locust": 0.1}
        used[self.busy] = 0.97 if over else 0.3
        times = (self.now - 1, self.now + 10, self.now + 21)
        return [Sample(at, name, share * at, 10, 10) for at in times for name, share in used.items()]


def search(plant: Plant) -> list[str]:
    """Let the search choose what the plant plays; gives what was said."""
    said: list[str] = []
    for phase in phases(SCENARIO, SEARCH, lambda: plant.evidence, said.append):
        plant.play(phase)
    return said


def test_both_knees_are_where_they_were_put() -> None:
    """Calls hold up to 90 and the API up to 70: what is told held twice below, and what missed is above."""
    plant = Plant()
    search(plant)
    calls, api = knees_of(plant.evidence, cores=2)
    assert (calls.of, api.of) == (Of.CALLS, Of.API)
    for knee, truth in ((calls, 90), (api, 70)):
        assert knee.bounds.held
        assert knee.bounds.missed
        assert knee.bounds.held <= truth < knee.bounds.missed
        assert len(knee.at_knee) == 2


@pytest.mark.parametrize(
    ("broken_by", "gate"),
    [
        ("queue", "end_to_end_p95_ms"),
        ("locust", "arrivals_late"),
        ("events", "catch_up_s"),
        ("api", "api_p99_ms"),
        ("errors", "error_rate"),
    ],
)
def test_the_gate_that_was_missed_is_named(broken_by: str, gate: str) -> None:
    """Whichever way it breaks beyond the knee, it is found, and said."""
    plant = Plant(broken_by=broken_by)
    said = search(plant)
    (calls, _) = knees_of(plant.evidence, cores=2)
    missed = [each for each in calls.steps if not each.held]
    assert all(any(why.startswith(gate) for why in each.why) for each in missed)
    assert any("misses: " in line and gate in line for line in said)


def test_calls_that_are_not_done_in_time_are_named() -> None:
    """Three seconds for each call: those due by the end are not done."""
    plant = Plant(broken_by="queue")
    search(plant)
    missed = next(each for each in knees_of(plant.evidence, cores=2)[0].steps if not each.held)
    assert any(why.startswith("done_in_time") for why in missed.why)


def test_figures_are_those_at_the_knee_and_the_rest_is_the_whole_run_s() -> None:
    """Beyond the knee calls took 3 s and the API 2 s; at the knee neither did."""
    plant = Plant(broken_by="queue")
    search(plant)
    figures = {each.name: each for each in found_in(plant.evidence, cores=2).figures}
    assert (figures["end_to_end_p95_ms"].value or 9e9) < 100
    assert figures["knee_calls_per_second"].value == pytest.approx(80, rel=0.02)
    assert figures["throughput_per_second"].value == pytest.approx(80, rel=0.1)
    assert figures["knee_api_requests_per_second"].value == pytest.approx(56.6, rel=0.02)
    assert "backlog_end" in figures


@pytest.mark.parametrize(
    ("busy", "broken_by", "cores", "sentence"),
    [
        ("orchestrator", "queue", 4, "orchestrator: 0.97 of the one core"),
        ("orchestrator", "queue", 1, "the machine: 1.27 of 1 cores busy (orchestrator 0.97, "),
        ("locust", "locust", 2, "the load itself: Locust used 0.97"),
        ("worker-on", "events", 4, "not the processor: 1.27 of 4 cores busy"),
        ("worker-on", "pool", 4, "the worker's pool: 4.0 of 4 children had a call"),
    ],
)
def test_what_limits_is_told_by_the_processors(busy: str, broken_by: str, cores: int, sentence: str) -> None:
    """One interpreter at its core, the machine at its end, the load's own process, or none of these."""
    plant = Plant(busy=busy, broken_by=broken_by)
    search(plant)
    limit = knees_of(plant.evidence, cores=cores)[0].limit
    assert limit
    assert limit.sentence.startswith(sentence)
    assert next(iter(limit.cores)) == busy


def test_what_others_take_of_the_machine_is_told() -> None:
    """The whole machine was busy, and little of it was ours: the limit is the machine, and it says so."""
    plant = Plant(busy="worker-on", broken_by="events")
    search(plant)
    whole = [Sample(at, MACHINE, 3.9 * at, 10, 0) for at in range(999, int(plant.now) + 2)]
    limit = knees_of(replace(plant.evidence, samples=[*plant.evidence.samples, *whole]), cores=4)[0].limit
    assert limit
    assert limit.sentence.startswith("the machine: 3.90 of 4 cores busy (worker-on 0.97, ")
    assert "not ours 2.63" in limit.sentence
    assert MACHINE not in limit.cores


def test_without_samples_nobody_claims_to_know() -> None:
    """No process was seen: it says so."""
    plant = Plant()
    search(plant)
    limit = knees_of(replace(plant.evidence, samples=[]), cores=2)[0].limit
    assert limit
    assert limit.sentence.startswith("not known: no process was sampled; missed: ")


def test_where_nothing_holds_the_knee_is_not_measured() -> None:
    """No rate held: no figure, and the reason; the figures of a knee that is not there are not measured either."""
    plant = Plant(calls=0.1, api=70)
    search(plant)
    figures = {each.name: each for each in found_in(plant.evidence, cores=2).figures}
    assert figures["knee_calls_per_second"].value is None
    assert "expected a rate at which all gates hold" in str(figures["knee_calls_per_second"].why_not)
    assert figures["end_to_end_p95_ms"].value is None


def test_a_knee_that_was_not_reached_says_so() -> None:
    """Everything held up to the most: the machine, or the search, was not pushed, and there is no knee to gate."""
    plant = Plant(calls=1e9, api=1e9)
    search(plant)
    figures = {each.name: each for each in found_in(plant.evidence, cores=2).figures}
    assert figures["knee_calls_per_second"].value is None
    assert "it was not reached, raise the search's most_rate" in str(figures["knee_calls_per_second"].why_not)


def test_a_rate_that_held_once_is_no_knee() -> None:
    """A search that was cut short before it played its best rate again has found nothing."""
    plant = Plant()
    search(plant)
    (calls, _) = knees_of(plant.evidence, cores=2)
    once = replace(calls, steps=[each for each in calls.steps if each is not calls.at_knee[-1]])
    assert figure_of(calls).measured
    assert "expected one that held 2 times below one that missed" in str(figure_of(once).why_not)


def test_a_step_raises_one_rate_and_leaves_the_other() -> None:
    """While requests to the API are raised, calls come as the scenario says."""
    api, calls = phase_of(SCENARIO, SEARCH, Of.API, 77, 1), phase_of(SCENARIO, SEARCH, Of.CALLS, 88, 2)
    assert (api.rate, api.telemetry_rate, api.seconds) == (20.0, 77, 20)
    assert (calls.rate, calls.telemetry_rate) == (88, None)


def test_the_report_tells_the_knee_and_what_limits() -> None:
    """What a search found is data of the report, and a line of its text for each search."""
    plant = Plant()
    search(plant)
    found = found_in(plant.evidence, cores=4)
    told = Findings(found.figures, judge(found.figures, (), SCENARIO), found.comparisons, knees=found.knees)
    written = document(plant.evidence, told, Provenance.here({}))
    assert json.loads(json.dumps(written["knees"], allow_nan=False))[0]["of"] == "calls"
    lines = [line for line in text(written).splitlines() if line.startswith("knee of ")]
    assert [line.split(":")[0] for line in lines] == ["knee of calls", "knee of api"]
    assert all("Limits: orchestrator: 0.97" in line for line in lines)
