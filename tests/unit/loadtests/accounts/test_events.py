"""Events by their ids, sums of sinks, rows of cost, and faults: each figure is seen to go wrong on bad evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eventbus.wire import LLM_CALL
from loadtests.accounts import figures_of
from loadtests.accounts.events import TAKEN
from loadtests.evidence import Struck
from loadtests.scenarios.scenario import Fault, FaultKind, Link
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink
from tests.accounting import GATEWAY, KILL, OUTAGE, WAREHOUSE, asked, changed, event, figure, good, redrive_of


def test_nothing_is_lost_where_each_run_is_in_the_log_and_each_event_in_each_sink() -> None:
    """The good run has every figure, and each at its best."""
    accounts = figures_of(good())
    expected = {"events_lost": 0, "conservation": 0, "dead_letters": 0, "cost_completeness": 1.0, "faults_made": 2}
    assert {name: figure(accounts, name).value for name in expected} == expected
    assert all(each.measured for each in accounts.figures)
    assert accounts.problems == []


@pytest.mark.parametrize("sink", [WAREHOUSE, GATEWAY])
def test_one_event_that_a_sink_has_not_is_lost_though_the_sums_add_up(sink: str) -> None:
    """A relay that drops an event counts it as delivered: only the ids tell."""
    evidence = good()
    dropped = evidence.stored[sink][3]
    stored = dict(evidence.stored) | {sink: [each for each in evidence.stored[sink] if each != dropped]}
    accounts = figures_of(changed(evidence, stored=stored))
    lost = figure(accounts, "events_lost")
    assert lost.value == 1
    assert f"{sink}: 1 missing, {dropped}" in lost.about
    assert figure(accounts, "conservation").value == 0


@pytest.mark.parametrize("kind", ["redrive.task.outcomes.v1", "com.example.page.seen"])
def test_an_event_of_a_type_that_the_sink_does_not_take_is_not_lost(kind: str) -> None:
    """What the sink does not take need not be there; whatever else need."""
    evidence = good()
    counts = event("counts", kind, "-")
    sums = dict(evidence.sinks[WAREHOUSE])
    more = changed(
        evidence,
        events=[*evidence.events, counts],
        accepted=[*evidence.accepted, counts["key"]],
        stored=dict(evidence.stored) | {GATEWAY: [*evidence.stored[GATEWAY], counts["key"]]},
        sinks={WAREHOUSE: sums | {"accepted": sums["accepted"] + 1, "filtered": 1},
               GATEWAY: {name: value + (name in {"accepted", "routed", "delivered"}) for name, value in sums.items()}},
    )  # fmt: skip
    assert figure(figures_of(more), "events_lost").value == 0
    assert figure(figures_of(more), "conservation").value == 0
    fewer = changed(more, stored=dict(more.stored) | {WAREHOUSE: more.stored[WAREHOUSE][1:]})
    lost = figure(figures_of(fewer), "events_lost")
    assert lost.value == 1
    assert str(evidence.accepted[0]) in lost.about


@pytest.mark.parametrize(("as_what", "lost", "dead"), [("filtered", 17, 0), ("sampled_out", 17, 0), ("dead", 0, 17)])
def test_a_sink_that_takes_nothing_passes_no_gate(as_what: str, lost: int, dead: int) -> None:
    """Its sums add up whatever it calls what it has not: what is filtered is told by the types that it takes."""
    evidence = good()
    number = len(evidence.events)
    sums = {"accepted": number, "filtered": 0, "sampled_out": 0, "routed": number, "delivered": 0, "dead": 0}
    sums |= {"pending": 0, as_what: number, "routed": number if as_what == "dead" else 0}
    accounts = figures_of(
        changed(
            evidence,
            stored=dict(evidence.stored) | {GATEWAY: []},
            sinks=dict(evidence.sinks) | {GATEWAY: sums},
        )
    )
    told = {name: figure(accounts, name).value for name in ("events_lost", "dead_letters", "conservation")}
    assert number == 17
    assert told == {"events_lost": lost, "dead_letters": dead, "conservation": 0}


def test_what_sinks_take_is_what_they_say() -> None:
    """The account knows it by itself, and is held against the sinks' own words here."""
    assert {WAREHOUSE: WarehouseSink.types, GATEWAY: RudderStackSink.types} == TAKEN


def test_dead_letters_of_no_sink_are_not_none() -> None:
    """Where there are no counts, nobody can tell."""
    assert not figure(figures_of(changed(good(), sinks={})), "dead_letters").measured


