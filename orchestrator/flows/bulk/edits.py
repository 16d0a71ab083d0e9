"""Edits to arguments: which of the failures that are meant have a declaration that allows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

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


def why_not_editable(declaration: Mapping[str, Any], edits: Mapping[str, Any]) -> str | None:
    """Say why a declaration does not allow these edits; None where it does."""
    allowed = declaration.get("edit") or {}
    for name in edits:
        if name not in allowed:
            return (
                f"expected arguments that the task allows to be edited, got {name!r}; "
                "declare it: @app.task(redrive={'edit': ...})"
            )
    return None
