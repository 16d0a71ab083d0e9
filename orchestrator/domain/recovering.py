"""The port of the ledger, as far as it knows recoveries of many failures at once, and what became of each."""

from __future__ import annotations

from typing import Protocol


class RecoveringTx(Protocol):
    """What a transaction on the ledger can do for recoveries of many failures at once, and what became of each."""
