"""A run that could not measure, as evidence: nothing was seen, and why."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadtests.evidence import Evidence

if TYPE_CHECKING:
    from loadtests.scenarios.scenario import Scenario


def nothing(run_id: str, scenario: Scenario, began_at: datetime, why: str) -> Evidence:
    """Give the evidence of a run that ended before its account; `why` is its only problem."""
    return Evidence(
        run_id=run_id,
        scenario=scenario,
        began_at=began_at,
        ended_at=datetime.now(UTC),
        began=time.monotonic(),
        problems=[why],
    )
