"""The tokens with which actions call the API back: one for each execution, for as long as its action runs."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN_BYTES = 16


class Tokens:
    """The tokens that are good now. They live in memory, as the actions that hold them do. Any thread may ask."""

    def __init__(self) -> None:
        self._executions: dict[str, str] = {}

    def issue(self, execution: str) -> str:
        """Make a token for an execution's action."""
        token = secrets.token_hex(TOKEN_BYTES)
        self._executions[token] = execution
        return token

    def check(self, token: str) -> str | None:
        """Give the execution whose action holds a token; None for a token that is not good, or no longer."""
        return self._executions.get(token)

    def revoke(self, token: str) -> None:
        """Let a token be good no more."""
        self._executions.pop(token, None)

    @contextlib.contextmanager
    def issued(self, execution: str) -> Iterator[str]:
        """Make a token that is good while the block runs."""
        token = self.issue(execution)
        try:
            yield token
        finally:
            self.revoke(token)
