"""The ledger's rows of what a person is asked to agree to."""

from __future__ import annotations

from orchestrator.ledger.rows import Rows


class ApprovingRows(Rows):
    """The verbs on what a person is asked to agree to."""
