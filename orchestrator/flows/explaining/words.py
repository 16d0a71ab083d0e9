"""The sentences of stories: how runs end and who told of it, times and spans, text that came from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.failures import Way
from orchestrator.domain.showing import shown_time

if TYPE_CHECKING:
    from datetime import datetime

LONGEST_MESSAGE: Final = 300
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
# How each way ended the run, and who told of it (docs/capture.md).
WAYS: Final = {
    Way.EXCEPTION: "the task raised it; its worker told",
    Way.CHILD_KILLED: "its pool process was killed while it ran; the worker's main process told",
    Way.SYSTEM_EXIT: "the task ended its own process (SystemExit); its worker told",
    Way.TIME_LIMIT: "it ran into its hard time limit and was killed; the worker's main process told",
    Way.MEMORY_ERROR: "the task ran out of memory, and its worker leaves after that; the worker told",
    Way.UNKNOWN_TASK: "the worker knows no task of that name; it told",
    Way.REFUSED: "the worker refused the message: its content type, or that it names no task; it told",
    Way.UNDECODABLE: "the message's body cannot be decoded; the worker kept it whole, and told",
    Way.EXPIRED: "it had expired when a worker came to it, and was dropped; the worker told",
    Way.WORKER_KILLED: "the worker's main process died with it; its journal told, read by who came after it",
    Way.COLD_SHUTDOWN: "the worker was shut down cold (SIGQUIT) while it ran; it told before it ended",
    Way.DELIVERY_LIMIT: "the queue gave its message up (delivery limit); the worker told before it was dropped",
    Way.ORPHANED: "nobody told: the result backend shows that it began, and its worker is gone",
}
COMES_AGAIN: Final = "the broker still holds its message and brings it again"


def cut(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Give text on one line, and of a long one its beginning and how long it is."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}... ({len(line)} characters)"


def at(moment: datetime) -> str:
    """Give a time to the second, in UTC."""
    return shown_time(moment)


def span(seconds: float) -> str:
    """Give a time span as people say it, in its two largest units."""
    if seconds < MINUTE:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def counted(number: int, what: str) -> str:
    """Give a number with its noun."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def rule_of(why: str) -> tuple[str, str | None]:
    """Part a reason from the rule that stands in brackets behind it."""
    if why.endswith("]") and " [" in why:
        reason, _, rule = why[:-1].rpartition(" [")
        return reason, rule
    return why, None
