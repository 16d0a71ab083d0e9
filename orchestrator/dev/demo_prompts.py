"""Near-duplicate prompts: those the seed made, held against those that the warehouse's similarity log found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from orchestrator.dev.demo_record import call_of
from orchestrator.warehouse.schema import event_logs, prompt_sim_logs
from orchestrator.warehouse.similarity import NEAR_DUPLICATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from orchestrator.dev.demo_record import Record

# Prompts that repeat the same original are one family; a pair counts as found from either side, as the later of the
# two to come in is the one that finds.
_FAMILIES: Final = """
SELECT prompts.call, hash, matched, coalesce(original, prompts.call) AS family, original IS NOT NULL AS repeats
FROM prompts LEFT JOIN plan.repeats USING (call)
"""
_REPEATS: Final = """
WITH families AS ({0})
SELECT count(*) FROM families AS one WHERE repeats AND EXISTS (
  SELECT 1 FROM families AS other WHERE other.family = one.family AND other.call != one.call {1})
"""
_NAMED: Final = "AND (one.matched = other.hash OR other.matched = one.hash)"
_MISTAKEN: Final = """
WITH families AS ({0})
SELECT count(*) FROM families AS one WHERE matched IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM families AS other WHERE other.family = one.family AND one.matched = other.hash)
"""


def scored(warehouse: Engine) -> Iterator[tuple[int, str, str | None]]:
    """Stream call, prompt hash, and the hash of the prompt it is nearly the same as, of each prompt that was scored."""
    log, event = prompt_sim_logs.c, event_logs.c
    query = select(event.subject, log.prompt_hash, log.matched_prompt_hash, log.similarity_score).join(
        event_logs, event.id == log.id
    )
    with warehouse.connect() as connection:
        for task_id, own, matched, score in connection.execution_options(yield_per=1_000).execute(query):
            yield call_of(task_id), own, matched if (score or 0) >= NEAR_DUPLICATE else None


def near_duplicates(record: Record) -> dict[str, float]:
    """Count prompts that came in, those that repeat another one that did, how many were found, and false finds."""
    repeats = int(record.number(_REPEATS.format(_FAMILIES, "")))
    found = int(record.number(_REPEATS.format(_FAMILIES, _NAMED)))
    return {
        "prompts": int(record.number("SELECT count(*) FROM prompts")),
        "repeats": repeats,
        "found": found,
        "missed": repeats - found,
        "mistaken": int(record.number(_MISTAKEN.format(_FAMILIES))),
        "threshold": NEAR_DUPLICATE,
    }
