"""Edits to arguments: which of the failures that are meant have a declaration that allows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from orchestrator.domain.edits import why_not_editable
from orchestrator.domain.errors import InvalidPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.searching import Judging
    from orchestrator.domain.selection import Selection


def judged_by_edits(tx: LedgerTx, selection: Selection, edits: Mapping[str, Any], judging: Judging) -> Judging:
    """Note which declarations allow these edits; raises InvalidPlan where none of those that are meant does."""
    declared = tx.declared(selection)
    refused = {each: why_not_editable(orjson.loads(each), edits) for each in declared}
    allowed = frozenset(each for each, why in refused.items() if why is None)
    if declared and not allowed:
        raise InvalidPlan(next(why for why in refused.values() if why))
    return replace(judging, declarations=allowed)
