"""What lint says: a page of 80 columns, or a document whose shape is stable."""

from __future__ import annotations

from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from eventbus.lint.ways import Seen, looks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventbus.lint.facts import AppFacts
    from eventbus.lint.findings import Finding

VERSION: Final = 1
WIDTH: Final = 80
MOST_SUBJECTS: Final = 8


def as_data(app: AppFacts, findings: Sequence[Finding], ignored: Sequence[str]) -> dict[str, Any]:
    """Give the document: keys may be added to it in the same version, none changes its meaning."""
    return {
        "version": VERSION,
        "app": {"name": app.name, "celery": app.celery, "broker": app.broker, "backend": app.backend, "pool": app.pool},
        "ways": [asdict(look) for look in looks(app)],
        "tasks": {
            "redriven": list(app.named(lambda task: task.idempotent)),
            "waiting": list(app.named(lambda task: not task.idempotent)),
        },
        "findings": [finding_as_data(finding) for finding in findings],
        "ignored": list(ignored),
    }


def refused_as_data(name: str, finding: Finding) -> dict[str, Any]:
    """Give the document of an app that ends at its own declarations."""
    tasks: dict[str, list[str]] = {"redriven": [], "waiting": []}
    findings = [finding_as_data(finding)]
    return {"version": VERSION, "app": {"name": name}, "ways": [], "tasks": tasks, "findings": findings, "ignored": []}


def refused_as_text(name: str, finding: Finding) -> str:
    """Give the page of such an app."""
    return "\n".join([name, *_findings([finding])])


def finding_as_data(finding: Finding) -> dict[str, Any]:
    """Give one finding of the document."""
    check, found = finding.check, finding.found
    return {
        "id": check.id,
        "severity": str(check.severity),
        "what": found.what,
        "subjects": list(found.subjects),
        "why": check.why,
        "change": found.change,
    }


def as_text(app: AppFacts, findings: Sequence[Finding]) -> str:
    """Give the page."""
    return "\n".join([*_head(app), "", *_ways(app), "", *_tasks(app), *_findings(findings)])


def _head(app: AppFacts) -> list[str]:
    return wrap(
        f"{app.name}: Celery {app.celery}, broker {app.broker}, results {app.backend}, pool {app.pool}, "
        f"{_count(len(app.tasks), 'task')}",
        WIDTH,
    )


def _ways(app: AppFacts) -> Iterator[str]:
    seen = looks(app)
    missed = [look for look in seen if look.seen is Seen.MISSED]
    absent = [look for look in seen if look.seen is Seen.CANNOT_BE]
    yield f"Of {len(seen)} ways to fail, {len(missed)} would be missed, {len(absent)} cannot be here."
    for look in (*missed, *absent):
        yield from _item(f"{look.seen}: {look.way}: {look.why}")


def _tasks(app: AppFacts) -> Iterator[str]:
    redriven = app.named(lambda task: task.idempotent)
    waiting = app.named(lambda task: not task.idempotent)
    yield f"Redriven by themselves: {_count(len(redriven), 'task')}; by a person: {_count(len(waiting), 'task')}."
    if waiting:
        yield from _item(f"by a person: {_listed(waiting)}")


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        yield ""
        yield from wrap(f"{finding.check.severity} {finding.check.id}: {finding.found.what}", WIDTH)
        if finding.found.subjects:
            yield from _item(_listed(finding.found.subjects))
        yield from _item(f"why: {finding.check.why}")
        yield from _item(f"change: {finding.found.change}")
    yield ""
    yield f"{_count(len(findings), 'finding')}; docs/lint.md tells of each" if findings else "nothing found"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _item(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_SUBJECTS
    return ", ".join(names[:MOST_SUBJECTS]) + (f", and {more} more" if more > 0 else "")
