"""The signature: failures that look alike by task, exception type, answer and message, without what differs by run."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from orchestrator.domain.normal import normalise

if TYPE_CHECKING:
    from orchestrator.domain.failures import ExceptionFacts

LONGEST_NAME: Final = 200
SHOWN: Final = 120
SERVER_ERRORS: Final = range(500, 600)


def look_of(task: str, facts: ExceptionFacts) -> str:
    """Give the signature of a failure of this task with this exception."""
    return signature(task, facts.type, facts.message, answer_of(facts))


def signature(task: str, exception_type: str, message: str, answer: str = "") -> str:
    """Give the signature: readable text with a short digest of the whole, so that equal text means equal signature."""
    normal = normalise(message)
    parts = f"{task}\x00{exception_type}\x00{normal}" + (f"\x00{answer}" if answer else "")
    digest = sha256(parts.encode(errors="replace")).hexdigest()[:12]
    said = f"{answer} {normal}" if answer else normal
    return f"{task[:LONGEST_NAME]} {exception_type[:LONGEST_NAME]} {said[:SHOWN]} #{digest}"


def answer_of(facts: ExceptionFacts) -> str:
    """Give the error code, else the status: many clients tell 404 and 429 by the same words with another number.

    A dependency that is down answers 502, 503 and 504 by turns: they look alike.
    """
    if facts.code or facts.status is None:
        return facts.code or ""
    return "5xx" if facts.status in SERVER_ERRORS else str(facts.status)
