"""The orchestrator: groups failures into incidents, lets StackStorm decide, moves tasks, forwards every event."""
