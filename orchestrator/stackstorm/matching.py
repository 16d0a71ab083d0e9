"""Whether a rule would match a payload, told on this side: StackStorm does not evaluate disabled rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.rules import criteria

if TYPE_CHECKING:
    from collections.abc import Mapping


def would_match(spec: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Tell whether a rule's criteria hold; those that cannot be read here count as holding: the rule is named."""
    try:
        return criteria.holds(criteria.parse(spec), dict(payload), datetime.now(UTC))
    except criteria.CriterionError:
        return True
    except (TypeError, ValueError, AttributeError):
        return False
