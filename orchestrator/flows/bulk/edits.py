"""Edits to arguments: which of the failures that are meant have a declaration that allows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from eventbus import scrub
from orchestrator.domain.edits import shown, why_not_editable
from orchestrator.domain.errors import InvalidPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.recoveries import Recovery
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


def edits_told(tx: LedgerTx, recovery: Recovery) -> dict[str, Any]:
    """Give a recovery's edits as its command, and so the audit, tell them: values where every task that is meant allows
    the argument to be searched by, every failure's worker has let its value out, and no secret stands in it; else the
    names alone.
    """
    if not recovery.edits:
        return {}
    declared = [orjson.loads(each) for each in tx.declared(recovery.selection)]
    may = [set(each.get("search") or ()) for each in declared if why_not_editable(each, recovery.edits) is None]
    named = set.intersection(*may) if may else set()
    told = {
        name
        for name, value in recovery.edits.items()
        if name in named and scrub.text(str(value)) == str(value) and tx.all_tell(recovery.selection, name)
    }
    return {"edits": shown(recovery.edits, told)}


def edited_before(tx: LedgerTx, recovery: Recovery) -> dict[str, Any]:
    """Give what the edited arguments of one failure were, as far as they may be told; of many each has its own."""
    stored = tx.failure(recovery.failure_id) if recovery.edits and recovery.failure_id else None
    if stored is None:
        return {}
    known = {name: value for name, value in stored.failure.arguments.items() if name in recovery.edits}
    return {"edits": shown(dict.fromkeys(recovery.edits), ()) | known}
