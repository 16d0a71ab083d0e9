"""Which messages can never be published again as they are, and what each refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.eligibility import refusal_of, refuse_not_redrivable
from orchestrator.domain.errors import NotRedrivable
from tests.recovery import message

REFUSED = {
    "missing": ({"missing": True}, "never reached Redrive"),
    "redacted": ({"redacted": ("kwargs.password", "args.0")}, r"kwargs\.password, args\.0.*resolver"),
    "sealed": ({"sealed": "gAAAA"}, "REDRIVE_MESSAGE_KEYS"),
}


@pytest.mark.parametrize(("changes", "says"), REFUSED.values(), ids=REFUSED)
def test_a_message_that_is_not_whole_is_refused_with_the_reason(changes: dict[str, Any], says: str) -> None:
    """What is missing, what was redacted, what has no key: each says so, and what to do."""
    with pytest.raises(NotRedrivable, match=says):
        refuse_not_redrivable(message(**changes), keys_known=False)


@pytest.mark.parametrize(
    "changes", [{}, {"redacted": ("args.0",), "resolvable": True}, {"sealed": "gAAAA"}, {"claim": {"url": "file:///x"}}]
)
def test_a_message_that_may_be_tried_is_not_refused(changes: dict[str, Any]) -> None:
    """A whole one, one that the worker resolves, a sealed one where there are keys, one whose body lies in a store."""
    assert refusal_of(message(**changes), keys_known=True) is None
