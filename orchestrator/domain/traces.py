"""Traces (W3C Trace Context, level 1): where an incident and each of its redrives stand.

An incident goes on in the trace of its first failure, so that one failing call can be followed from its caller to its
recovery. Every further failure's redrive has a trace of its own, with links to the run that failed and to the incident:
ten thousand redrives as children of one span are a trace that nobody can open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

_PATTERN: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class SpanContext:
    """A place in a trace: ids in hexadecimal; `sampled` as whoever began the trace decided."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """Give it as the header `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def context_of(traceparent: str | None) -> SpanContext | None:
    """Read the header `traceparent`; None for one that is missing, malformed or all zeroes (section 3.2)."""
    match = _PATTERN.fullmatch(traceparent) if traceparent else None
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return None
    return SpanContext(match[1], match[2], sampled=bool(int(match[3], 16) & _SAMPLED))


def span_id(*identity: object) -> str:
    """Give the id of a span that tells of this: the same step told twice is one span."""
    return sha256("/".join(map(str, identity)).encode()).hexdigest()[:16]


def incident_context(incident_id: UUID, first: SpanContext | None) -> SpanContext:
    """Place an incident: in the trace of its first failure, else in one of its own."""
    own = span_id("incident", incident_id)
    return SpanContext(first.trace_id, own, first.sampled) if first else SpanContext(incident_id.hex, own)


def attempt_context(attempt_id: UUID, incident: SpanContext, *, leads: bool) -> SpanContext:
    """Place a redrive: in the incident's trace if it `leads` (the incident began with its failure), else in its own."""
    own = span_id("attempt", attempt_id)
    return SpanContext(incident.trace_id if leads else attempt_id.hex, own, incident.sampled)
