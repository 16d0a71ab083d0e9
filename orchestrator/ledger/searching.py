"""The ledger's rows of failures by what is known of them."""

from __future__ import annotations

from orchestrator.ledger.rows import Rows


class SearchingRows(Rows):
    """The verbs on failures by what is known of them."""
