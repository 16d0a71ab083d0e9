"""A StackStorm for the tests of packs: what the pytest plugin `redrive_stackstorm` gives to a test."""

from orchestrator.stackstorm.testing.executions import Execution, Fired
from orchestrator.stackstorm.testing.stackstorm import StackStorm, StillRunning, Stub

__all__ = ["Execution", "Fired", "StackStorm", "StillRunning", "Stub"]
