"""Of made-up evidence the figures are what was put in, and a figure that cannot be told says why."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from loadtests.evidence import Answered, Arm, Backlog, Evidence, Struck
from loadtests.measuring.figures import Measured, figures_of
from loadtests.scenarios.scenario import Bus, FaultKind
from tests.unit.loadtests.measuring.made_up import BLOCK, World, evidence_of, load, overhead

if TYPE_CHECKING:
    from loadtests.verdict.figures import Figure


def by_name(measured: Measured) -> dict[str, Figure]:
    """Give the figures by their names, which are unique."""
    found = {each.name: each for each in measured.figures}
    assert len(found) == len(measured.figures)
    return found


def holds(figure: Figure, truth: float) -> bool:
    """Tell whether the interval holds a value."""
    assert figure.low is not None, figure
    assert figure.high is not None, figure
    return figure.low <= truth <= figure.high


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Give two minutes of turns and half a minute of load."""
    return World((overhead(120), overhead(40, Bus.SLOW, traced=True), load(30))).evidence()


@pytest.fixture(scope="module")
def told(evidence: Evidence) -> dict[str, Figure]:
    """Give its figures."""
    return by_name(figures_of(evidence))


def test_the_overhead_is_what_was_added(told: dict[str, Figure]) -> None:
    """Five milliseconds more with the plugin, end to end and in the worker, with a narrow interval."""
    for name in ("overhead_p50_ms", "overhead_p95_ms", "worker_overhead_p50_ms", "worker_overhead_p95_ms"):
        assert holds(told[name], 5.0), told[name]
        assert told[name].high - told[name].low < 2.0  # type: ignore[operator]  # holds() has looked


def test_each_bus_and_tracing_has_figures_of_its_own(told: dict[str, Figure]) -> None:
    """Figures are there for what was planned, and for nothing else."""
    assert {"overhead_p95_ms_bus_slow", "overhead_p95_ms_bus_slow_traced"} <= told.keys()
    assert not any("bus_down" in name or name.endswith("ms_traced") for name in told)


def test_processor_and_memory_are_what_was_used(told: dict[str, Figure]) -> None:
    """Half a millisecond more a call, 30 MB more, one millisecond of the orchestrator a call."""
    assert holds(told["worker_cpu_overhead_us"], 500)
    assert told["worker_memory_overhead_mb"].value == pytest.approx(30, abs=0.2)
    assert told["orchestrator_cpu_us_per_call"].value == pytest.approx(1000, rel=0.01)


def test_requests_of_the_sample_app_are_not_the_api_s(told: dict[str, Figure]) -> None:
    """The API answered within 100 ms; the front's nine seconds are not in it, and in the error rate they count."""
    assert told["api_p99_ms"].value == pytest.approx(99, abs=1)
    assert told["error_rate"].denominator == told["api_p50_ms"].samples


def test_end_to_end_is_of_calm_phases_with_the_plugin(told: dict[str, Figure]) -> None:
    """The model's 50 ms, the way there and the plugin's 5 ms."""
    assert told["end_to_end_p50_ms"].value == pytest.approx(59.1, abs=0.5)


def test_the_throughput_is_that_of_the_load_phase(told: dict[str, Figure]) -> None:
    """Forty calls a second came, and were done."""
    assert holds(told["throughput_per_second"], 40)


def test_all_of_it_is_data(evidence: Evidence) -> None:
    """Figures and comparisons are JSON without NaN or Infinity, which JSON has not."""
    measured = figures_of(evidence)
    data = json.dumps([asdict(each) for each in (*measured.figures, *measured.comparisons)], allow_nan=False)
    assert json.loads(data)[0]["name"] == "overhead_p50_ms"


def test_the_same_evidence_gives_the_same_figures(evidence: Evidence) -> None:
    """The dice are the scenario's."""
    assert figures_of(evidence) == figures_of(evidence)


def test_nothing_is_measured_of_nothing() -> None:
    """Evidence without a call has every figure that was planned, none with a value, each with its reason."""
    figures = figures_of(evidence_of((overhead(10), load(10)))).figures
    assert {"overhead_p95_ms", "api_p99_ms", "error_rate", "backlog_end"} <= {each.name for each in figures}
    assert all(each.value is None and each.why_not for each in figures)


