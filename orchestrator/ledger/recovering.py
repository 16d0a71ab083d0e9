"""The ledger's rows of recoveries of many failures at once, and what became of each."""

from __future__ import annotations

from orchestrator.ledger.rows import Rows


class RecoveringRows(Rows):
    """The verbs on recoveries of many failures at once, and what became of each."""
