"""Whether the worker that is measured with traces has traced: a missing package switches them off, in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.scenarios.scenario import Phase

ASK_SECONDS: Final = 5.0


def untraced(phases: Sequence[Phase], collector: str) -> str | None:
    """Say what is wrong where a phase was traced and nothing came to the collector at this URL; None for nothing.

    To be asked when the workers have stopped, which send their last spans at their end. Raises requests' errors.
    """
    if not any(phase.traced for phase in phases):
        return None
    answer = requests.get(f"{collector}/stats", timeout=ASK_SECONDS)
    answer.raise_for_status()
    if answer.json()["posts"]:
        return None
    return (
        "expected spans of the worker that traces, got none: its figures are of a worker that did not trace; "
        "install redrive[otel], which redrive[loadtests] brings"
    )
