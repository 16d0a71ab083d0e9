"""Idempotency-Keys: the same key and request give the answer that was given first, for 24 hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.api.problems import KeyReused

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.commands import StoredAnswer
    from orchestrator.domain.ledger import LedgerTx


def stored_answer(tx: LedgerTx, key: str, digest: str, now: datetime) -> StoredAnswer | None:
    """Take the key for a request, or give what was answered to it; raises KeyReused for another request's key."""
    stored = tx.take_key(key, digest, now)
    if stored is not None and stored.request_hash != digest:
        raise KeyReused(f"expected the request that first came with Idempotency-Key {key!r}, got another")
    return stored
