"""Whether a rule would match a payload, told on this side: StackStorm does not evaluate disabled rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.domain.rules import Matching
from orchestrator.stackstorm.embedded.rules import criteria, templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.domain.rules import Rule


def matching(rules: Iterable[Rule], trigger: str, payload: Mapping[str, Any]) -> Matching:
    """Tell which rules match a trigger, enabled or not: for sure, and perhaps."""
    held = [(rule, would_match(rule.criteria, payload)) for rule in rules if rule.trigger == trigger]
    return Matching(
        sure=tuple(rule for rule, holds in held if holds),
        possible=tuple(rule for rule, holds in held if holds is not False),
    )


def would_match(spec: Mapping[str, Any], payload: Mapping[str, Any]) -> bool | None:
    """Tell whether a rule's criteria hold; None for those that cannot be read here."""
    if "st2kv" in str(spec):
        return None  # the datastore is StackStorm's
    try:
        lines = criteria.parse(spec)
    except criteria.CriterionError:
        return None
    if not _are_cheap(lines):
        return None  # nothing here could stop a pattern that loops without end
    moment = criteria.Moment(datetime.now(UTC), {}, templates.text)
    return criteria.evaluate(lines, dict(payload), moment).holds


def _are_cheap(lines: Iterable[criteria.Criterion]) -> bool:
    return all(_are_cheap(line.nested) and templates.is_cheap(line.pattern) for line in lines)