def test_a_message_of_rudderstack_is_found_under_its_own_id() -> None:
    """The gateway knows such a message by its messageId, which is the event's id and not the log's key."""
    evidence = good()
    message = event("message", "redrive.rudderstack.message.v1", "-") | {"id": "m-1"}
    sums = {name: value + (name in {"accepted", "routed", "delivered"}) for name, value in
            evidence.sinks[WAREHOUSE].items()}  # fmt: skip
    more = changed(
        evidence,
        events=[*evidence.events, message],
        accepted=[*evidence.accepted, message["key"]],
        stored={WAREHOUSE: [*evidence.stored[WAREHOUSE], message["key"]], GATEWAY: [*evidence.stored[GATEWAY], "m-1"]},
        sinks={WAREHOUSE: sums, GATEWAY: sums},
    )
    assert figure(figures_of(more), "events_lost").value == 0


@pytest.mark.parametrize("subject", ["on", "out-0", "kill", "bad"])
def test_an_event_that_a_run_made_and_the_log_has_not_is_lost(subject: str) -> None:
    """What never came into the log is in no sum of any sink: the workers' runs tell of it."""
    evidence = good()
    gone = next(each for each in evidence.events if each["subject"] == subject)
    keys = [each for each in evidence.accepted if each != gone["key"]]
    sums = {name: value - (name in {"accepted", "routed", "delivered"}) for name, value in
            evidence.sinks[WAREHOUSE].items()}  # fmt: skip
    accounts = figures_of(
        changed(
            evidence,
            events=[each for each in evidence.events if each is not gone],
            accepted=keys,
            stored={WAREHOUSE: keys, GATEWAY: keys},
            sinks={WAREHOUSE: sums, GATEWAY: sums},
        )
    )
    lost = figure(accounts, "events_lost")
    assert lost.value == 1
    assert lost.about == f"the event log: 1 missing, {gone['type']} of call {subject}"
    assert figure(accounts, "conservation").value == 0


def test_an_event_that_its_sender_has_a_receipt_for_and_the_log_has_not_is_lost() -> None:
    """A receipt is a promise."""
    evidence = good()
    there = str(evidence.events[0]["id"])
    assert figure(figures_of(changed(evidence, receipts=[there])), "events_lost").value == 0
    lost = figure(figures_of(changed(evidence, receipts=[there, "promised"])), "events_lost")
    assert (lost.value, lost.about) == (1, "the event log: 1 missing, promised with a receipt")


def test_a_model_call_without_its_row_in_its_own_table_is_lost_there() -> None:
    """The warehouse's table of all events is not the one that bills are made of."""
    evidence = good()
    accounts = figures_of(changed(evidence, costs=evidence.costs[1:]))
    assert "the table of model calls: 1 missing" in figure(accounts, "events_lost").about
    assert figure(accounts, "cost_completeness").value == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"accepted": [], "events": []}, "expected events in the event log, got none"),
        ({"stored": {}}, "got those of no sink"),
        ({"sinks": {}}, "got none of rudderstack, warehouse"),
        ({"events": []}, "expected a row of the event log for each accepted id, got others"),
    ],
)
def test_a_loss_that_could_not_be_seen_is_not_none(parts: dict[str, object], why: str) -> None:
    """Evidence that lacks a part of the chain measures nothing."""
    lost = figure(figures_of(changed(good(), **parts)), "events_lost")
    assert not lost.measured
    assert why in str(lost.why_not)


def test_a_row_with_other_tokens_a_missing_row_and_a_row_too_many_each_lower_the_completeness() -> None:
    """Complete is: each answer that came has its row, with its tokens, and nothing else is billed."""
    evidence = good()
    wrong = [dict(evidence.costs[0]) | {"tokens_output": 21}, *evidence.costs[1:]]
    # six answers came to a run that succeeded; the wrong row is of no answer
    figure_ = figure(figures_of(changed(evidence, costs=wrong)), "cost_completeness")
    assert (figure_.numerator, figure_.denominator) == (5, 7)
    twice = figure(figures_of(changed(evidence, costs=[*evidence.costs, evidence.costs[0]])), "cost_completeness")
    assert (twice.numerator, twice.denominator) == (6, 7)
    assert "calls on" in twice.about
    assert not figure(figures_of(changed(evidence, asked=[])), "cost_completeness").measured


def test_the_answer_of_a_killed_run_may_have_its_row_or_not() -> None:
    """A child that was killed after the answer may have told its cost before; nobody received it for certain."""
    evidence = good()
    row = dict(evidence.costs[0]) | {"task_id": "kill", "id": "of the killed run"}
    assert figure(figures_of(changed(evidence, costs=[*evidence.costs, row])), "cost_completeness").value == 1.0


