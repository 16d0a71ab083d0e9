"""The pack that the benchmark runs: as little in each action and workflow as there can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_RULE: Final = """\
name: {name}
enabled: true
trigger: {{type: bench.{name}}}
action: {{ref: bench.{action}, parameters: {{number: '{{{{ trigger.number }}}}'}}}}
"""
_WORKFLOW: Final = """\
version: 1.0
input: [number]
tasks:
  one: {{action: {action}, next: [{{when: <% succeeded() %>, do: two}}]}}
  two: {{action: {action}, next: [{{when: <% succeeded() %>, do: three}}]}}
  three: {{action: {action}}}
"""
_ACTION: Final = (
    "name: {name}\nrunner_type: {runner}\nentry_point: {entry_point}\nparameters: {{number: {{type: integer}}}}\n"
)
FILES: Final = {
    "pack.yaml": "{name: bench, description: what the benchmark runs, version: 0.1.0, author: redrive}\n",
    # run() takes the time before anything else, and gives it as its result.
    "actions/stamp.py": """\
import time

from st2common.runners.base_action import Action


class Stamp(Action):
    def run(self, number=None):
        return time.time_ns()
""",
    "actions/stamp.yaml": _ACTION.format(name="stamp", runner="python-script", entry_point="stamp.py"),
    "actions/stamps.yaml": _ACTION.format(name="stamps", runner="orquesta", entry_point="workflows/stamps.yaml"),
    "actions/noops.yaml": _ACTION.format(name="noops", runner="orquesta", entry_point="workflows/noops.yaml"),
    "actions/workflows/stamps.yaml": _WORKFLOW.format(action="bench.stamp"),
    "actions/workflows/noops.yaml": _WORKFLOW.format(action="core.noop"),
    "triggers/one_action.yaml": "{name: one_action, payload_schema: {type: object}}\n",
    "triggers/one_workflow.yaml": "{name: one_workflow, payload_schema: {type: object}}\n",
    "rules/one_action.yaml": _RULE.format(name="one_action", action="stamp"),
    "rules/one_workflow.yaml": _RULE.format(name="one_workflow", action="stamps"),
}


def write(folder: Path) -> Path:
    """Write the pack into a folder; gives the pack's own."""
    for name, text in FILES.items():
        file = folder / "bench" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "bench"
