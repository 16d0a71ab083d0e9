"""The sample provider that never fails: `python -m loadtests.apps.calm_provider`. What it is ordered does nothing.

It answers orders as the real one does, so that who gives them believes that the fault is made.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadtests.apps.provider import main
from loadtests.apps.provider_state import State

if TYPE_CHECKING:
    from loadtests.faults import Fault


def ignore(self: State, trouble: Fault | None) -> None:
    """Take an order, and do nothing."""


State.order = ignore  # type: ignore[method-assign]  # in this process no provider fails

if __name__ == "__main__":
    sys.exit(main())
