"""The report of a demo: one HTML file that needs nothing else, to open, to keep, to send."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from orchestrator.dev.demo_charts import SERIES, chart, timeline
from orchestrator.warehouse.schema import STORE as WAREHOUSE
from orchestrator.warehouse.schema import model_cost_logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.dev.demo_plan import DemoPlan
    from orchestrator.dev.demo_record import Record
    from orchestrator.dev.demo_result import DemoResult

MOST_INCIDENTS: Final = 50
MOST_UNHEARD: Final = 50
table = model_cost_logs.c
Minutes = dict[tuple[str, str], tuple[int, Decimal]]


def cost_by_minute(url: str) -> Minutes:
    """Add up calls and USD for each minute and model; the rows are streamed."""
    warehouse, told = WAREHOUSE.open(url), Minutes()
    query = select(table.created_at, table.model, table.usd_cost)
    try:
        with warehouse.connect() as connection:
            for at, model, usd in connection.execution_options(yield_per=1_000).execute(query):
                key = (f"{at:%H:%M}", str(model))
                calls, total = told.get(key, (0, Decimal(0)))
                told[key] = (calls + 1, total + (usd or 0))
    finally:
        warehouse.dispose()
    return dict(sorted(told.items()))


def write_report(path: Path, result: DemoResult, record: Record, plan: DemoPlan, minutes: Minutes) -> None:
    """Write the page; a file of that name is replaced once the new one is whole. Raises OSError."""
    style = files("orchestrator.dev").joinpath("demo_report.css").read_text(encoding="utf-8")
    sections = (
        _summary(result),
        _section("Runs over time", _legend() + chart(timeline(record), plan.windows)),
        _faults(result),
        _section("The same with the retries of Celery itself", _compared(result)) if result.comparison else "",
        _incidents(result.told_incidents),
        _costs(result, minutes),
        _prompts(result),
        _sinks(result),
        _checks(result),
    )
    body = "\n".join(each for each in sections if each)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    # An empty icon of its own: without one, a browser asks the network for it.
    head += f'<link rel="icon" href="data:,"><title>Redrive: {result.calls:,} calls</title><style>{style}</style>'
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'
    draft = path.with_name(path.name + ".draft")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    titles = "".join(f"<th>{escape(each)}</th>" for each in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(_shown(each))}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _summary(result: DemoResult) -> str:
    first = result.first_retry
    figures = (
        (f"{result.succeeded:,} of {result.calls:,}", "calls ended well"),
        (f"{result.recovered:,} of {result.failed:,}", "failures recovered"),
        (f"{first['first_successes']:,} of {first['first_attempts']:,}", "first retries succeeded"),
        (f"{result.waiting:,}", "wait for a person"),
        (f"{result.cost_usd:.4f}", "USD spent"),
    )
    told = "".join(
        f"<div><strong>{escape(figure)}</strong><span>{escape(what)}</span></div>" for figure, what in figures
    )
    state = "every promise held" if result.passed else "a promise did not hold: see the end"
    note = f"{result.seconds:.0f} s; seed {result.assumed['seed']}; assumed: {result.assumed['note']}; {state}."
    return f'<h1>Redrive demo</h1><p class="note">{escape(note)}</p><div class="figures">{told}</div>'


def _legend() -> str:
    return "<p>" + "".join(f'<span class="key {name}">{escape(what)}</span>' for name, what in SERIES) + "</p>"


def _faults(result: DemoResult) -> str:
    rows = [(f.kind, f.requests, f.calls, f.succeeded, f.failed, f.waiting) for f in result.faults]
    head = ("fault", "requests", "calls", "ended well", "in FAILURE", "wait for a person")
    return _section("What the calls met, and how they ended", _table(head, rows))


def _compared(result: DemoResult) -> str:
    if result.comparison is None:
        return ""
    told = f"Measured in this run; first came {result.comparison.order[0]}, drawn with seed "
    note = f'<p class="note">{escape(told)}{result.comparison.order_seed}.</p>'
    return note + _table(("", "Redrive", "Celery"), result.comparison.rows())


def _incidents(incidents: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (_since(each), each["kind"], each["size"], each["plan"], each["state"], _lasted(each), each["why"])
        for each in sorted(incidents, key=lambda each: -int(each["size"]))[:MOST_INCIDENTS]
    ]
    more = (
        f'<p class="note">The largest {MOST_INCIDENTS} of {len(incidents)}.</p>' if len(incidents) > len(rows) else ""
    )
    head = ("opened at", "kind", "failures", "plan", "state", "closed after", "why")
    return _section("Incidents", more + _table(head, rows))


def _since(incident: Mapping[str, Any]) -> str:
    return f"{datetime.fromisoformat(incident['opened_at']).timestamp() - incident['zero']:.1f} s"


def _lasted(incident: Mapping[str, Any]) -> str | None:
    if not incident["closed_at"]:
        return None
    opened, closed = (datetime.fromisoformat(incident[name]) for name in ("opened_at", "closed_at"))
    return f"{(closed - opened).total_seconds():.1f} s"


def _costs(result: DemoResult, minutes: Minutes) -> str:
    models = _table(("model", "USD"), [(model, f"{usd:.6f}") for model, usd in result.costs.items()])
    rows = [(minute, model, calls, f"{usd:.6f}") for (minute, model), (calls, usd) in minutes.items()]
    told = result.completeness
    note = (
        f"{told['received']:,} answers received whole, {told['recorded']:,} costs recorded; {told['missing']} missing, "
        f"{told['unknown']} unknown; {told['unheard']} answers were sent and never received:"
    )
    unheard = ", ".join(f"{each['id']} (call {each['call']})" for each in told["unheard_ids"][:MOST_UNHEARD])
    by_minute = _table(("minute (UTC)", "model", "calls", "USD"), rows)
    return _section("Cost", f'{models}{by_minute}<p class="note">{escape(note)} {escape(unheard) or "none"}</p>')


def _prompts(result: DemoResult) -> str:
    told = result.near_duplicates
    names = ("prompts", "repeats", "found", "missed", "mistaken")
    note = f"Found: a cosine of the sketches of at least {told['threshold']:g}. Prompt text stays with the worker."
    counts = _table(names, [[told[name] for name in names]])
    return _section("Near-duplicate prompts", f'{counts}<p class="note">{escape(note)}</p>')


def _sinks(result: DemoResult) -> str:
    names = ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead")
    rows = [(sink, *(counts[name] for name in names)) for sink, counts in result.sinks.items()]
    plane = result.dataplane
    held = f"The data plane holds {plane['distinct']:,} messages of {plane['messages']:,} deliveries."
    return _section("Where the events went", _table(("sink", *names), rows) + f'<p class="note">{escape(held)}</p>')


def _checks(result: DemoResult) -> str:
    return _section(
        "Promises", _table(("promise", "held"), [(p, "yes" if h else "NO") for p, h in result.checks.items()])
    )