def test_errors_are_counted() -> None:
    """One request in twenty that is not answered well is an error rate of 5 %, with Wilson's interval."""
    found = by_name(figures_of(World((load(30),), unwell=0.05).evidence()))["error_rate"]
    assert holds(found, 0.05)
    assert found.numerator
    assert found.numerator / (found.denominator or 1) == found.value


def test_requests_to_an_orchestrator_that_was_killed_are_left_out_and_counted() -> None:
    """A fault of the service itself takes its requests out of latencies and errors, and it is said how many."""
    evidence = World((load(30),)).evidence()
    struck = Struck(FaultKind.ORCHESTRATOR_KILLED, "orchestrator", 0, 1010.0, 1012.0)
    found = by_name(figures_of(replace(evidence, struck=[struck])))["error_rate"]
    away = sum(1010 <= each.at < 1017 for each in evidence.answered)
    assert found.denominator == (len(evidence.answered) - away) / 2
    assert f"{away} left out" in found.about


def test_an_api_that_refuses_is_not_hidden_by_the_many_calls() -> None:
    """Ten of two hundred requests to the API refused beside thousands of calls: one in twenty, not one in hundreds."""
    evidence = World((load(60),)).evidence()
    calls = [each for each in evidence.answered if each.name == "POST /calls"]
    api = [Answered(1000.0 + at / 4, "GET /incidents", 0.01, at >= 10) for at in range(200)]
    found = by_name(figures_of(replace(evidence, answered=[*calls, *api])))["error_rate"]
    assert (found.value, found.numerator, found.denominator) == (0.05, 10, 200)
    assert "the API" in found.about


def test_a_load_that_did_not_come_is_told() -> None:
    """All of it: nothing beyond chance. Half of it, or five times as much: so far off."""
    evidence = World((overhead(60), load(30))).evidence()
    half = [each for at, each in enumerate(evidence.answered) if at % 4 < 2]
    for answered, low, high in ((evidence.answered, 0.0, 0.01), (half, 0.3, 0.5), (evidence.answered * 5, 3.5, 4.1)):
        found = by_name(figures_of(replace(evidence, answered=answered)))["arrivals_off"]
        assert low <= (found.value or 0) <= high, found


def test_retries_that_were_asked_for_are_counted_and_nobody_asking_is_no_measurement() -> None:
    """Dry runs are none; one that was refused is not answered."""
    evidence = World((load(30),)).evidence()
    assert by_name(figures_of(evidence))["retries_answered"].value is None
    names = ["POST /recovery/retry", "POST /recovery/retry (again)", "POST /recovery/retry (dry run)"]
    asked = [Answered(1001.0, name, 0.01, well=name == names[0]) for name in names]
    found = by_name(figures_of(replace(evidence, answered=[*evidence.answered, *asked])))["retries_answered"]
    assert (found.value, found.denominator) == (1, 2)


def test_calls_that_left_late_are_told() -> None:
    """A load that is late is not the load that is described."""
    evidence = World((load(30),)).evidence()
    late = [replace(each, sent=each.intended + 0.2) for each in evidence.calls[:50]]
    found = by_name(figures_of(replace(evidence, calls=[*late, *evidence.calls[50:]])))["arrivals_late"]
    assert (found.numerator, found.denominator) == (50, len(evidence.calls))


def test_latency_is_from_the_intended_start() -> None:
    """Calls that the load held back by 100 ms were 100 ms slower: coordinated omission would hide it."""
    evidence = World((load(30),)).evidence()
    early = [replace(each, intended=each.intended - 0.1) for each in evidence.calls]
    before, after = (by_name(figures_of(each)) for each in (evidence, replace(evidence, calls=early)))
    assert after["end_to_end_p50_ms"].value == pytest.approx((before["end_to_end_p50_ms"].value or 0) + 100, abs=1)


def held_up(evidence: Evidence, arm: Arm, seconds: float) -> Evidence:
    """Have an arm's calls of the last `seconds` of each of its blocks leave when the next block has begun."""
    blocks = sorted(evidence.blocks, key=lambda each: each.began)
    after = {block.name: (block, follower) for block, follower in pairwise(blocks) if block.arm is arm}
    calls, runs = [], {each.id: each for each in evidence.runs}
    for call in evidence.calls:
        block, follower = after.get(call.block, (None, None))
        if block and follower and call.intended > block.ended - seconds:
            later, run = block.ended + 0.01 - call.sent, runs[call.id]
            runs[call.id] = replace(run, began=(run.began or 0) + later, ended=(run.ended or 0) + later)
            calls.append(replace(call, block=follower.name, sent=call.sent + later))
        else:
            calls.append(call)
    return replace(evidence, calls=calls, runs=list(runs.values()))