@pytest.mark.parametrize(
    ("change", "off"),
    [({"delivered": 1}, 1), ({"pending": 2}, 2), ({"dead": 1}, 1), ({"accepted": 3}, 6), ({"routed": 1}, 2)],
)
def test_sums_that_do_not_add_up_are_told_by_how_much(change: dict[str, int], off: int) -> None:
    """An event that is nowhere, or twice, is off by one; one that was accepted and is not in the log, too."""
    evidence = good()
    sums = {name: value + change.get(name, 0) for name, value in evidence.sinks[GATEWAY].items()}
    found = figure(figures_of(changed(evidence, sinks=dict(evidence.sinks) | {GATEWAY: sums})), "conservation")
    assert found.value == off
    assert GATEWAY in found.about
    assert not figure(figures_of(changed(evidence, sinks={})), "conservation").measured


def test_a_fault_that_the_provider_never_noticed_was_not_made() -> None:
    """A provider that never fails is no outage, whatever was switched."""
    evidence = good()
    calm = [replace(each, trouble="-") if each.trouble == "provider_down" else each for each in evidence.asked]
    made = figure(figures_of(changed(evidence, asked=calm)), "faults_made")
    assert (made.value, made.denominator) == (1, 2)
    assert made.about == "without effect: 1 x provider_down"


def test_a_kill_that_found_nothing_to_kill_was_not_made() -> None:
    """The end of an idle child is felt by nobody; a fault that was never begun neither."""
    evidence = good()
    idle = replace(KILL, note="SIGKILL to child 41 of worker-on, which was idle")
    missed = figure(figures_of(changed(evidence, struck=[OUTAGE, idle])), "faults_made")
    assert (missed.value, missed.about) == (1, "without effect: 1 x child_killed")
    assert figure(figures_of(changed(evidence, struck=[])), "faults_made").value == 0


@pytest.mark.parametrize(("kind", "target"), [(FaultKind.PROVIDER_KILLED, ""), (FaultKind.LINK_CUT, Link.PROVIDER)])
def test_a_provider_that_is_cut_off_and_answers_was_not(kind: FaultKind, target: str) -> None:
    """An answer in the middle of such a fault says that it did not hold."""
    evidence = good()
    phase = replace(evidence.scenario.phases[1], faults=(Fault(kind, 0.0, 4.0),))
    struck = [Struck(kind, target, 1, 20.0, 24.0, "pid 7")]
    cut = changed(evidence, struck=struck, phases=(phase,), asked=[each for each in evidence.asked if each.at > 24])
    assert figure(figures_of(cut), "faults_made").value == 1
    answered = changed(cut, asked=[*cut.asked, asked("out-0", 22.0)])
    assert figure(figures_of(answered), "faults_made").value == 0


def test_a_silence_in_which_nobody_called_shows_nothing() -> None:
    """A provider that nobody asked anything was killed, or was not: nobody can tell."""
    evidence = good()
    phase = replace(evidence.scenario.phases[1], faults=(Fault(FaultKind.PROVIDER_KILLED, 0.0, 4.0),))
    struck = [Struck(FaultKind.PROVIDER_KILLED, "", 1, 900.0, 904.0, "pid 7")]
    silent = changed(evidence, struck=struck, phases=(phase,))
    assert figure(figures_of(silent), "faults_made").value == 0


def test_a_worker_that_was_stopped_receives_nothing() -> None:
    """The maker's word is not enough: a worker that goes on receiving was not stopped."""
    evidence = good()
    phase = replace(evidence.scenario.phases[1], faults=(Fault(FaultKind.WORKER_STOPPED, 0.0, 4.0),))
    struck = [Struck(FaultKind.WORKER_STOPPED, "", 1, 20.0, 24.0, "SIGSTOP")]
    still = [replace(each, received=25.0) for each in evidence.runs]
    calls = [replace(each, sent=22.0) for each in evidence.calls]
    stopped = changed(evidence, struck=struck, phases=(phase,), runs=still, calls=calls)
    assert figure(figures_of(stopped), "faults_made").value == 1
    went_on = changed(stopped, runs=[replace(still[0], received=22.0), *still[1:]])
    assert figure(figures_of(went_on), "faults_made").value == 0


def test_a_scenario_without_faults_has_no_such_figure() -> None:
    """Nothing planned, nothing to make."""
    evidence = good()
    made = figure(figures_of(changed(evidence, phases=evidence.scenario.phases[:1])), "faults_made")
    assert not made.measured


def test_the_model_calls_of_the_sample_are_those_that_succeeded() -> None:
    """One call at once, four from the outage, one after its kill: the worker without the plugin tells of none."""
    subjects = sorted(each["subject"] for each in good().events if each["type"] == LLM_CALL)
    assert subjects == ["kill", "on", "out-0", "out-1", "out-2", "out-3"]
    assert redrive_of("kill") in {each["id"] for each in good().attempts}
