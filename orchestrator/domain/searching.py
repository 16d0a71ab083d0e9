"""The port of the ledger, as far as it knows failures by what is known of them."""

from __future__ import annotations

from typing import Protocol


class SearchingTx(Protocol):
    """What a transaction on the ledger can do for failures by what is known of them."""