@pytest.mark.parametrize("seconds", [0.15, 0.28, 0.6, 1.5])
def test_what_the_plugin_holds_up_until_the_next_block_is_its_own(seconds: float) -> None:
    """Calls meant for it that leave in the other's turn: their wait is in its figure, whoever received them."""
    before = World((overhead(60),), slower=0.0).evidence()
    after = by_name(figures_of(held_up(before, Arm.ON, seconds)))["overhead_p95_ms"]
    meant = {
        arm: sorted(
            run.ended - call.intended
            for call, run in zip(before.calls, held_up(before, Arm.ON, seconds).runs, strict=True)
            if f"-{arm}" in call.block and run.ended
        )
        for arm in (Arm.ON, Arm.OFF)
    }
    truth = 1000 * (meant[Arm.ON][int(0.95 * len(meant[Arm.ON]))] - meant[Arm.OFF][int(0.95 * len(meant[Arm.OFF]))])
    assert truth > 40
    assert after.high is None or after.high > truth, (after, truth)
    assert after.value is None or after.value > truth / 2, (after, truth)


def test_what_is_held_up_of_the_other_arm_makes_the_plugin_no_better() -> None:
    """Calls meant for the arm without that leave in the plugin's turn are no measure of either, and are counted."""
    evidence = held_up(World((overhead(60),)).evidence(), Arm.OFF, 0.28)
    found = by_name(figures_of(evidence))["overhead_p95_ms"]
    assert found.value is None
    assert "to succeed at once" in str(found.why_not)


def test_a_load_that_is_as_late_in_both_arms_shows_no_difference() -> None:
    """A few milliseconds of lateness at each change of turns: the interval holds what was added, nothing more."""
    evidence = World((overhead(120),)).evidence()
    for arm in (Arm.ON, Arm.OFF):
        evidence = held_up(evidence, arm, 0.004)
    assert holds(by_name(figures_of(evidence))["overhead_p95_ms"], 5.0)


@pytest.mark.parametrize("arm", [Arm.ON, Arm.OFF])
def test_half_a_worker_is_not_measured(arm: Arm) -> None:
    """Without the parent's stamps nobody knows what it took: that is not nothing."""
    evidence = World((overhead(60),)).evidence()
    runs = [replace(each, received_for=None) if f"-{arm}" in each.id else each for each in evidence.runs]
    found = by_name(figures_of(replace(evidence, runs=runs)))["worker_overhead_p95_ms"]
    assert found.value is None
    assert found.why_not


def test_the_wait_for_a_processor_is_told_apart() -> None:
    """Runs that waited 3 ms for one in one arm alone took no longer in the worker; with their waits they did."""
    evidence = World((overhead(60),)).evidence()
    waited = [
        replace(each, delayed=0.003, inside=each.inside + 0.003) if "-on" in each.id and each.inside else each
        for each in evidence.runs
    ]
    before, found = by_name(figures_of(evidence)), by_name(figures_of(replace(evidence, runs=waited)))
    assert found["worker_overhead_p95_ms"].value == pytest.approx(before["worker_overhead_p95_ms"].value)
    more = found["worker_delayed_overhead_p95_ms"].value - before["worker_delayed_overhead_p95_ms"].value  # type: ignore[operator]  # measured
    assert more == pytest.approx(3.0)


def test_runs_that_failed_make_no_comparison() -> None:
    """Where every tenth call with the plugin failed, the others are no measure of it."""
    evidence = World((overhead(60),)).evidence()
    runs = [replace(each, state="FAILURE") if at % 10 == 0 else each for at, each in enumerate(evidence.runs)]
    assert by_name(figures_of(replace(evidence, runs=runs)))["worker_overhead_p95_ms"].why_not


def test_a_block_s_first_calls_are_not_measured() -> None:
    """What the other arm left in the pool is met in the first 0.3 seconds."""
    evidence = World((overhead(60),)).evidence()
    told = figures_of(evidence).comparisons[0]
    on = {each.name: each.began for each in evidence.blocks if each.arm is Arm.ON}
    assert told.samples_on == sum(each.intended >= on.get(each.block, math.inf) + 0.3 for each in evidence.calls)
    assert told.blocks == 60 / BLOCK / 2


