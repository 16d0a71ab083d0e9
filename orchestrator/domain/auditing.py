"""The port of the ledger, as far as it knows the audit, which grows and is never changed."""

from __future__ import annotations

from typing import Protocol


class AuditingTx(Protocol):
    """What a transaction on the ledger can do for the audit, which grows and is never changed."""
