"""Says which parts of StackStorm pack code can import here, where it asks for another."""

from __future__ import annotations

import sys
from typing import Any

HERE = (
    "st2common.runners.base_action",
    "st2common.log",
    "st2common.services.datastore",
    "st2actions.runners.pythonrunner",
)
STACKSTORM = frozenset({"st2common", "st2actions", "st2api", "st2auth", "st2reactor", "st2stream", "st2tests"})


class Missing:
    """The last finder of modules: reached by what no other has found."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004 Python passes them
        """Find nothing; raises ModuleNotFoundError for a part of StackStorm."""
        if name.split(".", maxsplit=1)[0] in STACKSTORM:
            have = ", ".join(HERE)
            raise ModuleNotFoundError(f"No module named {name!r}: the embedded StackStorm has {have}", name=name)


def tell_of_missing() -> None:
    """Let the error of an import from StackStorm say what there is."""
    sys.meta_path.append(Missing)
