"""The report of a demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.dev.demo_plan import DemoPlan
    from orchestrator.dev.demo_record import Record
    from orchestrator.dev.demo_result import DemoResult


def write_report(path: Path, result: DemoResult, record: Record, plan: DemoPlan) -> None:
    """Write."""
