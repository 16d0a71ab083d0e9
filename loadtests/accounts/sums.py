"""The sums of each sink: whether they add up, and what it gave up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.evidence import Evidence

CONSERVED, DEAD, COUNT = "conservation", "dead_letters", "count"
NO_COUNTS: Final = "expected the counts of the sinks, got none"


def dead_of(evidence: Evidence) -> Figure:
    """Count the events that sinks gave up: kept for a person, and not delivered."""
    if not evidence.sinks:
        return Figure.unmeasured(DEAD, COUNT, NO_COUNTS)
    dead = {sink: int(counts["dead"]) for sink, counts in evidence.sinks.items()}
    routed = sum(int(counts["routed"]) for counts in evidence.sinks.values())
    about = ", ".join(f"{sink}: {number}" for sink, number in dead.items() if number)
    return Figure(DEAD, COUNT, sum(dead.values()), samples=routed, about=about)


def conservation_of(evidence: Evidence) -> Figure:
    """Count the events that the sums of the sinks, or these and the log, do not account for."""
    if not evidence.sinks:
        return Figure.unmeasured(CONSERVED, COUNT, NO_COUNTS)
    off = {sink: _unaccounted(counts, len(set(evidence.accepted))) for sink, counts in evidence.sinks.items()}
    told = [f"{sink} is off by {number}: {dict(evidence.sinks[sink])}" for sink, number in off.items() if number]
    accepted = max(int(counts["accepted"]) for counts in evidence.sinks.values())
    return Figure(CONSERVED, COUNT, sum(off.values()), samples=accepted, about="; ".join(told))


def _unaccounted(counts: Mapping[str, Any], in_log: int) -> int:
    """Add up by how much accepted, routed and the log's own rows differ."""
    accepted, filtered, sampled_out, routed, delivered, pending, dead = (
        int(counts[name]) for name in ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead")
    )
    first = abs(accepted - filtered - sampled_out - routed)
    second = abs(routed - delivered - pending - dead)
    return first + second + abs(accepted - in_log)
