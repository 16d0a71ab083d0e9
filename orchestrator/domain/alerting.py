"""The port of the ledger, as far as it knows alerts: who is told of what, and who has answered."""

from __future__ import annotations

from typing import Protocol


class AlertingTx(Protocol):
    """What a transaction on the ledger can do for alerts: who is told of what, and who has answered."""
