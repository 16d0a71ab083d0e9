"""The orchestrator: groups failures into incidents, lets StackStorm decide, moves the tasks, and forwards every event."""