@pytest.mark.parametrize(("leak", "handles"), [(0.0, 0.0), (40.0, 0.0), (0.0, 60.0)])
def test_a_leak_is_found_and_none_where_there_is_none(leak: float, handles: float) -> None:
    """Over 20 minutes the slopes are what was put in, an hour; the worker that is flat does not hide it."""
    evidence = World((load(1200),), rate=2.0, leak_per_hour=leak, handles_per_hour=handles).evidence()
    told = by_name(figures_of(evidence))
    assert holds(told["memory_slope_mb_per_hour"], leak)
    assert told["handles_slope_per_hour"].value == pytest.approx(handles, rel=0.2, abs=0.1)
    assert ("the steepest, orchestrator" in told["memory_slope_mb_per_hour"].about) or not leak


def test_a_short_load_has_no_slope() -> None:
    """A minute says nothing of an hour."""
    found = by_name(figures_of(World((load(60),)).evidence()))["memory_slope_mb_per_hour"]
    assert found.why_not == "expected 600 s of samples without a restart of what is ours, got less; run longer"


def test_a_process_that_was_replaced_half_way_has_no_slope() -> None:
    """Two halves of two processes are no slope of one."""
    evidence = World((load(1200),), rate=2.0).evidence()
    samples = [
        replace(each, cpu_seconds=each.cpu_seconds - 5) if each.process == "worker-on" and each.at > 1700 else each
        for each in evidence.samples
    ]
    found = by_name(figures_of(replace(evidence, samples=samples)))["handles_slope_per_hour"]
    assert "without a restart of worker-on" in str(found.why_not)


def test_what_waits_at_the_end_is_told() -> None:
    """Messages on the bus, events for a sink, and calls that never succeeded add up."""
    evidence = World((load(30),), waiting=3).evidence()
    backlog = [replace(evidence.backlog[-1], sinks={"warehouse": 4, "rudderstack": 0})]
    found = by_name(figures_of(replace(evidence, backlog=backlog, runs=evidence.runs[2:])))["backlog_end"]
    assert found.value == 3 + 4 + 2
    assert found.about == "2 calls, 3 on the bus, 4 for warehouse, 0 for rudderstack"


def test_malformed_calls_do_not_wait() -> None:
    """They never succeed, and nobody waits for them."""
    evidence = World((load(30),)).evidence()
    calls = [replace(evidence.calls[0], malformed=True), *evidence.calls[1:]]
    found = by_name(figures_of(replace(evidence, calls=calls, runs=evidence.runs[1:])))["backlog_end"]
    assert found.value == 0


def test_a_backlog_of_before_the_end_is_none() -> None:
    """What waited in the middle is not what waits at the end."""
    evidence = World((load(30),)).evidence()
    found = by_name(figures_of(replace(evidence, backlog=[Backlog(1001.0, 0, 0, {}, {})])))["backlog_end"]
    assert found.value is None


def test_a_process_that_was_not_sampled_is_not_flat() -> None:
    """Flat is said of all that is ours or of none: the one that leaks may be the one nobody looked at."""
    evidence = World((load(1200.0),), rate=5.0).evidence()
    unseen = [each for each in evidence.samples if each.process != "worker-on"]
    found = by_name(figures_of(replace(evidence, samples=unseen)))["memory_slope_mb_per_hour"]
    assert found.value is None
    assert "worker-on" in str(found.why_not)


@pytest.mark.parametrize(("bus", "sinks"), [(None, {"warehouse": 0}), (0, {})])
def test_a_backlog_that_was_not_asked_for_is_not_zero(bus: int | None, sinks: dict[str, int]) -> None:
    """Neither of the bus nor of the sinks."""
    evidence = World((load(30),)).evidence()
    looked = [replace(evidence.backlog[-1], bus=bus, sinks=sinks)]
    assert by_name(figures_of(replace(evidence, backlog=looked)))["backlog_end"].value is None


def test_a_refused_request_is_slower_than_all_others() -> None:
    """However quickly it was refused: of requests of which one in twenty is, there is no 99th percentile."""
    found = by_name(figures_of(World((load(30),), unwell=0.05).evidence()))
    assert found["api_p99_ms"].value is None
    assert found["api_p50_ms"].value
