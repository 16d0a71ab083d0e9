"""The document of a run: whole, JSON-ready, with moments since the run began."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.evidence import Answered, Arm, Backlog, Block, Call, Evidence, Run, Sample, Struck
from loadtests.locust_figures import Requests
from loadtests.report.document import Findings, Provenance, document
from loadtests.report.provenance import Code, code, machine, processor, versions
from loadtests.scenarios.scenario import Engines, Fault, FaultKind, Phase, PhaseKind, Scenario
from loadtests.verdict.figures import Figure
from loadtests.verdict.gate import Gate, Rule
from loadtests.verdict.judging import judge

if TYPE_CHECKING:
    from pathlib import Path

BEGAN = 500.0
PHASE = Phase("outage", PhaseKind.RECOVERY, 10, faults=(Fault(FaultKind.PROVIDER_DOWN, 2, 3),))
SCENARIO = Scenario("smoke", "about", Engines.EMBEDDED, 7, 10, (PHASE,))
PROVENANCE = Provenance(Code("abc", dirty=True), {"cores": 2}, {"redrive": "1"}, {"name": "smoke"}, "slow-plugin")
KEYS = {
    "schema", "run_id", "scenario", "started_at", "ended_at", "seconds", "commit", "dirty", "machine", "versions",
    "settings", "engines", "verdict", "figures", "comparisons", "first_retry", "series", "faults", "requests",
    "control", "problems", "phases", "profiles",
    "knees",
}  # fmt: skip


def evidence(**changes: Any) -> Evidence:
    """Give what a run of 10 seconds left: three calls, one of them failed, one malformed."""
    left: dict[str, Any] = {
        "blocks": [Block("0", 0, Arm.ON, BEGAN + 1, BEGAN + 11)],
        "calls": [Call(n, "0", BEGAN + at, BEGAN + at, 0.02, n == "c") for n, at in (("a", 1), ("b", 1.5), ("c", 1.7))],
        "runs": [
            Run("a", "-", BEGAN + 1, BEGAN + 1, BEGAN + 1.25, "SUCCESS"),
            Run("b", "-", BEGAN + 1.5, BEGAN + 1.5, BEGAN + 1.6, "FAILURE"),
            Run("b", "x", BEGAN + 4, BEGAN + 4, BEGAN + 4.1, "SUCCESS"),
        ],
        "asked": [],
        "struck": [Struck(FaultKind.PROVIDER_DOWN, "provider", 0, BEGAN + 3, BEGAN + 6)],
        "samples": [Sample(BEGAN + n, "worker-on", n * 0.5, 2**20 * 50, 30) for n in (1, 2, 3)],
        "backlog": [Backlog(BEGAN + 2, None, 3, {"warehouse": 4}, {"held": 5, "released": 1, "recovered": 70})],
        "answered": [
            Answered(BEGAN + 1, "GET /api", 0.01, well=True),
            Answered(BEGAN + 1, "POST /calls", 9, well=True),
        ],
        "requests": [Requests("GET /api", 1, 0, 10)],
        "control": [],
    } | changes
    rest: dict[str, Any] = {"first_retry": {}, "failures": [], "releases": [], "settled": {}, "sinks": {}}
    rest |= {"accepted": [], "stored": {}, "costs": []}
    began, ended = (datetime(2026, 11, 29, 2, minute, tzinfo=UTC) for minute in (15, 17))
    return Evidence("run-1", SCENARIO, began, ended, BEGAN, **left, **rest)


def made(**changes: Any) -> dict[str, Any]:
    """Give the document of such a run, with one gate that is met and one that has no figure."""
    figures = [Figure("f", "ms", 3, 2, float("inf"), 10)]
    gates = [Gate("f", Rule.BELOW, 5, "why"), Gate("g", Rule.EQUALS, 0, "why")]
    verdict = judge(figures, gates, SCENARIO, ["a problem"])
    return document(evidence(**changes), Findings(figures, verdict), PROVENANCE)


def test_it_has_all_keys_and_is_json() -> None:
    """All that the contract of the document names is there, and nothing in it that JSON has not."""
    told = made()
    assert set(told) == KEYS
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["figures"][0]["high"] is None


def test_the_verdict_is_in_it_with_every_gate() -> None:
    """Outcome, exit code, and of each gate what was measured and what was expected."""
    verdict = made()["verdict"]
    assert (verdict["outcome"], verdict["exit_code"]) == ("not_measured", 1)
    met, unknown = verdict["gates"]
    assert (met["figure"], met["value"], met["limit"], met["rule"], met["met"]) == ("f", 3, 5, "below", True)
    assert (unknown["figure"], unknown["value"], unknown["met"]) == ("g", None, None)
    assert unknown["why"]


def test_it_says_where_its_figures_come_from() -> None:
    """Commit, machine, versions, settings, sabotage, problems."""
    told = made()
    assert (told["commit"], told["dirty"], told["machine"]) == ("abc", True, {"cores": 2})
    assert told["settings"] == {"scenario": {"name": "smoke"}, "sabotage": "slow-plugin", "seed": 7}
    assert (told["seconds"], told["problems"]) == (120, ["a problem"])


def test_moments_are_seconds_since_the_run_began() -> None:
    """Of faults and phases alike."""
    told = made()
    assert [(each["kind"], each["began"], each["ended"]) for each in told["faults"]] == [("provider_down", 3, 6)]
    assert [(each["name"], each["began"], each["ended"]) for each in told["phases"]] == [("outage", 1, 11)]


def test_latency_counts_what_failed_and_leaves_the_malformed_out() -> None:
    """Of two calls in one second one succeeded at once after 250 ms, one failed; a redrive is no first run."""
    calls = made()["series"]["latency"]["calls"]
    assert calls == {"at": [1], "count": [2], "failed": [1], "p50_ms": [250], "p95_ms": [250]}


def test_the_apis_latency_is_of_its_own_requests() -> None:
    """The front's requests are not the API's."""
    api = made()["series"]["latency"]["api"]
    assert (api["count"], api["p50_ms"]) == ([1], [10])


def test_resources_are_per_process_and_processor_seconds_become_processors() -> None:
    """Half a second of processor in each second is half a processor; the first sample tells none."""
    worker = made()["series"]["resources"]["worker-on"]
    assert worker == {"at": [1, 2, 3], "processors": [None, 0.5, 0.5], "rss_mb": [50, 50, 50], "handles": [30, 30, 30]}


def test_a_process_that_was_replaced_has_no_negative_processors() -> None:
    """Where the count fell, another process counts."""
    samples = [Sample(BEGAN + n, "w", cpu, 1, 1) for n, cpu in ((1, 9.0), (2, 0.1), (3, 0.4))]
    assert made(samples=samples)["series"]["resources"]["w"]["processors"] == [None, None, 0.3]


def test_backlog_has_a_line_for_each_that_waits() -> None:
    """Calls, failures that are still open, each sink; no line for a bus that nobody could ask."""
    backlog = made()["series"]["backlog"]
    assert backlog == {"at": [2], "lines": {"calls": [3], "open failures": [6], "sink warehouse": [4]}}


def test_a_long_run_is_thinned_out() -> None:
    """Four hours of samples make no more points than a plot can show."""
    samples = [Sample(BEGAN + n, "w", n, 1, 1) for n in range(0, 14_400, 10)]
    series = made(samples=samples)["series"]
    assert series["bucket_seconds"] == 60
    assert len(series["resources"]["w"]["at"]) == 240


def test_a_run_without_anything_still_has_a_document() -> None:
    """A run that died at once is told like any other."""
    left = {name: [] for name in ("blocks", "calls", "runs", "struck", "samples", "backlog", "answered", "requests")}
    assert made(**left)["series"]["latency"]["calls"]["at"] == []


def test_the_machine_is_told_without_its_name() -> None:
    """Cores, memory, processor, system, Python, and all of it in one line."""
    told = machine()
    assert told["cores"] >= 1
    assert told["memory_bytes"] > 2**20
    assert str(told["cores"]) in told["kind"]
    assert told["cpu"] in told["kind"]


def test_the_processors_model_is_read_where_the_system_tells_it(tmp_path: Path) -> None:
    """The first model name counts; without the file it is the architecture."""
    info = tmp_path / "cpuinfo"
    assert processor(info)
    info.write_text("processor : 0\nmodel name\t: Abacus 3000\nmodel name\t: Other\n")
    assert processor(info) == "Abacus 3000"


def test_the_versions_of_what_is_installed_are_told() -> None:
    """Of the product and what it stands on."""
    assert {"redrive", "celery", "locust", "python"} <= set(versions())


def test_the_commit_is_told_and_whether_the_code_differs(tmp_path: Path) -> None:
    """Outside a checkout, or somewhere inside another's, there is none; a changed or new file makes it dirty."""
    assert code(tmp_path) == Code(None, None)
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    git = ["git", "-C", str(tmp_path), *author]
    (tmp_path / "file").write_text("a")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "First"]):
        subprocess.run([*git, *command], check=True)
    clean = code(tmp_path)
    (tmp_path / "site-packages").mkdir()
    assert code(tmp_path / "site-packages") == Code(None, None)
    (tmp_path / "new.py").write_text("")
    assert code(tmp_path).dirty
    (tmp_path / "new.py").unlink()
    (tmp_path / "file").write_text("b")
    assert (len(clean.commit or ""), clean.dirty, code(tmp_path).dirty) == (40, False, True)


@pytest.mark.parametrize("name", ["figures", "verdict", "comparisons"])
def test_nothing_of_ours_stays_an_object(name: str) -> None:
    """What the other forms read is data alone."""
    assert isinstance(made()[name], (dict, list))
