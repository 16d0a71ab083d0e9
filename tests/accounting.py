"""The evidence of a small run in which all went well, to be made wrong one part at a time.

Calls: `off` and `on` succeed at once, `out-0` to `out-3` meet an outage and come back, `kill` loses its child, whose
answer nobody received, `bad` is malformed and stays.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from eventbus.wire import ATTEMPT_ENDED, LLM_CALL, TASK_FAILED
from loadtests.evidence import Arm, Asked, Block, Call, Evidence, Run, Struck
from loadtests.scenarios.scenario import Engines, Fault, FaultKind, Phase, PhaseKind, Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.accounts import Accounts
    from loadtests.verdict.figures import Figure

OUT = ("out-0", "out-1", "out-2", "out-3")
BACK = (*OUT, "kill")
TOKENS = (100, 20)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
OUTAGE = Struck(FaultKind.PROVIDER_DOWN, "provider", 1, 20.0, 24.0, "down")
KILL = Struck(FaultKind.CHILD_KILLED, "worker-on", 1, 26.5, 26.5, "SIGKILL to child 41 of worker-on, in run kill")
WAREHOUSE, GATEWAY = "warehouse", "rudderstack"


def redrive_of(call: str, number: int = 1) -> str:
    """Give the id of a redrive."""
    return f"{call}/redrive-{number}"


def run(call: str, began: float, state: str | None = "SUCCESS", attempt: str = "-") -> Run:
    """Make a run of half a second."""
    return Run(call, attempt, began, began, None if state is None else began + 0.5, state)


def asked(call: str, at: float, status: int = 200, trouble: str = "-", attempt: str = "-") -> Asked:
    """Make a line of the provider's log."""
    return Asked(at, call, attempt, status, trouble, *(TOKENS if status == 200 else (0, 0)))


FIVE = {"first_attempts": 5, "first_successes": 5}


def good() -> Evidence:
    """Give evidence in which every account agrees."""
    runs, requests = [*_runs()], [*_requests()]
    events = [*_events(runs)]
    keys = [each["key"] for each in events]
    return Evidence(
        run_id="20261129T120000Z-small-000000",
        scenario=_scenario(),
        began_at=NOON,
        ended_at=NOON,
        began=0.0,
        blocks=[
            Block("a", 0, Arm.OFF, 10.0, 12.0),
            Block("b", 0, Arm.ON, 12.0, 14.0),
            Block("c", 1, Arm.ON, 20.0, 40.0),
        ],
        calls=_calls(),
        runs=runs,
        asked=requests,
        struck=[OUTAGE, KILL],
        samples=[],
        backlog=[],
        answered=[],
        requests=[],
        first_retry=FIVE | {"first_in_flight": 0, "never_released": 1, "duplicates": 0},
        failures=[],
        releases=[_release("r1", 4), _release("r2", 1)],
        settled=FIVE | {"executions": 2},
        sinks={WAREHOUSE: _counts(len(keys)), GATEWAY: _counts(len(keys))},
        accepted=keys,
        stored={WAREHOUSE: list(keys), GATEWAY: list(keys)},
        costs=[_row(each) for each in events if each["type"] == LLM_CALL],
        control=[],
        attempts=[_attempt(call) for call in BACK],
        settles=[_settle("r1", 4), _settle("r2", 1)],
        events=events,
    )


def _scenario() -> Scenario:
    faults = (Fault(FaultKind.PROVIDER_DOWN, 0.0, 4.0), Fault(FaultKind.CHILD_KILLED, 6.5, 0.0))
    phases = (Phase("compare", PhaseKind.OVERHEAD, 4.0), Phase("recover", PhaseKind.RECOVERY, 20.0, faults=faults))
    return Scenario("small", "a small run", Engines.EMBEDDED, 1, 1.0, phases)


def _calls() -> Sequence[Call]:
    at = {"off": 10.0, "on": 12.0, **{call: 20.0 + place for place, call in enumerate(OUT)}, "kill": 26.0, "bad": 28.0}
    blocks = {"off": "a", "on": "b"}
    return [Call(call, blocks.get(call, "c"), began, began, 0.4, malformed=call == "bad") for call, began in at.items()]


def _runs() -> Sequence[Run]:
    return [
        run("off", 10.0),
        run("on", 12.0),
        *(run(call, 20.0 + place, "FAILURE") for place, call in enumerate(OUT)),
        *(run(call, 25.0 + place, attempt=redrive_of(call)) for place, call in enumerate(OUT)),
        run("kill", 26.0, None),
        run("kill", 30.0, attempt=redrive_of("kill")),
        run("bad", 28.0, "FAILURE"),
    ]


def _requests() -> Sequence[Asked]:
    return [
        asked("off", 10.1),
        asked("on", 12.1),
        *(asked(call, 20.1 + place, 503, "provider_down") for place, call in enumerate(OUT)),
        *(asked(call, 25.1 + place, attempt=redrive_of(call)) for place, call in enumerate(OUT)),
        # its answer came, and the child was killed before it could tell
        asked("kill", 26.4),
        asked("kill", 30.1, attempt=redrive_of("kill")),
        asked("bad", 28.1, 400, "malformed"),
    ]


def _events(runs: Sequence[Run]) -> Sequence[dict[str, Any]]:
    kinds = [(each, kind) for each in runs if each.id != "off" for kind in _told(each)]
    return [event(f"{each.id} {each.attempt} {kind}", kind, each.id) for each, kind in kinds]


def _told(ended: Run) -> Sequence[str]:
    kinds = [LLM_CALL] if ended.state == "SUCCESS" else [TASK_FAILED]
    return kinds if ended.attempt == "-" else [*kinds, ATTEMPT_ENDED]


def event(name: str, kind: str, subject: str) -> dict[str, Any]:
    """Make a row of the event log."""
    key = str(uuid5(NAMESPACE_URL, name))
    return {"key": key, "id": key, "type": kind, "source": "urn:redrive:worker:w", "subject": subject}


def _row(call: dict[str, Any]) -> dict[str, Any]:
    return {"id": call["key"], "task_id": call["subject"], "tokens_input": TOKENS[0], "tokens_output": TOKENS[1]}


def _counts(number: int) -> dict[str, int]:
    sums = {"accepted": number, "filtered": 0, "sampled_out": 0, "routed": number}
    return sums | {"delivered": number, "pending": 0, "dead": 0}


def _release(name: str, attempts: int) -> dict[str, Any]:
    return {"id": name, "state": "succeeded", "first_attempts": attempts, "first_successes": attempts}


def _settle(name: str, attempts: int) -> dict[str, Any]:
    counts = {"first_attempts": attempts, "first_successes": attempts}
    return {"release_id": name, "outcome": "succeeded", "status": "succeeded"} | counts


def _attempt(call: str) -> dict[str, Any]:
    ids = {"id": redrive_of(call), "task_id": call, "release_id": "r2" if call == "kill" else "r1"}
    return ids | {"number": 1, "turn": 1, "state": "succeeded", "duplicates": 0}


def changed(evidence: Evidence, **parts: Any) -> Evidence:
    """Give the evidence with other parts."""
    return replace(evidence, **parts)


def figure(accounts: Accounts, name: str) -> Figure:
    """Find a figure by its name; there is one."""
    (found,) = [each for each in accounts.figures if each.name == name]
    return found
