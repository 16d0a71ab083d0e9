"""What actions take, as the inspection of workflows asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.stackstorm.embedded.content.values import Content

Signature = dict[str, dict[str, Any]]


class _Anything(Signature):
    """What an action takes that is refused here: the refusal is said when it is to run, with file and key."""

    def __contains__(self, name: object) -> bool:
        return True


def signatures(content: Content) -> Callable[[str], Signature | None]:
    """Give a function that gives an action's parameters by its ref: its runner's, each its own where it has one."""

    def signature(ref: str) -> Signature | None:
        action = content.actions.get(ref)
        if action is None:
            return _Anything() if content.refusal(ref) else None
        own: Mapping[str, Any] = action.parameters
        return {**RUNNERS[action.runner_type]["runner_parameters"], **own}

    return signature
