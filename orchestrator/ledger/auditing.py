"""The ledger's rows of the audit, which grows and is never changed."""

from __future__ import annotations

from orchestrator.ledger.rows import Rows


class AuditingRows(Rows):
    """The verbs on the audit, which grows and is never changed."""
