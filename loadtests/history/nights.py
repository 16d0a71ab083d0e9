"""A run among the nights before it: what the report, the event and the command `trend` tell."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from loadtests.history.reading import TESTED, reading_of, value_of
from loadtests.history.regression import Rule, blunt, judged
from loadtests.history.store import HistoryInvalid, of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.history.store import Document, History

STANDARD: Final = Rule()
# Shown over the nights beside what is tested: the mission's two figures.
SHOWN: Final = ("overhead_p95_ms", "first_retry_success", *TESTED)


def against(document: Mapping[str, Any], history: History, rule: Rule = STANDARD) -> dict[str, Any]:
    """Hold a run against the comparable ones before it in the history; it may be there itself.

    Gives `compared_with` (ids), `rule` in words, `tests` (each figure with value, expected, ratio, its prediction
    interval, corrected p), `slower` (names), `blunt` (figures that were measured too bluntly to be tested), `points`
    (figure -> id, moment and value of each run, oldest first), and `why_not` where there is too little to test, or the
    history has a broken file: a run that was played is reported whatever lies beside it.
    """
    try:
        runs = history.runs(document["scenario"], document["engines"], of(document))
    except HistoryInvalid as error:
        return told(document, [], rule) | {"why_not": str(error)}
    return told(document, comparable(document, runs, rule), rule)


def told(document: Mapping[str, Any], earlier: Sequence[Document], rule: Rule = STANDARD) -> dict[str, Any]:
    """Hold a run against these, oldest first."""
    readings = [reading_of(each) for each in earlier]
    tests = judged(reading_of(document), readings, rule)
    return {
        "compared_with": [each["run_id"] for each in earlier],
        "rule": str(rule),
        "tests": [asdict(each) for each in tests],
        "slower": [each.figure for each in tests if each.slower],
        "blunt": blunt(readings, rule),
        "points": points([*earlier, document]),
        "why_not": None if tests else _why_not(document, earlier, rule),
    }


def comparable(document: Mapping[str, Any], runs: Sequence[Document], rule: Rule = STANDARD) -> list[Document]:
    """Choose the last runs before this one that it may be held against: same load, faults, engines and kind of machine,
    and nothing broken on purpose.
    """
    wanted = reading_of(document)
    before = [each for each in runs if (each["started_at"], each["run_id"]) < (wanted.started_at, wanted.run_id)]
    readings = [(each, reading_of(each)) for each in before]
    fit = [each for each, read in readings if read.comparable == wanted.comparable and read.sabotage is None]
    return fit[-rule.last :]


def points(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[list[Any]]]:
    """Give the values of the figures over the runs; figures that no run has are left out."""
    rows = {
        name: [
            [each["run_id"], each["started_at"], value] for each in runs if (value := value_of(each, name)) is not None
        ]
        for name in SHOWN
    }
    return {name: row for name, row in rows.items() if row}


def _why_not(document: Mapping[str, Any], earlier: Sequence[Document], rule: Rule) -> str:
    if len(earlier) < rule.fewest:
        return (
            f"expected at least {rule.fewest} comparable runs before it (same scenario, load, faults, engines, kind of "
            f"machine), got {len(earlier)}; play it more often"
        )
    reading, dull = reading_of(document), blunt([reading_of(each) for each in earlier], rule)
    missing = [name for name in TESTED if name not in reading.values and name not in dull] or ["its control"]
    told = ", ".join(missing)
    return f"expected figures above 0, and the control, in it and in {rule.fewest} runs before, got no {told}"
