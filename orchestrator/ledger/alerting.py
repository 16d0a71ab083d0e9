"""The ledger's rows of alerts: who is told of what, and who has answered."""

from __future__ import annotations

from orchestrator.ledger.rows import Rows


class AlertingRows(Rows):
    """The verbs on alerts: who is told of what, and who has answered."""
