"""The table of all checks, in the order in which they are told."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from eventbus.lint import broker_checks, capture_checks, result_checks, task_checks
from eventbus.lint.findings import Finding, Found, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventbus.lint.facts import AppFacts
    from eventbus.lint.findings import Check

CHECKS: Final[tuple[Check, ...]] = (
    *capture_checks.CHECKS,
    *task_checks.CHECKS,
    *broker_checks.CHECKS,
    *result_checks.CHECKS,
)
IDS: Final = tuple(check.id for check in CHECKS)
_ORDER: Final = list(Severity)


def findings_of(app: AppFacts) -> list[Finding]:
    """Run every check over an app: the worst first."""
    found = [(check, check.find(app)) for check in CHECKS]
    findings = [Finding(check, each) for check, each in found if each is not None]
    return sorted(findings, key=lambda finding: _ORDER.index(finding.check.severity))


def heard(findings: Sequence[Finding], ignored: Sequence[str]) -> list[Finding]:
    """Leave out the findings that are ignored by id; an id may be a pattern."""
    return [each for each in findings if not any(fnmatchcase(each.check.id, pattern) for pattern in ignored)]


def not_installable(why: str) -> Finding:
    """Give the finding of an app whose declarations end its import: there is nothing else to look at."""
    check = next(check for check in CHECKS if check.id == "declaration-wrong")
    return Finding(check, Found("install(app) refuses this.", capture_checks.DECLARE, (why,)))
