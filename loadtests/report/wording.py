"""How numbers, limits and outcomes are said, the same in every form of the report. All read the document's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.verdict.gate import JudgedBy, Rule
from loadtests.verdict.judging import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = dict[str, Any]
MARKS: Final = {True: "✓", False: "✗", None: "?"}
ORDER: Final = {False: 0, None: 1, True: 2}
WHOLE_UNITS: Final = frozenset({"", "count"})
OUTCOMES: Final = {Outcome.PASSED: "PASSED", Outcome.MISSED: "MISSED", Outcome.NOT_MEASURED: "COULD NOT MEASURE"}
WAYS: Final = {JudgedBy.VALUE: "by value", JudgedBy.LOW: "by its lower end", JudgedBy.HIGH: "by its upper end"}
SPANS: Final = {
    "end_to_end": "end to end",
    "worker": "in the worker",
    "worker_delayed": "in the worker with its waits for a processor",
}


def number(value: float | None, unit: str) -> str:
    """Say a number with its unit: a share in percent, a count whole, all else to three figures or more."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{_percent(value)} %"
    if unit in WHOLE_UNITS:
        return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
    return f"{_short(value)} {unit}"


def interval(row: Mapping[str, Any]) -> str:
    """Say a figure's 95 % interval; nothing where it has none."""
    low, high, unit = row.get("low"), row.get("high"), str(row["unit"])
    if low is None or high is None:
        return ""
    return f"{number(low, unit).removesuffix(f' {unit}').removesuffix(' %')} … {number(high, unit)}"


def measured(row: Mapping[str, Any]) -> str:
    """Say a figure in one line: value, interval, what it rests on."""
    counts = row.get("numerator"), row.get("denominator")
    of = f"{counts[0]:,} of {counts[1]:,}" if None not in counts else ""
    samples = f"n = {row['samples']:,}" if row.get("samples") is not None and not of else ""
    beside = ", ".join(each for each in (interval(row), of or samples) if each)
    said = number(row["value"], str(row["unit"]))
    return f"{said} ({beside})" if beside and row["value"] is not None else said


def limit(row: Mapping[str, Any]) -> str:
    """Say a gate's limit, and by which end it is judged where that is not the value."""
    said = f"{Rule(row['rule']).sign} {number(row['limit'], str(row['unit']))}"
    way = JudgedBy(row["judged_by"])
    return said if way is JudgedBy.VALUE else f"{said}, {WAYS[way]}"


def gates_in_order(document: Mapping[str, Any]) -> list[Row]:
    """Give the gates with those that were missed first, then those that nobody can tell."""
    return sorted(document["verdict"]["gates"], key=lambda row: ORDER[row["met"]])


def headline(document: Mapping[str, Any]) -> str:
    """Say in one sentence how the run ended, with the figures that decided it by name."""
    gates: Sequence[Row] = document["verdict"]["gates"]
    missed, unknown = ([row["figure"] for row in gates if row["met"] is each] for each in (False, None))
    parts = [f"{len(missed)} of {len(gates)} gates missed: {', '.join(missed)}"] if missed else []
    parts += [f"{len(unknown)} of {len(gates)} not measured: {', '.join(unknown)}"] if unknown else []
    parts += ["no gate was asked"] if not gates else []
    parts += [f"problem: {document['problems'][0]}"] if document["problems"] else []
    return "; ".join(parts) or f"all {len(gates)} gates met"


def outcome(document: Mapping[str, Any]) -> str:
    """Give the word that it begins with."""
    return OUTCOMES[Outcome(document["verdict"]["outcome"])]


def sabotage(document: Mapping[str, Any]) -> str:
    """Say what was broken on purpose; nothing where nothing was."""
    name = document["settings"].get("sabotage")
    return f"SABOTAGED ON PURPOSE: {name}" if name else ""


def run_line(document: Mapping[str, Any]) -> str:
    """Say which run this is: scenario, engines, seed, when, how long, which code."""
    commit = document["commit"]
    told = "no commit" if commit is None else commit[:10] + (" with changes" if document["dirty"] else "")
    when = f"{document['started_at'][:16].replace('T', ' ')} UTC, {document['seconds']:.0f} s"
    return f"{document['scenario']} on {document['engines']}, seed {document['settings']['seed']}; {when}; {told}"


def comparison(each: Mapping[str, Any]) -> str:
    """Say what was compared: 'bus slow, traced, in the worker'."""
    traced = ", traced" if each["arm"] == "traced" else ""
    return f"{SPANS.get(each['span'], each['span'])}, bus {each['bus']}{traced}"


def accounts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the three accounts of first retries: who counted, and 'successes of attempts'.

    Where none of them counted any there is nothing to agree on.
    """
    names = {"ledger": "ledger", "settle": "StackStorm's settle", "seen": "provider and workers"}
    found = document["first_retry"].get("accounts", {})
    if not any(told["first_attempts"] for told in found.values()):
        return []
    return [
        (names.get(name, name), f"{told['first_successes']} of {told['first_attempts']}")
        for name, told in found.items()
    ]


def left_out(document: Mapping[str, Any]) -> str:
    """Say of how many the accounts are not held against each other, and name the first; nothing where of all."""
    told, more = document["first_retry"].get("left_out", []), document["first_retry"].get("left_out_more", 0)
    return f"{len(told) + more:,} left out of the comparison, first: {told[0]}" if told else ""


def _percent(share: float) -> str:
    """Give a percentage to four figures; what is not all of it is never rounded up to 100."""
    said = f"{share * 100:.4g}"
    return said if said != "100" or share >= 1 else f"{share * 100:.9g}"


def why(row: Mapping[str, Any]) -> str:
    """Say what speaks against a gate; nothing where it is met."""
    return "" if row["met"] else str(row["why"])


def _short(value: float) -> str:
    size = abs(value)
    if size >= 100:  # noqa: PLR2004 - from here on a decimal tells nothing
        return f"{value:,.0f}"
    return f"{value:.3g}"
