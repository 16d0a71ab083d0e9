"""The port of the ledger, as far as it knows what a person is asked to agree to."""

from __future__ import annotations

from typing import Protocol


class ApprovingTx(Protocol):
    """What a transaction on the ledger can do for what a person is asked to agree to."""
