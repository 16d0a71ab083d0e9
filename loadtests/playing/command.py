"""`python -m loadtests SCENARIO`: play, measure, judge, report, remember, tell. What it starts it stops."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

import psutil
import psycopg
import requests

from loadtests import accounts, sabotage
from loadtests.arrivals import LoadInvalid
from loadtests.bed.bed import Bed
from loadtests.bed.faults import FaultNotMade
from loadtests.control import measure, summary
from loadtests.history.nights import against
from loadtests.history.store import History
from loadtests.history.telling import send
from loadtests.knee.knees import Sought
from loadtests.knee.knees import found_in as sought_in
from loadtests.measuring.figures import figures_of as measured_of
from loadtests.playing import run_id as run_ids
from loadtests.playing import signals
from loadtests.playing.conductor import say
from loadtests.playing.nothing import nothing
from loadtests.playing.options import token
from loadtests.playing.run import Run
from loadtests.processes import ProcessFailed
from loadtests.report import text, writing
from loadtests.report.document import Findings, Provenance, document
from loadtests.scenarios import reading
from loadtests.stamps import StampError
from loadtests.verdict import gates
from loadtests.verdict.judging import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.evidence import Evidence
    from loadtests.playing.options import Wanted
    from loadtests.profiling import Profile
    from loadtests.scenarios.scenario import Scenario
    from loadtests.verdict.gate import Gate

    # The gates, and the scenario as its file has it: they are asked what that plays.
    Asked = tuple[tuple[Gate, ...], Scenario]

RUN_ID: Final = "LOADTESTS_RUN_ID"
COULD_NOT: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
HISTORY: Final = "history"


class CouldNotMeasure(RuntimeError):
    """What a run ended with before it had measured; names logs where they are kept."""


# What a run can end with that is not a fault of this program: processes, links and databases that did not answer.
FOREIGN: Final = (
    CouldNotMeasure,
    ProcessFailed,
    psutil.Error,
    FaultNotMade,
    OSError,
    subprocess.SubprocessError,
    requests.RequestException,
    sqlite3.Error,
    psycopg.Error,
    StampError,
    LoadInvalid,
)


def run(wanted: Wanted) -> int:
    """Play a scenario and print its report.

    Gives 0 where all gates are met, 99 where one is missed, 1 where it could not measure or not write, 2 for what it
    cannot read, 130 for Ctrl-C.
    """
    signals.listen()
    try:
        scenario, asked, whole = _read(wanted)
        run_id = _run_id(scenario)
    except (reading.ScenarioInvalid, gates.GatesInvalid, sabotage.SabotageUnknown, run_ids.RunIdInvalid) as error:
        print(error, file=sys.stderr)
        return USAGE
    folder = wanted.out / "runs" / run_id
    try:
        for each in (folder, wanted.out / HISTORY):
            each.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"could not measure: expected a folder that reports can be written to, got: {error}", file=sys.stderr)
        return COULD_NOT
    try:
        return _ended(_whole(wanted, scenario, run_id, (asked, whole)), wanted, folder)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        with suppress(OSError):
            folder.rmdir()  # of a run that left nothing


def _whole(wanted: Wanted, scenario: Scenario, run_id: str, asked: Asked) -> dict[str, Any]:
    """Play it and give its report, which says of a run that could not measure why it is none."""
    began_at = datetime.now(UTC)
    try:
        return _reported(*_played(wanted, scenario, run_id, wanted.out / "runs" / run_id), asked, wanted)
    except FOREIGN as error:
        print(f"could not measure: {error}", file=sys.stderr)
        evidence = nothing(run_id, scenario, began_at, str(error))
        return _documented(evidence, Findings((), judge((), *asked, evidence.problems)), wanted)


def _ended(report: dict[str, Any], wanted: Wanted, folder: Path) -> int:
    """Write, tell and print a report; one that cannot be written is printed all the same."""
    code = int(report["verdict"]["exit_code"])
    try:
        _kept(report, wanted, folder)
    except OSError as error:
        print(f"could not write: {error}", file=sys.stderr)
        code = code or COULD_NOT
    _tell(report, wanted)
    print(json.dumps(report) if wanted.json else text.text(report))
    return code


def _read(wanted: Wanted) -> tuple[Scenario, tuple[Gate, ...], Scenario]:
    """Give what is played, the gates, and the scenario as its file has it: what that asks, a shorter run is asked."""
    whole = reading.load(wanted.scenario, wanted.seed, wanted.engines)
    if wanted.rate is not None:
        whole = replace(whole, rate=wanted.rate)
    scenario = whole if wanted.seconds is None else reading.lasting(whole, wanted.seconds)
    sabotage.of(wanted.sabotage)
    return scenario, gates.load(whole.gates, Path(wanted.scenario).parent), whole


def _run_id(scenario: Scenario) -> str:
    given = os.environ.get(RUN_ID)
    return run_ids.checked(given) if given else run_ids.made(datetime.now(UTC), scenario.name, os.urandom(3))


def _played(wanted: Wanted, scenario: Scenario, run_id: str, folder: Path) -> tuple[Evidence, Profile | None]:
    with _work(folder, keep=wanted.keep) as work, Bed(work, scenario, wanted.sabotage) as bed:
        say(f"{run_id}: {scenario.about}; {scenario.seconds:.0f} s of load on {scenario.engines} engines")
        bed.start()
        run = Run(bed, run_id, measure, profile_in=folder / "profile" if wanted.profile else None)
        evidence = run.play()
        signals.unheard()
    signals.listen()
    return evidence, run.profile


@contextmanager
def _work(folder: Path, *, keep: bool) -> Iterator[Path]:
    """Give a folder for logs, stamps and databases; what is kept is moved beside the report at the end.

    Of a run that fails the logs are kept in any case, and its error names them there: raises CouldNotMeasure.
    """
    work, kept = Path(mkdtemp(prefix="redrive-loadtest-")), folder / ("work" if keep else "logs")
    try:
        yield work
    except FOREIGN as error:
        if not keep:
            shutil.copytree(work, kept, ignore=_all_but_logs, dirs_exist_ok=True)
        raise CouldNotMeasure(str(error).replace(str(work), str(kept))) from error
    finally:
        if keep:
            shutil.move(work, kept)
        else:
            shutil.rmtree(work, ignore_errors=True)


def _all_but_logs(_: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".log")]


def _reported(evidence: Evidence, profile: Profile | None, asked: Asked, wanted: Wanted) -> dict[str, Any]:
    """Measure, judge, and hold against the nights before."""
    measured = sought_in(evidence) if evidence.scenario.search else measured_of(evidence)
    counted = accounts.figures_of(evidence)
    figures = [*measured.figures, *counted.figures]
    verdict = judge(figures, *asked, [*evidence.problems, *counted.problems])
    found = Findings(
        figures=figures,
        verdict=verdict,
        comparisons=measured.comparisons,
        first_retry=counted.first_retry,
        control=summary(evidence.control),
        profiles=profile.told() if profile else {},
        knees=measured.knees if isinstance(measured, Sought) else (),
    )
    return _documented(evidence, found, wanted)


def _documented(evidence: Evidence, found: Findings, wanted: Wanted) -> dict[str, Any]:
    report = document(evidence, found, Provenance.here(reading.as_data(evidence.scenario), wanted.sabotage))
    return report | {"trend": against(report, History(wanted.out / HISTORY))}


def _kept(report: dict[str, Any], wanted: Wanted, folder: Path) -> None:
    """Write it all down; raises OSError."""
    writing.write(report, folder)
    History(wanted.out / HISTORY).add(report)


def _tell(report: dict[str, Any], wanted: Wanted) -> None:
    """Tell an orchestrator of the run, where one was named; one that does not take it changes no verdict."""
    if wanted.report_to is None:
        return
    answer = send(report, wanted.report_to, token())
    say(f"told {wanted.report_to}: event {answer.event_id}" if answer.accepted else f"not told: {answer.why}")
