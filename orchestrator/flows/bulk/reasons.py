"""Why failures cannot go, in words: what was expected, what came, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.searching import Why

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

MOST_NAMED: Final = 5
WORDS: Final = {
    Why.RELEASED: "on its way: a redrive of it is out, and its outcome is awaited",
    Why.RECOVERED: "recovered: its task has run well since",
    Why.DISCARDED: "discarded: somebody has given it up",
    Why.PENDING: "the broker still holds its message, and will deliver it again by itself",
    Why.ASKED_FOR: "asked for already, by {by} to ask again",
    Why.MISSING: "its message never reached Redrive; send the task again yourself, or discard the failure",
    Why.REDACTED: "its message is not whole: parts were redacted in the worker, and no resolver fills them in",
    Why.SEALED: "its message is sealed, and this orchestrator has no key; set REDRIVE_MESSAGE_KEYS",
    Why.EXPIRED: "its task has expired; a worker would drop it",
    Why.NOT_EDITABLE: "its task does not allow these edits, or its message is not in JSON; declare them: "
    "@app.task(redrive={{'edit': ...}})",
    Why.BEYOND_LIMIT: "beyond the limit; ask again, or with a higher limit, for these",
}


def told(why: Why, asked_by: Sequence[UUID] = ()) -> str:
    """Say why failures cannot go; `asked_by` are the recoveries that hold some of them, the largest first."""
    return WORDS[why].format(by=_recoveries(asked_by))


def _recoveries(asked_by: Sequence[UUID]) -> str:
    if len(asked_by) == 1:
        return f"recovery {asked_by[0]}; abort that one"
    more = f" and {len(asked_by) - MOST_NAMED:,} more" if len(asked_by) > MOST_NAMED else ""
    return f"recoveries {', '.join(map(str, asked_by[:MOST_NAMED]))}{more}; abort those"
